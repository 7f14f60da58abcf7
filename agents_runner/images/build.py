"""One layer: run its step in a container of the parent image, look at the result, commit it, tag it last."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders, read_state
from agents_runner.containers.watch import Watch
from agents_runner.core import container as labels
from agents_runner.core.container import CommitSpec, ContainerSpec, ImageInfo, build_container
from agents_runner.core.environment import Resources
from agents_runner.core.errors import (
    AgentsRunnerError,
    BuildFailed,
    Cancelled,
    Detached,
    FileRefused,
    ImageMissing,
    LimitReached,
    NameInUse,
)
from agents_runner.core.events import Event, LayerDone, LogLine, Notice
from agents_runner.core.imageplan import RECIPE_VERSION, Layer
from agents_runner.core.redaction import contains_secret, redact
from agents_runner.core.secrets import SECRETS_PATH, SecretGrant, SecretValues, secret_input
from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.engine.port import Engine
from agents_runner.images import desktop
from agents_runner.images.following import follow_other
from agents_runner.images.packagecaches import MOUNTED_AT, held
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.launcher import exports
from agents_runner.launcher.files import (
    STATE,
    LauncherPlan,
    Stage,
    control_files,
    secrets_for,
    secrets_of,
    token_line,
)
from agents_runner.launcher.protocol import Mark, OutputParser
from agents_runner.launcher.tools import LAUNCH

TAIL_LINES = 20
LEFT_ALONE_S = 20
"""How long after its limit a build that no application follows any more ends by itself, in seconds."""
ReadState = Callable[[str], bytes | None]
"""Reads a file that the launcher left in its state folder."""
HARMLESS_COMMAND = ("/bin/sh",)


def is_layer(image: ImageInfo | None, layer: Layer) -> bool:
    """True if the image behind the layer's tag is that layer, and not just something with its tag."""
    return (
        image is not None
        and image.is_ours()
        and image.labels.get(labels.IMAGE_KEY) == layer.key
        and image.labels.get(labels.IMAGE_REF) == layer.tag
    )


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What holds for every layer of one task."""

    uid: int
    gid: int
    env_vars: Mapping[str, str]
    timeout_s: int
    token: str
    resources: Resources = Resources()
    secrets: Mapping[str, str] = field(default_factory=SecretValues)
    """Values by name: those that the build may see reach its container, none may stay in the image."""
    grants: tuple[SecretGrant, ...] = ()
    environment_id: str = ""
    package_cache: bool = False


@dataclass(kw_only=True)
class LayerBuild:
    """The building of one layer, by whoever gets the lock."""

    engine: Engine
    control: ControlFolders
    layer: Layer
    base_ref: str
    options: BuildOptions
    cancel: Cancellation
    instance: str = ""
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    asked_at: float = field(default_factory=time.time)
    """When the person asked for it, in seconds since the epoch: what has failed since is not tried once more."""
    superseded_id: str = ""
    """Id of an image that is to be built anew: finding it under the tag is no result."""
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _lost: bool = False
    _error: str = ""

    def run(self) -> Generator[Event, None, ImageInfo]:
        """Build, or wait for whoever builds it already. Raises BuildFailed, Cancelled or an EngineError."""
        began = time.monotonic()
        parent = self.engine.find_image(self.layer.parent_ref)
        if parent is None:
            raise ImageMissing(f"The parent image {self.layer.parent_ref} is gone.", "It is built again next time.")
        image = None
        while image is None:
            reason = self.coordinator.failure(self.layer.key, self.asked_at)
            if reason:
                raise BuildFailed(reason, "It failed for another task; tasks that start later try it again.")
            try:
                with (yield from self.coordinator.slot(self.cancel)):
                    image = yield from self._build(parent)
            except NameInUse:
                image = yield from self._others()
        seconds = time.monotonic() - began
        yield LayerDone(
            kind=self.layer.kind, step=self.layer.step, tag=self.layer.tag, result="built", seconds=seconds
        )
        return image

    # -- the build ---------------------------------------------------------------------------------

    def _build(self, parent: ImageInfo) -> Generator[Event, None, ImageInfo]:
        key = self.layer.key
        with self.coordinator.claim(key) as mine:
            if not mine:
                raise NameInUse("Another task looks after this build.")
            with self._cache() as cache:
                if self._wants_cache() and not cache:
                    yield Notice(
                        message="Another build has this environment's package cache; this one downloads by itself."
                    )
                return (yield from self._build_alone(parent, cache))

    def _wants_cache(self) -> bool:
        return self.options.package_cache and self.layer.kind == "env"

    @contextlib.contextmanager
    def _cache(self) -> Iterator[str]:
        """The name of the volume for package downloads; "" for none."""
        if not self._wants_cache():
            yield ""
            return
        environment = self.options.environment_id
        with held(
            self.engine, self.control.root / "caches", instance=self.instance, environment_id=environment
        ) as name:
            yield name

    def _build_alone(self, parent: ImageInfo, cache: str) -> Generator[Event, None, ImageInfo]:
        key = self.layer.key
        folder = self.control.named(build_container(key), uid=self.options.uid, gid=self.options.gid, kind="build")
        files = control_files(self._plan(parent, cache))
        spec = folder.prepare(self.engine, self._spec(parent, cache), files)
        try:
            container = self.engine.create(spec)
        except BaseException:
            folder.remove(self.engine)
            raise
        goes_on = False
        try:
            found = self.engine.find_image(self.layer.tag)
            if found is not None and found.id != self.superseded_id and is_layer(found, self.layer):
                return found  # somebody finished it between our look and our lock
            yield from self._run(container)
            read = partial(folder.read_state, self.engine, container)
            return (yield from self._finish(container, parent, read))
        except Cancelled:
            # Those who wait for it look after it from now on; the last of them to leave stops it.
            goes_on = self.coordinator.has_waiters(key)
            raise
        except Detached:
            # Whoever wants the layer next follows the container and commits it.
            goes_on = True
            raise
        except AgentsRunnerError as error:
            self.coordinator.failed(key, redact(error.message, self.options.secrets.values()))
            raise
        finally:
            if not goes_on:
                self.engine.remove(container)
                folder.remove(self.engine)

    def _others(self) -> Generator[Event, None, ImageInfo | None]:
        """Wait for whoever builds it; None if it is ours to build after all."""
        try:
            with self.coordinator.waiting(self.layer.key):
                return (
                    yield from follow_other(
                        self.engine,
                        self.layer,
                        cancel=self.cancel,
                        timeout_s=self.options.timeout_s,
                        finish=self._adopt,
                        coordinator=self.coordinator,
                        instance=self.instance,
                        asked_at=self.asked_at,
                    )
                )
        except Cancelled:
            self._leave()
            raise

    def _leave(self) -> None:
        """The last one to leave a build that nobody looks after stops it."""
        key = self.layer.key
        if self.coordinator.is_claimed(key):
            return
        with self.coordinator.claim(key) as mine:
            if not mine or self.coordinator.has_waiters(key):
                return
            state = self.engine.inspect(build_container(key))
            if state is not None and state.labels.get(labels.CONTAINER_INSTANCE) == self.instance:
                self.engine.remove(state.id)
                self.control.sweep(self.engine, build_container(key))

    def _plan(self, parent: ImageInfo, cache: str) -> LauncherPlan:
        return LauncherPlan(
            token=self.options.token,
            kind="build",
            uid=self.options.uid,
            gid=self.options.gid,
            image_user=parent.user,
            image_home=dict(entry.partition("=")[::2] for entry in parent.environment).get("HOME", ""),
            variables=self.layer.inputs.env_vars,
            fixed={"AGENTS_RUNNER": "1", "AGENTS_RUNNER_WORKSPACE": WORKSPACE_PATH},
            stages=self._stages(),
            volumes=parent.volumes,
            package_cache=bool(cache),
            secrets=self._secrets(),
            limit_s=self.options.timeout_s + LEFT_ALONE_S,
        )

    def _stages(self) -> tuple[Stage, ...]:
        return (Stage(phase=f"build.{self.layer.kind}", scripts=(self.layer.inputs.script.text,)),)

    def _secrets(self) -> tuple[SecretGrant, ...]:
        return secrets_for(self.options.grants, self._stages())

    def _spec(self, parent: ImageInfo, cache: str) -> ContainerSpec:
        launch = LAUNCH
        return ContainerSpec(
            name=build_container(self.layer.key),
            image=parent.id,
            # A CMD or ENTRYPOINT that the parent lacks could not be taken away again after the commit.
            entrypoint=launch if parent.entrypoint else None,
            command=() if parent.entrypoint else launch,
            user="0:0" if parent.user else "",
            labels={
                labels.CONTAINER_KIND: "build",
                labels.CONTAINER_KEY: self.layer.key,
                labels.CONTAINER_NAME: build_container(self.layer.key),
                labels.CONTAINER_ENVIRONMENT: self.options.environment_id,
                labels.CONTAINER_INSTANCE: self.instance,
                **({labels.CONTAINER_CACHE: cache} if cache else {}),
            },
            volumes={cache: MOUNTED_AT} if cache else {},
            resources=self.options.resources,
            memory_folders=(SECRETS_PATH,) if self._secrets() else (),
            stdin=True,
            stdin_stays=True,
        )

    def _run(self, container: str) -> Generator[Event, None, None]:
        stream = self.engine.attach(container, stdin=True)
        try:
            stream.send(token_line(self.options.token))
            self.engine.start(container)
        except BaseException:
            stream.close()
            raise
        watch = Watch(
            engine=self.engine,
            container=container,
            parser=OutputParser(self.options.token),
            cancel=self.cancel,
            deadline=time.monotonic() + self.options.timeout_s,
        )
        lines = watch.run(stream)
        try:
            while True:
                item = next(lines)
                if isinstance(item, LogLine):
                    self._tail.append(item.line)
                    yield item
                else:
                    self._marked(item, container)
        except StopIteration as end:
            state = end.value
        except LimitReached as error:
            raise BuildFailed(
                f"The build took longer than its limit of {self.options.timeout_s} s.",
                "Raise the environment's build timeout, or look for a command that waits for input.",
                tail=tuple(self._tail),
            ) from error
        self._judge(state.exit_code or 0, oom=state.oom_killed)

    def _marked(self, mark: Mark, container: str) -> None:
        if mark.word == "secrets":
            names = secrets_of(self._secrets(), mark.rest.partition(" ")[0])
            self.engine.send(container, secret_input(names, self.options.secrets))
        elif mark.word == "error":
            self._error = mark.rest
        elif mark.word == "error-volume":
            self._error = "The script writes into a volume of the base image, which no image can hold."
        elif mark.word == "lost-exports":
            self._lost = True

    def _judge(self, status: int, *, oom: bool) -> None:
        if status == 0 and not self._error:
            return
        step = f" (step {self.layer.step})" if self.layer.step else ""
        what = "desktop's install" if self.layer.kind == "desktop" else f"cached preflight{step}"
        if self._error:
            raise BuildFailed(self._error, tail=tuple(self._tail))
        if oom:
            raise BuildFailed(f"The {what} ran out of memory.", tail=tuple(self._tail))
        if self.layer.kind == "desktop":
            sentence, hint = desktop.explanation(status)
            raise BuildFailed(sentence, hint, tail=tuple(self._tail), status=status)
        raise BuildFailed(
            f"The {what} ended with exit code {status}.",
            "Its last lines say why.",
            tail=tuple(self._tail),
            status=status,
        )

    # -- the result --------------------------------------------------------------------------------

    def _adopt(self, container: str) -> Generator[Event, None, ImageInfo]:
        """A finished build whose application died: its result is as good as ours."""
        parent = self.engine.find_image(self.layer.parent_ref)
        if parent is None:
            raise ImageMissing(f"The parent image {self.layer.parent_ref} is gone.")
        image = yield from self._finish(container, parent, partial(read_state, self.engine, container))
        self.engine.remove(container)
        self.control.sweep(self.engine, build_container(self.layer.key))
        return image

    def _finish(self, container: str, parent: ImageInfo, read: ReadState) -> Generator[Event, None, ImageInfo]:
        """Add the carried exports, commit, look at the result, tag; the launcher saw that nothing of ours is left."""
        try:
            yield from self._carry_exports(container, parent, read)
        except FileRefused as error:
            raise BuildFailed(
                f"What the script exports cannot be taken over: {error.message}",
                f"Nothing but the application writes into {STATE} and /etc/agents-runner.",
                tail=tuple(self._tail),
            ) from error
        image_id = self.engine.commit(container, self._commit_spec(parent))
        image = self.engine.find_image(image_id)
        if image is None or (parent.command and image.command != parent.command) or image.user != parent.user:
            raise BuildFailed("The committed image is not what was asked for.", "The layer is not used.")
        self.engine.tag(image_id, self.layer.tag)
        tagged = self.engine.find_image(self.layer.tag)
        if tagged is None or not is_layer(tagged, self.layer):
            raise BuildFailed("The new layer was removed while it was made.", "It is built again next time.")
        return tagged

    def _carry_exports(self, container: str, parent: ImageInfo, read: ReadState) -> Generator[Event, None, None]:
        # Asked for in any case: what is no plain file there must not become part of a layer.
        below = self.engine.get_file(container, exports.IMAGE_EXPORTS) or b""
        self.engine.get_file(container, exports.IMAGE_FUNCTIONS)
        after = read("00.after")
        if after is None:
            if self._lost:
                yield Notice(
                    message="The cached preflight replaced its shell (exec), so what it exported is lost.",
                    hint="Start the last program without exec.",
                )
            return
        # Only an image with our labels, inherited ones included, can have it from us.
        known = exports.parse_exports(below) if labels.IMAGE_MANAGED in parent.labels else {}
        changed = exports.difference(exports.parse_exports(read("00.before") or b""), exports.parse_exports(after))
        carried = known | changed
        carried, dropped = exports.without_secret_values(carried, self.options.secrets)
        if dropped:
            yield Notice(
                message=f"Not baked into the image, since it looks like a secret: {', '.join(dropped)}.",
                hint="Export it in the run preflight, or make it a variable of the environment.",
            )
        if exports.render_exports(carried) != below:
            self.engine.put_file(container, exports.IMAGE_EXPORTS, exports.render_exports(carried))
        functions = read("functions.bash")
        if functions and contains_secret(functions.decode("utf-8", "replace"), self.options.secrets.values()):
            yield Notice(message="Not baked into the image, since it holds a secret: an exported function.")
        elif functions:
            self.engine.put_file(container, exports.IMAGE_FUNCTIONS, functions)

    def _commit_spec(self, parent: ImageInfo) -> CommitSpec:
        key = self.layer
        return CommitSpec(
            labels={
                labels.IMAGE_MANAGED: "true",
                labels.IMAGE_KIND: key.kind,
                labels.IMAGE_KEY: key.key,
                labels.IMAGE_REF: key.tag,
                labels.IMAGE_BASE: self.base_ref,
                labels.IMAGE_STEP: key.step,
                labels.IMAGE_PARENT: parent.id,
                labels.IMAGE_RECIPE: f"{RECIPE_VERSION}-{key.inputs.recipe[:12]}",
                labels.IMAGE_CREATED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                labels.IMAGE_INSTANCE: self.instance,
                # A container of this image inherits its labels; emptied, they claim nothing.
                labels.CONTAINER_KIND: "",
                labels.CONTAINER_KEY: "",
                labels.CONTAINER_NAME: "",
                labels.CONTAINER_ENVIRONMENT: "",
                labels.CONTAINER_INSTANCE: "",
                labels.CONTAINER_CACHE: "",
                labels.CONTAINER_NONCE: "",
            },
            entrypoint=parent.entrypoint,
            command=parent.command or (None if parent.entrypoint else HARMLESS_COMMAND),
            user=parent.user,
            message=f"agents-runner {key.kind} layer {key.step}".strip(),
        )
