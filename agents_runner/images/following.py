"""Waiting for a layer that somebody else builds already: follow its log, take its image, or finish it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from agents_runner.core.container import ContainerState, ImageInfo
from agents_runner.core.errors import BuildFailed, Cancelled, ContainerMissing, LimitReached
from agents_runner.core.events import Event, LogLine, Notice
from agents_runner.core.imageplan import Layer
from agents_runner.engine.port import Engine
from agents_runner.images.watching import StopFlag, Watch
from agents_runner.launcher.marks import OutputParser

COMMIT_PATIENCE_S = 60.0
"""How long a finished build may stay uncommitted before we take it that its application died."""
START_PATIENCE_S = 20.0
"""How long a build container may stay unstarted before we take it that its application died."""
_STEP_S = 0.05
Finish = Callable[[str], Generator[Event, None, ImageInfo]]


def follow_other(
    engine: Engine, layer: Layer, *, cancel: StopFlag, timeout_s: int, finish: Finish
) -> Generator[Event, None, ImageInfo | None]:
    """The image, once the other builder made it; None if the lock is free again and we should build.

    Raises BuildFailed if the other build failed: that script failed just now, it is not tried again at once.
    """
    name = f"agents-runner-build-{layer.key}"
    deadline = time.monotonic() + timeout_s
    yield Notice(message="Another task is building this layer already; waiting for it.")
    patience: float | None = None
    followed = False
    while True:
        _check(cancel, deadline, timeout_s)
        state = engine.inspect(name)
        if state is None:
            return _result(engine, layer, followed=followed)
        now = time.monotonic()
        if state.running and not followed:
            followed, patience = True, None
            yield from _log(engine, state, cancel, deadline)
            continue
        patience = patience or now + (COMMIT_PATIENCE_S if state.ended else START_PATIENCE_S)
        if now >= patience:
            return (yield from _take_over(engine, state, finish))
        time.sleep(_STEP_S)


def _check(cancel: StopFlag, deadline: float, timeout_s: int) -> None:
    if cancel.is_set():
        raise Cancelled("Stopped.")
    if time.monotonic() >= deadline:
        raise BuildFailed(
            f"The other build was not done within {timeout_s} s.", "It may still finish for later tasks."
        )


def _result(engine: Engine, layer: Layer, *, followed: bool) -> ImageInfo | None:
    image = engine.find_image(layer.tag)
    if image is not None and image.labels.get("io.agents-runner.image.key") == layer.key:
        return image
    if followed:
        raise BuildFailed("The other task's build of this layer did not succeed.", "Its log says why.")
    return None


def _log(engine: Engine, state: ContainerState, cancel: StopFlag, deadline: float) -> Generator[Event, None, None]:
    """The other build's lines; the launcher's marks are not ours to read (their token is the builder's)."""
    watch = Watch(engine=engine, container=state.id, parser=OutputParser(""), cancel=cancel, deadline=deadline)
    try:
        for item in watch.run(engine.follow(state.id)):
            if isinstance(item, LogLine) and "\x1e" not in item.line:
                yield item
    except (ContainerMissing, LimitReached):
        # Its builder removed it, or took too long: what became of it is looked up by the caller.
        return


def _take_over(engine: Engine, state: ContainerState, finish: Finish) -> Generator[Event, None, ImageInfo | None]:
    """Nobody looks after this container any more: use what it made, or clear it away."""
    if state.ended and state.exit_code == 0:
        return (yield from finish(state.id))
    engine.remove(state.id)
    if state.ended:
        raise BuildFailed(f"The other build ended with exit code {state.exit_code}.", "Its log says why.")
    return None
