"""Layers that are built outside of a task: because somebody asked for it, or because they are old."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agents_runner.containers.cancellation import NeverCancelled
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.core.clock import Clock
from agents_runner.core.environment import Environment
from agents_runner.core.events import Event, LayerDone, Notice
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.secrets import SecretValues
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.images.context import BuildContext
from agents_runner.images.ensure import Ensured, Ensurer
from agents_runner.images.planning import plan_image
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.runner.images.refreshing import due
from agents_runner.runner.ports import BuildListener, SecretValuesPort
from agents_runner.runner.tasks.base_image import base_image
from agents_runner.runner.tasks.redacting import redacted
from agents_runner.runner.tasks.tools import build_options


class BuildRecords(Protocol):
    """What the database remembers of builds; see `store.image_uses`."""

    def built(self, tag: str, environment_id: str, seconds: float) -> None: ...
    def plan_seen(self, environment_id: str, tags: Iterable[str]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ImageBuilder:
    """The one that stands behind `build` and `refresh`. No event of it holds a secret's value."""

    engine: EngineFactory
    records: BuildRecords
    run_dir: Path
    secrets: SecretValuesPort
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    clock: Clock = time.time
    """Seconds since the epoch."""
    _listeners: list[BuildListener] = field(default_factory=list)

    def subscribe(self, listener: BuildListener) -> None:
        """Have the listener told of every build that made something."""
        self._listeners.append(listener)

    def build(self, config: DockerRunnerConfig, *, force: bool = False) -> Iterator[Event]:
        """Make the layers of this plan, pulling its base where that is wanted; `force`: over those that are there.

        Raises BuildFailed, ImageMissing, InvalidInput for a secret without a value, and EngineErrors.
        """
        values = self._values(config)
        yield from redacted(self._build(config, values, force=force), values.values())

    def _build(
        self, config: DockerRunnerConfig, values: SecretValues, *, force: bool
    ) -> Generator[Event, None, None]:
        engine = self.engine()
        base = yield from base_image(engine, config, NeverCancelled())
        yield from self._built(engine, config, plan_image(config, base), values, force=force)

    def _values(self, config: DockerRunnerConfig) -> SecretValues:
        """The values of the secrets that a build may see."""
        grants = (grant for grant in config.secrets if grant.seen_by("build"))
        return self.secrets.values_of(config.environment_id, grants)

    def refresh(self, environment: Environment, config: DockerRunnerConfig) -> Iterator[Event]:
        """Build them anew on the newest base, if that is due; until then tasks find the old ones. As `build`."""
        values = self._values(config)
        yield from redacted(self._refresh(environment, config, values), values.values())

    def _refresh(
        self, environment: Environment, config: DockerRunnerConfig, values: SecretValues
    ) -> Generator[Event, None, None]:
        engine = self.engine()
        found = yield from due(engine, config, environment, self.clock)
        if found is None:
            yield Notice(message=f"The layers of {environment.name} are fresh.")
            return
        yield Notice(message=f"{environment.name} is refreshed: {found.why}.")
        yield from self._built(engine, config, plan_image(config, found.base), values, force=found.force)
        if found.newer_base:
            # Last, so that until now every task found the old base, and with it the old layers.
            engine.tag(found.base.id, config.base_image)

    def _built(
        self, engine: Engine, config: DockerRunnerConfig, plan: ImagePlan, values: SecretValues, *, force: bool
    ) -> Generator[Event, None, None]:
        context = BuildContext(
            engine=engine,
            control=ControlFolders(root=self.run_dir, local=engine.info().local, instance=config.instance),
            cancel=NeverCancelled(),
            options=build_options(config, values),
            coordinator=self.coordinator,
            instance=config.instance,
        )
        events = Ensurer(context=context, force=force).run(plan)
        anything = False
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                ensured: Ensured = end.value
                break
            if isinstance(event, LayerDone) and event.result == "built":
                anything = True
                self.records.built(event.tag, config.environment_id, event.seconds)
            yield event
        self.records.plan_seen(config.environment_id, [layer.tag for layer in plan.layers])
        if anything:
            for listener in self._listeners:
                listener.built()
        for error in (ensured.desktop_error, ensured.error):
            if error is not None:
                raise error
