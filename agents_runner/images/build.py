"""One layer: run its step in a container of the parent image, look at the result, commit it, tag it last."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from agents_runner.containers.found import FoundContainer
from agents_runner.containers.session import Session
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerState, ImageInfo, build_container
from agents_runner.core.errors import (
    AgentsRunnerError,
    BuildFailed,
    Cancelled,
    EngineTimeout,
    FileRefused,
    ImageMissing,
    LimitReached,
    NameInUse,
)
from agents_runner.core.events import Event, LayerDone, LogLine, Notice
from agents_runner.core.imageplan import Layer
from agents_runner.core.redaction import redact
from agents_runner.images import desktop
from agents_runner.images.context import BuildContext
from agents_runner.images.following import follow_other
from agents_runner.images.layer_exports import carry_exports
from agents_runner.images.layer_job import is_layer, layer_commit, layer_job
from agents_runner.images.packagecaches import held
from agents_runner.launcher.files import STATE, new_token
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

    context: BuildContext
    layer: Layer
    base_ref: str
    superseded_id: str = ""
    """Id of an image that is to be built anew: finding it under the tag is no result."""
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _lost: bool = False
    _error: str = ""

    def run(self) -> Generator[Event, None, ImageInfo]:
        """Build, or wait for whoever builds it already. Raises BuildFailed, Cancelled or an EngineError."""
        began, context = time.monotonic(), self.context
        parent = context.engine.find_image(self.layer.parent_ref)
        if parent is None:
            raise ImageMissing(f"The parent image {self.layer.parent_ref} is gone.", "It is built again next time.")
        image = None
        while image is None:
            reason = context.coordinator.failure(self.layer.key, context.asked_at)
            if reason:
                raise BuildFailed(reason, "It failed for another task; tasks that start later try it again.")
            try:
                with (yield from context.coordinator.slot(context.cancel)):
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
        with self.context.coordinator.claim(key) as mine:
            if not mine:
                raise NameInUse("Another task looks after this build.")
            with self._cache() as cache:
                if self._wants_cache() and not cache:
                    yield Notice(
                        message="Another build has this environment's package cache; this one downloads by itself."
                    )
                return (yield from self._build_alone(parent, cache))

    def _wants_cache(self) -> bool:
        return self.context.options.package_cache and self.layer.kind == "env"

    @contextlib.contextmanager
    def _cache(self) -> Iterator[str]:
        """The name of the volume for package downloads; "" for none."""
        if not self._wants_cache():
            yield ""
            return
        context = self.context
        environment = context.options.environment_id
        with held(
            context.engine, context.control.root / "caches", instance=context.instance, environment_id=environment
        ) as name:
            yield name

    def _build_alone(self, parent: ImageInfo, cache: str) -> Generator[Event, None, ImageInfo]:
        context = self.context
        job = layer_job(
            self.layer, parent, context.options, token=new_token(), instance=context.instance, cache=cache
        )
        with Session(engine=context.engine, control=context.control, job=job, cancel=context.cancel) as session:
            try:
                found = context.engine.find_image(self.layer.tag)
                if found is not None and found.id != self.superseded_id and is_layer(found, self.layer):
                    return found  # somebody finished it between our look and our lock
                yield from self._run(session)
                return (yield from self._finish(session.container, parent))
            except Cancelled:
                # Those who wait for it look after it from now on; the last of them to leave stops it.
                if context.coordinator.has_waiters(self.layer.key):
                    session.keep()
                raise
            except AgentsRunnerError as error:
                self._note_failure(error)
                raise

    def _note_failure(self, error: AgentsRunnerError) -> None:
        """Those who wait for the layer, and later tasks for a while, are told why it could not be had."""
        context = self.context
        context.coordinator.failed(self.layer.key, redact(error.message, context.options.secrets.values()))

    def _others(self) -> Generator[Event, None, ImageInfo | None]:
        """Wait for whoever builds it; None if it is ours to build after all."""
        try:
            with self.context.coordinator.waiting(self.layer.key):
                return (yield from follow_other(self.context, self.layer, self))
        except Cancelled:
            self._leave()
            raise

    def _leave(self) -> None:
        """The last one to leave a build that nobody looks after stops it."""
        key, coordinator = self.layer.key, self.context.coordinator
        if coordinator.is_claimed(key):
            return
        with coordinator.claim(key) as mine:
            if not mine or coordinator.has_waiters(key):
                return
            left = self._container()
            state = left.state()
            if state is not None and state.labels.get(labels.CONTAINER_INSTANCE) == self.context.instance:
                left.remove(state.id)

    def _container(self) -> FoundContainer:
        """The layer's build container, whoever made it."""
        context = self.context
        return FoundContainer(engine=context.engine, control=context.control, name=build_container(self.layer.key))

    def _run(self, session: Session) -> Generator[Event, None, None]:
        try:
            session.start()
            items = session.run(_Until(end=time.monotonic() + self.context.options.timeout_s))
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
                f"The build took longer than its limit of {self.context.options.timeout_s} s.",
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
            failure = desktop.explanation(status)
            raise BuildFailed(failure.message, failure.hint, tail=tuple(self._tail), status=status)
        raise BuildFailed(
            f"The {what} ended with exit code {status}.",
            "Its last lines say why.",
            tail=tuple(self._tail),
            status=status,
        )

    # -- the result --------------------------------------------------------------------------------

    def adopt(self, container: str) -> Generator[Event, None, ImageInfo]:
        """See `images.following.Finishing`: the result of a build whose application died is as good as ours."""
        parent = self.context.engine.find_image(self.layer.parent_ref)
        if parent is None:
            raise ImageMissing(f"The parent image {self.layer.parent_ref} is gone.")
        try:
            image = yield from self._finish(container, parent)
        except BuildFailed as error:
            # A result that cannot be used is in the way of every later build of this layer.
            self._note_failure(error)
            self._container().remove(container)
            raise
        self._container().remove(container)
        return image

    def _finish(self, container: str, parent: ImageInfo) -> Generator[Event, None, ImageInfo]:
        """Add the carried exports, commit, look at the result, tag; the launcher saw that nothing of ours is left."""
        engine = self.context.engine
        try:
            yield from carry_exports(engine, container, parent, secrets=self.context.options.secrets, lost=self._lost)
        except FileRefused as error:
            raise BuildFailed(
                f"What the script exports cannot be taken over: {error.message}",
                f"Nothing but the application writes into {STATE} and /etc/agents-runner.",
                tail=tuple(self._tail),
            ) from error
        self._check_size(container)
        image_id = engine.commit(
            container, layer_commit(self.layer, parent, base_ref=self.base_ref, instance=self.context.instance)
        )
        image = engine.find_image(image_id)
        if image is None or (parent.command and image.command != parent.command) or image.user != parent.user:
            raise BuildFailed("The committed image is not what was asked for.", "The layer is not used.")
        engine.tag(image_id, self.layer.tag)
        tagged = engine.find_image(self.layer.tag)
        if tagged is None or not is_layer(tagged, self.layer):
            raise BuildFailed("The new layer was removed while it was made.", "It is built again next time.")
        return tagged

    def _check_size(self, container: str) -> None:
        """Before the commit, which no limit ends: the engine writes a hole of 100 GB for half an hour and more."""
        limit = self.context.options.max_bytes
        if not limit:
            return
        try:
            size = self.context.engine.written_bytes(container)
        except EngineTimeout:
            return  # nobody knows: that it takes long to look at so many files is no reason to refuse them
        if size > limit:
            raise BuildFailed(
                f"What the build left has {size / 10**9:.4g} GB; a layer may have {limit / 10**9:.4g} GB at most.",
                "Look for a large or sparse file that it need not keep, or raise the setting max_layer_gb.",
                tail=tuple(self._tail),
            )
