"""Waiting for a layer that somebody else builds already: follow its log, take its image, or finish it."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from agents_runner.containers.found import FoundContainer
from agents_runner.core.container import CONTAINER_INSTANCE, IMAGE_KEY, ContainerState, ImageInfo, build_container
from agents_runner.core.errors import BuildFailed, ContainerMissing, LimitReached
from agents_runner.core.events import Event, Notice
from agents_runner.core.imageplan import Layer
from agents_runner.images.context import BuildContext

COMMIT_PATIENCE_S = 60.0
"""How long another person's finished build may stay uncommitted before we take it that its application died."""
START_PATIENCE_S = 20.0
"""How long another person's build container may stay unstarted before we take it that its application died."""
_STEP_S = 0.05


class Finishing(Protocol):
    """Makes the layer's image of a finished build whose application died."""

    def adopt(self, container: str) -> Generator[Event, None, ImageInfo]:
        """Commit the container with this id, and clear it away. Raises BuildFailed and EngineErrors."""
        ...


def follow_other(
    context: BuildContext, layer: Layer, finishing: Finishing
) -> Generator[Event, None, ImageInfo | None]:
    """The image, once the other builder made it; None if the lock is free again and we should build.

    Raises BuildFailed if the other build failed: that script failed just now, it is not tried again at once.
    """
    following = _Following(
        context=context,
        layer=layer,
        finishing=finishing,
        found=FoundContainer(engine=context.engine, control=context.control, name=build_container(layer.key)),
        deadline=time.monotonic() + context.options.timeout_s,
    )
    yield Notice(message="Another task is building this layer already; waiting for it.")
    return (yield from following.run())


@dataclass(kw_only=True)
class _Following:
    context: BuildContext
    layer: Layer
    finishing: Finishing
    found: FoundContainer
    deadline: float
    ours: bool = False
    """The container was made with the same files of the application: its coordinator knows who looks after it."""
    followed: bool = False

    def run(self) -> Generator[Event, None, ImageInfo | None]:
        coordinator, key = self.context.coordinator, self.layer.key
        patience: float | None = None
        while True:
            self._check()
            state = self.found.state()
            if state is None:
                return self._result()
            instance = self.context.instance
            self.ours = bool(instance) and state.labels.get(CONTAINER_INSTANCE) == instance
            now = time.monotonic()
            if state.running and not self.followed:
                self.followed, patience = True, None
                yield from self._log(state)
                continue
            patience = patience or now + (COMMIT_PATIENCE_S if state.ended else START_PATIENCE_S)
            is_left = not state.running and self.ours and not coordinator.is_claimed(key)
            if is_left or now >= patience:
                with coordinator.claim(key) as mine:
                    if mine:
                        return (yield from self._take_over())
            time.sleep(_STEP_S)

    def _check(self) -> None:
        self.context.cancel.check()
        if time.monotonic() >= self.deadline:
            raise BuildFailed(
                f"The other build was not done within {self.context.options.timeout_s} s.",
                "It may still finish for later tasks.",
            )

    def _result(self) -> ImageInfo | None:
        coordinator, key = self.context.coordinator, self.layer.key
        image = self.context.engine.find_image(self.layer.tag)
        if image is not None and image.labels.get(IMAGE_KEY) == key:
            return image
        reason = coordinator.failure(key, self.context.asked_at)
        if reason or (self.followed and not self.ours):
            raise BuildFailed(reason or "The other task's build of this layer did not succeed.", "Its log says why.")
        if coordinator.is_claimed(key):
            time.sleep(_STEP_S)  # somebody is between two containers
        return None

    def _log(self, state: ContainerState) -> Generator[Event, None, None]:
        try:
            yield from self.found.lines(state.id, self.context.cancel, self.deadline)
        except (ContainerMissing, LimitReached):
            # Its builder removed it, or took too long: what became of it is looked up by the caller.
            return

    def _take_over(self) -> Generator[Event, None, ImageInfo | None]:
        """Nobody looks after this container any more: use what it made, or clear it away."""
        state = self.found.state()
        if state is None:
            return self._result()
        if state.ended and not self.followed:
            # It ended while nobody was there: its lines are still to be told.
            self.followed = True
            yield from self._log(state)
        if state.ended and state.exit_code == 0:
            return (yield from self.finishing.adopt(state.id))
        self.found.remove(state.id)
        if state.ended:
            reason = f"The build ended with exit code {state.exit_code}."
            self.context.coordinator.failed(self.layer.key, reason)
            raise BuildFailed(reason, "Its log says why.")
        return None
