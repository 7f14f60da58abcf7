"""Building an environment's layers anew while the old ones serve: when they are old, or the base image moved on."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

from agents_runner.core.clock import Clock
from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import Environment
from agents_runner.core.errors import EngineError
from agents_runner.core.events import Event, Notice, Phase, Progress
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine
from agents_runner.images.ensure import look
from agents_runner.images.planning import plan_image
from agents_runner.images.retention import DAY_S


@dataclass(frozen=True, kw_only=True)
class Due:
    """What a refresh has to do: build on `base`, over what is there (`force`), and give `base` the tag at the end."""

    base: ImageInfo
    force: bool
    newer_base: bool
    why: str


def refreshable(environment: Environment) -> bool:
    """True for an environment that asked to be refreshed and has something cached."""
    return environment.refresh_after_days is not None and environment.cache_container_build


def age_s(engine: Engine, config: DockerRunnerConfig, base: ImageInfo, now: float) -> float | None:
    """How old the oldest layer is, in seconds; None while layers are missing."""
    plan = plan_image(config, base)
    if not plan.layers or look(engine, plan) < len(plan.layers):
        return None
    found = [engine.find_image(layer.tag) for layer in plan.layers]
    return now - min(image.created for image in found if image is not None)


def due(
    engine: Engine, config: DockerRunnerConfig, environment: Environment, now: Clock
) -> Generator[Event, None, Due | None]:
    """Looks at the registry and at the layers' age; None if all is fresh. A registry that is away is no error."""
    base = engine.find_image(config.base_image)
    if base is None:
        return None  # the first run pulls and builds
    newest = yield from _newest_base(engine, config, base)
    if newest.id != base.id:
        return Due(base=newest, force=False, newer_base=True, why=f"{config.base_image} has moved on")
    age = age_s(engine, config, base, now())
    days = environment.refresh_after_days
    if age is not None and days is not None and age >= days * DAY_S:
        return Due(base=base, force=True, newer_base=False, why=f"its layers are {age / DAY_S:.0f} days old")
    return None


def _newest_base(engine: Engine, config: DockerRunnerConfig, base: ImageInfo) -> Generator[Event, None, ImageInfo]:
    """What the registry has under the base's tag; pulled by its digest, so that the tag stays where it is."""
    if config.pull == "never" or "@" in config.base_image:
        return base
    try:
        digest = engine.remote_digest(config.base_image)
        if not digest:
            return base
        exact = f"{_repository(config.base_image)}@{digest}"
        found = engine.find_image(exact)
        if found is None:
            with contextlib.closing(engine.pull(exact, config.platform)) as movements:
                for movement in movements:
                    if movement.text:
                        yield Progress(phase=Phase.PULL, text=movement.text, done=movement.done, total=movement.total)
            found = engine.find_image(exact)
    except EngineError as error:
        yield Notice(message=f"Whether there is a newer {config.base_image} could not be found out: {error.message}")
        return base
    return found or base


def _repository(ref: str) -> str:
    head, slash, last = ref.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
