"""The base image of a task: looked up, and pulled where the policy asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from agents_runner.containers.cancellation import Cancellation
from agents_runner.core.container import ImageInfo
from agents_runner.core.errors import EngineError, ImageMissing
from agents_runner.core.events import Event, Notice, Phase, Progress
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine


def base_image(engine: Engine, config: DockerRunnerConfig, cancel: Cancellation) -> Generator[Event, None, ImageInfo]:
    """The image that the tag names now. Raises ImageMissing where it cannot be had, Cancelled."""
    there = engine.find_image(config.base_image)
    if there is not None and config.pull != "always":
        return there
    if config.pull == "never":
        raise ImageMissing(
            f"The base image {config.base_image} is not on this engine, and it is never pulled.",
            "Pull it by hand, or set the environment's pull policy to missing.",
        )
    try:
        yield from _pull(engine, config, cancel)
    except EngineError as error:
        if there is None:
            raise ImageMissing(
                f"The base image {config.base_image} is not on this engine and cannot be pulled: {_reason(error)}",
                error.hint or "Check its name and the network.",
            ) from error
        # Offline with an image at hand everything works.
        yield Notice(
            message=f"{config.base_image} could not be pulled, so the image that is there is used.",
            hint=error.message,
        )
        return there
    pulled = engine.find_image(config.base_image)
    if pulled is None:
        raise ImageMissing(f"The base image {config.base_image} is not there after its pull.", "Run the task again.")
    return pulled


def _pull(engine: Engine, config: DockerRunnerConfig, cancel: Cancellation) -> Generator[Event, None, None]:
    last = ""
    # Closed on the way out: the engine goes on pulling for as long as somebody listens.
    with contextlib.closing(engine.pull(config.base_image, config.platform)) as movements:
        for movement in movements:
            cancel.check()
            if movement.text and movement.text != last:
                last = movement.text
                yield Progress(phase=Phase.PULL, text=movement.text, done=movement.done, total=movement.total)


def _reason(error: EngineError) -> str:
    return error.message.rstrip(".") + "."
