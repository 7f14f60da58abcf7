"""What is done about cached images without being asked: remembering hits, collecting, refreshing, building ahead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, ImageMissing, NotFound
from agents_runner.core.events import Event, LayerDone, StateChanged, TaskResult, TaskState
from agents_runner.core.results import Listing
from agents_runner.core.task import Task
from agents_runner.images.leftovers import Leftover
from agents_runner.images.retention import DAY_S
from agents_runner.runner.images.leftovers import LeftoversPort, NoLeftovers
from agents_runner.runner.images.refreshing import refreshable
from agents_runner.runner.ports import BackgroundPort, SettingsSource
from agents_runner.runner.services import CleanReport, PlannedImage
from agents_runner.runner.tasks.workers import Workers

REFRESH_EVERY_S = DAY_S
"""How often an environment's base image and age are looked at."""
PREBUILD_AFTER_S = 15.0
"""How long nobody has to save an environment again before its layers are built ahead."""
log = logging.getLogger(__name__)


class Images(Protocol):
    def plan(self, environment: Environment) -> PlannedImage: ...
    def collect(self) -> CleanReport: ...
    def refresh_due(self, environment: Environment) -> bool: ...


class Environments(Protocol):
    """See `runner.services.EnvironmentsPort`."""

    def list(self) -> Listing: ...
    def get(self, name_or_id: str) -> Environment: ...


class Tasks(Protocol):
    """See `runner.services.TasksPort`."""

    def get(self, task_id: str) -> Task: ...


class Uses(Protocol):
    """See `store.image_uses`."""

    def used(self, tag: str, environment_id: str, seconds_saved: float = 0.0, *, hit: bool = True) -> None: ...
    def built(self, tag: str, environment_id: str, seconds: float) -> None: ...
    def build_seconds(self, tags: list[str]) -> float: ...
    def plan_seen(self, environment_id: str, tags: list[str]) -> None: ...
    def claim_refresh(self, environment_id: str, within_s: float) -> bool: ...


