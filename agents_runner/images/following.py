"""Waiting for a layer that somebody else builds already: follow its log, take its image, or finish it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.watch import Watch
from agents_runner.core.container import CONTAINER_INSTANCE, IMAGE_KEY, ContainerState, ImageInfo, build_container
from agents_runner.core.errors import BuildFailed, ContainerMissing, LimitReached
from agents_runner.core.events import Event, LogLine, Notice
from agents_runner.core.imageplan import Layer
from agents_runner.engine.port import Engine
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.launcher.protocol import OutputParser

COMMIT_PATIENCE_S = 60.0
"""How long another person's finished build may stay uncommitted before we take it that its application died."""
START_PATIENCE_S = 20.0
"""How long another person's build container may stay unstarted before we take it that its application died."""
_STEP_S = 0.05
Finish = Callable[[str], Generator[Event, None, ImageInfo]]


def follow_other(
    engine: Engine,
    layer: Layer,
    *,
    cancel: Cancellation,
    timeout_s: int,
    finish: Finish,
    coordinator: BuildCoordinator | None = None,
    instance: str = "",
    asked_at: float = 0.0,
) -> Generator[Event, None, ImageInfo | None]:
    """The image, once the other builder made it; None if the lock is free again and we should build.

    Raises BuildFailed if the other build failed: that script failed just now, it is not tried again at once.
    """
    following = _Following(
        engine=engine,
        layer=layer,
        cancel=cancel,
        timeout_s=timeout_s,
        deadline=time.monotonic() + timeout_s,
        finish=finish,
        coordinator=coordinator or SoloCoordinator(),
        instance=instance,
        asked_at=asked_at,
    )
    yield Notice(message="Another task is building this layer already; waiting for it.")
    return (yield from following.run())


@dataclass(kw_only=True)
class _Following:
    engine: Engine
    layer: Layer
    cancel: Cancellation
    timeout_s: int
    deadline: float
    finish: Finish
    coordinator: BuildCoordinator
    instance: str
    asked_at: float
    ours: bool = False
    """The container was made with the same files of the application: its coordinator knows who looks after it."""
    followed: bool = False

    def run(self) -> Generator[Event, None, ImageInfo | None]:
        name = build_container(self.layer.key)
        patience: float | None = None
        while True:
            self._check()
            state = self.engine.inspect(name)
            if state is None:
                return self._result()
            self.ours = bool(self.instance) and state.labels.get(CONTAINER_INSTANCE) == self.instance
            now = time.monotonic()
            if state.running and not self.followed:
                self.followed, patience = True, None
                yield from self._log(state)
                continue
            patience = patience or now + (COMMIT_PATIENCE_S if state.ended else START_PATIENCE_S)
            is_left = not state.running and self.ours and not self.coordinator.is_claimed(self.layer.key)
            if is_left or now >= patience:
                with self.coordinator.claim(self.layer.key) as mine:
                    if mine:
                        return (yield from self._take_over(state.id))
            time.sleep(_STEP_S)

    def _check(self) -> None:
        self.cancel.check()
        if time.monotonic() >= self.deadline:
            raise BuildFailed(
                f"The other build was not done within {self.timeout_s} s.", "It may still finish for later tasks."
            )

    def _result(self) -> ImageInfo | None:
        image = self.engine.find_image(self.layer.tag)
        if image is not None and image.labels.get(IMAGE_KEY) == self.layer.key:
            return image
        reason = self.coordinator.failure(self.layer.key, self.asked_at)
        if reason or (self.followed and not self.ours):
            raise BuildFailed(reason or "The other task's build of this layer did not succeed.", "Its log says why.")
        if self.coordinator.is_claimed(self.layer.key):
            time.sleep(_STEP_S)  # somebody is between two containers
        return None

    def _log(self, state: ContainerState) -> Generator[Event, None, None]:
        """The other build's lines; the launcher's marks are not ours to read (their token is the builder's)."""
        watch = Watch(
            engine=self.engine,
            container=state.id,
            parser=OutputParser(""),
            cancel=self.cancel,
            deadline=self.deadline,
        )
        try:
            for item in watch.run(self.engine.follow(state.id)):
                if isinstance(item, LogLine) and "\x1e" not in item.line:
                    yield item
        except (ContainerMissing, LimitReached):
            # Its builder removed it, or took too long: what became of it is looked up by the caller.
            return

    def _take_over(self, container: str) -> Generator[Event, None, ImageInfo | None]:
        """Nobody looks after this container any more: use what it made, or clear it away."""
        state = self.engine.inspect(container)
        if state is None:
            return self._result()
        if state.ended and not self.followed:
            # It ended while nobody was there: its lines are still to be told.
            self.followed = True
            yield from self._log(state)
        if state.ended and state.exit_code == 0:
            return (yield from self.finish(state.id))
        self.engine.remove(state.id)
        if state.ended:
            reason = f"The build ended with exit code {state.exit_code}."
            self.coordinator.failed(self.layer.key, reason)
            raise BuildFailed(reason, "Its log says why.")
        return None
