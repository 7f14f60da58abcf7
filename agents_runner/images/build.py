"""One layer: run its step in a container of the parent image, look at the result, commit it, tag it last."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders, read_state
from agents_runner.containers.session import Session
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerState, ImageInfo, build_container
from agents_runner.core.errors import (
    AgentsRunnerError,
    BuildFailed,
    Cancelled,
    FileRefused,
    ImageMissing,
    LimitReached,
    NameInUse,
)
from agents_runner.core.events import Event, LayerDone, LogLine, Notice
from agents_runner.core.imageplan import Layer
from agents_runner.core.redaction import redact
from agents_runner.engine.port import Engine
from agents_runner.images import desktop
from agents_runner.images.following import follow_other
from agents_runner.images.layer_exports import ReadState, carry_exports
from agents_runner.images.layer_job import BuildOptions, is_layer, layer_commit, layer_job
from agents_runner.images.packagecaches import held
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.launcher.files import STATE
from agents_runner.launcher.protocol import Mark

TAIL_LINES = 20


@dataclass(kw_only=True)
class _Until:
    """A build's limit."""

    end: float

    def deadline(self) -> float | None:
        return self.end

    def excludes(self, seconds: float) -> None:
        self.end += seconds


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
        job = layer_job(
            self.layer, parent, self.options, token=self.options.token, instance=self.instance, cache=cache
        )
        with Session(engine=self.engine, control=self.control, job=job, cancel=self.cancel) as session:
            try:
                found = self.engine.find_image(self.layer.tag)
                if found is not None and found.id != self.superseded_id and is_layer(found, self.layer):
                    return found  # somebody finished it between our look and our lock
                yield from self._run(session)
                return (yield from self._finish(session.container, parent, session.read_state))
            except Cancelled:
                # Those who wait for it look after it from now on; the last of them to leave stops it.
                if self.coordinator.has_waiters(self.layer.key):
                    session.keep()
                raise
            except AgentsRunnerError as error:
                self.coordinator.failed(self.layer.key, redact(error.message, self.options.secrets.values()))
                raise

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

    def _run(self, session: Session) -> Generator[Event, None, None]:
        try:
            session.start()
            items = session.run(_Until(end=time.monotonic() + self.options.timeout_s))
            while True:
                item = next(items)
                if isinstance(item, LogLine):
                    self._tail.append(item.line)
                    yield item
                else:
                    self._marked(item)
        except StopIteration as end:
            state: ContainerState = end.value
        except LimitReached as error:
            raise BuildFailed(
                f"The build took longer than its limit of {self.options.timeout_s} s.",
                "Raise the environment's build timeout, or look for a command that waits for input.",
                tail=tuple(self._tail),
            ) from error
        self._judge(state.exit_code or 0, oom=state.oom_killed)

    def _marked(self, mark: Mark) -> None:
        if mark.word == "error":
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
            yield from carry_exports(
                self.engine, container, parent, read, secrets=self.options.secrets, lost=self._lost
            )
        except FileRefused as error:
            raise BuildFailed(
                f"What the script exports cannot be taken over: {error.message}",
                f"Nothing but the application writes into {STATE} and /etc/agents-runner.",
                tail=tuple(self._tail),
            ) from error
        image_id = self.engine.commit(
            container, layer_commit(self.layer, parent, base_ref=self.base_ref, instance=self.instance)
        )
        image = self.engine.find_image(image_id)
        if image is None or (parent.command and image.command != parent.command) or image.user != parent.user:
            raise BuildFailed("The committed image is not what was asked for.", "The layer is not used.")
        self.engine.tag(image_id, self.layer.tag)
        tagged = self.engine.find_image(self.layer.tag)
        if tagged is None or not is_layer(tagged, self.layer):
            raise BuildFailed("The new layer was removed while it was made.", "It is built again next time.")
        return tagged