@dataclass(kw_only=True)
class CacheMaintenance:
    """One thread that works off what tasks, builds and saves give it to do; nothing of it ever fails a task."""

    images: Images
    uses: Uses
    environments: Environments
    tasks: Tasks
    settings: SettingsSource
    background: BackgroundPort
    leftovers: LeftoversPort = field(default_factory=NoLeftovers)
    prebuild_after_s: float = PREBUILD_AFTER_S
    _layers: dict[str, list[LayerDone]] = field(default_factory=dict)
    _timers: dict[str, threading.Timer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _workers: Workers = field(default_factory=lambda: Workers(limit=1, name="cache-maintenance"))
    _closed: bool = False
    _tidy_each: bool = False
    """Whether to look for leftovers after each task, as the window does, and not only once."""
    _tidied: bool = False

    # -- what is told to it, on any thread -------------------------------------------------------------

    def listen(self, task_id: str, batch: tuple[Event, ...]) -> None:
        """A listener of the task runner's."""
        for event in batch:
            if isinstance(event, TaskResult) or event == StateChanged(state=TaskState.RUNNING):
                # Not before: what is looked for costs a start nothing.
                self._tidy_soon(again=isinstance(event, TaskResult))
            if isinstance(event, LayerDone):
                with self._lock:
                    self._layers.setdefault(task_id, []).append(event)
            elif isinstance(event, TaskResult):
                with self._lock:
                    layers = self._layers.pop(task_id, [])
                if layers:
                    self._do(partial(self._task_ended, task_id, layers, event))

    def built(self) -> None:
        """A build outside of a task made something: what it superseded may go."""
        self._tidy_soon()
        self._do(self._collect)

    def started(self) -> None:
        """Begin the thread that collects and refreshes once in a while: the window was opened."""
        self._tidy_each = True
        self._tidy_soon()
        self._do(self._collect)
        self._do(self._refresh_all)

    def saved(self, environment: Environment) -> None:
        """An environment was saved: if that is wanted, its layers are built ahead once nobody saves it again."""
        if not (self.settings.load().cache.prebuild_on_save and environment.cache_container_build):
            return
        with self._lock:
            if self._closed:
                return
            old = self._timers.pop(environment.id, None)
            timer = threading.Timer(self.prebuild_after_s, self._prebuild_now, (environment.id,))
            timer.daemon = True
            self._timers[environment.id] = timer
        if old is not None:
            old.cancel()
        timer.start()

    def close(self, timeout: float = 5.0) -> None:
        """Do what is due, at most so many seconds long; what waits to be built ahead is started at once."""
        with self._lock:
            if self._closed:
                return
            waiting, self._timers = self._timers, {}
        for environment_id, timer in waiting.items():
            timer.cancel()
            self._do(partial(self._prebuild, environment_id))
        with self._lock:
            self._closed = True
        self._workers.close(timeout)

    # -- the thread --------------------------------------------------------------------------------------

    def _do(self, act: Callable[[], None]) -> None:
        self._workers.submit(partial(_without_failing, act))

    def _task_ended(self, task_id: str, layers: list[LayerDone], result: TaskResult) -> None:
        environment_id = self.tasks.get(task_id).environment_id
        built = [layer for layer in layers if layer.result == "built"]
        for layer in built:
            self.uses.built(layer.tag, environment_id, layer.seconds)
        self.uses.plan_seen(environment_id, [layer.tag for layer in layers])
        if result.image == layers[-1].tag:
            hits = [layer.tag for layer in layers if layer.result == "hit"]
            self.uses.used(result.image, environment_id, self.uses.build_seconds(hits), hit=not built)
        if built:
            self._collect()
        self._refresh(self.environments.get(environment_id))

    def _tidy_soon(self, *, again: bool = False) -> None:
        with self._lock:
            if self._tidied and not (again and self._tidy_each):
                return
            self._tidied = True
        self._do(self._tidy)

    def _tidy(self) -> None:
        """Remove what killed processes left; a build that somebody may still want goes on, with a process for it."""
        found = self.leftovers.find()
        usable = [one for one in found if one.usable and self._is_wanted(one)]
        taken = {one.container for one in usable}
        removed = self.leftovers.remove(one for one in found if one.container not in taken)
        for environment_id in sorted({one.environment for one in usable}):
            self.background.start(("build", environment_id))
        if removed:
            log.info("removed %d things that ended processes had left", len(removed))

    def _is_wanted(self, one: Leftover) -> bool:
        """True for a build within its limit whose layer its environment lacks as it stands now."""
        try:
            environment = self.environments.get(one.environment)
            if not environment.cache_container_build or one.age_s >= environment.build_timeout_s:
                return False
            planned = self.images.plan(environment)
        except (NotFound, ImageMissing):
            return False
        missing = [
            layer.key for layer, state in zip(planned.plan.layers, planned.states, strict=True) if state == "miss"
        ]
        return one.key in missing

    def _collect(self) -> None:
        report = self.images.collect()
        if report.removed:
            log.info("collected %d images, %d bytes freed", len(report.removed), report.freed_bytes)

    def _refresh_all(self) -> None:
        found: Listing = self.environments.list()
        for environment in found.environments:
            self._refresh(environment)

    def _refresh(self, environment: Environment) -> None:
        """Have a process look whether there is something newer, once a day."""
        if not refreshable(environment):
            return
        try:
            if not self.images.refresh_due(environment):
                return
        except ImageMissing:
            return  # without its base image there is nothing to refresh
        if self.uses.claim_refresh(environment.id, REFRESH_EVERY_S):
            self.background.start(("build", environment.id, "--refresh"))

    def _prebuild_now(self, environment_id: str) -> None:
        with self._lock:
            if self._timers.pop(environment_id, None) is None:
                return  # closing took it
        self._do(partial(self._prebuild, environment_id))

    def _prebuild(self, environment_id: str) -> None:
        environment = self.environments.get(environment_id)
        try:
            planned = self.images.plan(environment)
        except ImageMissing:
            pass  # the base image is pulled by the build
        else:
            if planned.hit:
                return
        self.background.start(("build", environment.id))


def _without_failing(act: Callable[[], None]) -> None:
    """What was foreseen is said in the log, and tried again when there is the next reason to."""
    try:
        act()
    except AgentsRunnerError as error:
        log.warning("cache maintenance: %s", error)
