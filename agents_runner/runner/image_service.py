"""Planning, building and cleaning of cached images: the use cases behind `plan`, `build`, `images` and `clean`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, ImageMissing
from agents_runner.core.events import Event
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.launch import DockerRunnerConfig
from agents_runner.core.listing import Listing
from agents_runner.core.secrets import SecretGrant, SecretValues
from agents_runner.core.task import new_task_id
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.images import catalogue
from agents_runner.images.control import ControlFolders
from agents_runner.images.ensure import Ensurer, look
from agents_runner.images.planning import plan_image, plan_start
from agents_runner.runner.base_image import base_image
from agents_runner.runner.plan_launch import Host, plan_launch
from agents_runner.runner.redacting import redacted
from agents_runner.runner.run_task import build_options, new_token
from agents_runner.runner.services import CachedImage, CleanReport, KeptImage, PlannedImage


class ImageUses(Protocol):
    """What the database remembers of images."""

    def last_used(self) -> Mapping[str, float]:
        """Tag to the time of its last use, in seconds since the epoch."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImageService:
    """See `runner.services.ImagesPort`."""

    engine: EngineFactory
    host: Callable[[], Host]
    environments: Callable[[], Listing]
    uses: ImageUses
    run_dir: Path
    secret_values: Callable[[str, Iterable[SecretGrant]], SecretValues] = lambda _id, _grants: SecretValues()
    """Environment id and grants to the values; raises InvalidInput for one that has none."""

    def plan(self, environment: Environment) -> PlannedImage:
        config = self._config(environment)
        engine = self.engine()
        base = engine.find_image(config.base_image)
        if base is None:
            raise ImageMissing(
                f"The base image {config.base_image} is not on this engine yet.",
                "It is pulled at the first run; `agents-runner build` does it now.",
            )
        plan = plan_image(config, base)
        there = look(engine, plan)
        states = tuple("hit" if image is not None else "miss" for image in there)
        # What a run would find: the highest layer that is there holds all those below it.
        baked = max((number for number, image in enumerate(there, start=1) if image is not None), default=0)
        start = plan_start(config, baked=len(plan.layers))
        notice = ""
        if environment.cache_container_build and environment.preflight_enabled and environment.single_script:
            notice = (
                "Caching is on, but the cached preflight is empty: everything still runs at task start. "
                "Move the slow installs to the cached preflight, by hand or with auto-split."
            )
        states = tuple("hit" if number <= baked else state for number, state in enumerate(states, start=1))
        return PlannedImage(plan=plan, states=states, at_start=start.at_start, notice=notice)

    def build(self, environment: Environment, *, force: bool = False) -> Iterator[Event]:
        config = self._config(environment)
        grants = (grant for grant in config.secrets if grant.seen_by("build"))
        values = self.secret_values(environment.id, grants)
        yield from redacted(self._build(config, values, force=force), values.values())

    def _build(
        self, config: DockerRunnerConfig, values: SecretValues, *, force: bool
    ) -> Generator[Event, None, None]:
        engine = self.engine()
        never = threading.Event()
        base = yield from base_image(engine, config, never)
        ensurer = Ensurer(
            engine=engine,
            control=self._control(engine, config),
            options=build_options(config, values),
            cancel=never,
            instance=config.instance,
            force=force,
            new_token=new_token,
        )
        ensured = yield from ensurer.run(plan_image(config, base))
        if ensured.error is not None:
            raise ensured.error

    def list(self) -> tuple[CachedImage, ...]:
        engine = self.engine()
        names = self._names_by_tag(engine)
        used = self.uses.last_used()
        return tuple(_shown(one, names, used) for one in catalogue.find(engine))

    def clean(self, *, dry_run: bool, unused_only: bool = False) -> CleanReport:
        engine = self.engine()
        names = self._names_by_tag(engine) if unused_only else {}

        def wanted(one: catalogue.Found) -> str:
            users = names.get(one.tag, ())
            return f"used by environment {', '.join(users)}" if users else ""

        report = catalogue.clean(engine, wanted=wanted, dry_run=dry_run)
        return CleanReport(
            removed=report.removed,
            kept=tuple(KeptImage(tag=one.tag, why=one.why) for one in report.kept),
            freed_bytes=report.freed_bytes,
            dry_run=dry_run,
        )

    def remove(self, tags: frozenset[str]) -> None:
        catalogue.clean(
            self.engine(), wanted=lambda one: "" if one.tag in tags else "it was not asked for", dry_run=False
        )

    # -- helpers -----------------------------------------------------------------------------------

    def _config(self, environment: Environment) -> DockerRunnerConfig:
        return plan_launch(environment, task_id=new_task_id(), agent=None, host=self.host(), kind="test")

    def _control(self, engine: Engine, config: DockerRunnerConfig) -> ControlFolders:
        return ControlFolders(root=self.run_dir, local=engine.info().local, instance=config.instance)

    def _names_by_tag(self, engine: Engine) -> Mapping[str, tuple[str, ...]]:
        """Which environments a layer belongs to by their plans as they stand now."""
        bases: dict[str, ImageInfo | None] = {}
        names: dict[str, list[str]] = {}
        for environment in self.environments().environments:
            plan = self._plan_of(engine, environment, bases)
            for layer in plan.layers if plan else ():
                names.setdefault(layer.tag, []).append(environment.name)
        return {tag: tuple(sorted(found)) for tag, found in names.items()}

    def _plan_of(
        self, engine: Engine, environment: Environment, bases: dict[str, ImageInfo | None]
    ) -> ImagePlan | None:
        try:
            config = self._config(environment)
        except AgentsRunnerError:
            return None  # an environment that cannot start uses no image
        if config.base_image not in bases:
            bases[config.base_image] = engine.find_image(config.base_image)
        base = bases[config.base_image]
        return plan_image(config, base) if base else None


def _shown(one: catalogue.Found, names: Mapping[str, tuple[str, ...]], used: Mapping[str, float]) -> CachedImage:
    return CachedImage(
        tag=one.tag,
        id=one.image.id,
        kind=one.kind,
        step=one.image.labels.get("io.agents-runner.image.step", ""),
        key=one.key,
        size=one.image.size,
        own_size=one.own_size,
        created=one.image.created,
        last_used=used.get(one.tag),
        environments=names.get(one.tag, ()),
        in_use=bool(one.users),
    )
