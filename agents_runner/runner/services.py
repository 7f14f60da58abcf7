"""What the window and the command line work with: the use cases as one bundle, wired in `app`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agents_runner.core.checks import FieldProblem
from agents_runner.core.container import EngineInfo
from agents_runner.core.environment import Environment
from agents_runner.core.events import Event
from agents_runner.core.results import ImportReport, Listing, Problem
from agents_runner.core.secrets import SecretUse
from agents_runner.core.settings import Settings
from agents_runner.core.task import Task
from agents_runner.runner.values import (
    ActiveTasks,
    CachedImage,
    Check,
    CleanReport,
    CleanRequest,
    DesktopAddress,
    DesktopPlan,
    KeptImage,
    Picture,
    PlannedImage,
    ShownSecret,
    StartupFigures,
    TaskRequest,
)


class ImportOffer(Protocol):
    """Something that a folder holds and that an environment can be filled from."""

    @property
    def title(self) -> str:
        """What it is, for example `devcontainer.json`."""
        ...

    @property
    def fields(self) -> Mapping[str, Any]:
        """Fields of an environment, by name."""
        ...

    @property
    def report(self) -> Sequence[str]:
        """What is taken over and what could not be, a sentence each."""
        ...


Listener = Callable[[str, tuple[Event, ...]], None]
"""Called with a task's id and what just happened to it, in order, on a worker's thread."""


class EnvironmentsPort(Protocol):
    """Environments on disk. Quick enough for a worker thread; never call it on the window's."""

    def list(self) -> Listing: ...
    def get(self, name_or_id: str) -> Environment:
        """The environment of this id, else of exactly this name. Raises NotFound with the nearest names."""
        ...

    def save(self, environment: Environment, base: Environment | None = None) -> Environment:
        """Write it (atomic). Raises InvalidInput at its field, StoreError if the disk refuses.

        `base` is what it was made from: what somebody else changed since then is kept. Returns what was written.
        """
        ...

    def delete(self, environment_id: str) -> None:
        """Move its file to the trash folder beside the others."""
        ...

    def check(self, environment: Environment) -> tuple[FieldProblem, ...]:
        """Everything that would stop a task: mounts, ports, variables, paths; needs no engine."""
        ...

    def remarks(self, environment: Environment) -> tuple[str, ...]:
        """What stops no task, but is worth knowing before one starts: whose its folder is, what variables change."""
        ...

    def export(self, name_or_id: str) -> str:
        """Its file as text. Raises NotFound."""
        ...

    def import_file(self, path: Path, *, name: str = "", dry_run: bool = False) -> ImportReport:
        """Make environments of a file that this program or an older one wrote. Raises NotFound, InvalidInput."""
        ...

    def discover(self, folder: Path) -> Sequence[ImportOffer]:
        """What a folder holds that an environment can be filled from, the best first. Never raises."""
        ...


class SecretsPort(Protocol):
    """Secrets of environments, by the environment's name or id. A keyring may take seconds: never on the window's
    thread. All raise NotFound and StoreError; nothing that they raise holds a value."""

    def list(self, name_or_id: str) -> tuple[ShownSecret, ...]: ...
    def set(self, name_or_id: str, name: str, value: str, use: SecretUse | None = None) -> str:
        """Keep a value; a new name joins the environment, `use` says which stages see it (None: as it was).

        Returns a sentence that the person should know, or "". Raises InvalidInput.
        """
        ...

    def delete(self, name_or_id: str, name: str) -> None:
        """Remove the value and the name."""
        ...


class TasksPort(Protocol):
    """Tasks as recorded; log lines are in a file of each task."""

    def list(self, limit: int = 500) -> tuple[Task, ...]:
        """At most so many tasks, the newest first."""
        ...

    def get(self, task_id: str) -> Task:
        """The task of this id, or of a prefix that only one task has. Raises NotFound."""
        ...

    def log(self, task_id: str) -> tuple[tuple[str, str], ...]:
        """All (stream, line) pairs."""
        ...

    def log_from(self, task_id: str, position: int = 0) -> tuple[tuple[tuple[str, str], ...], int]:
        """The lines behind a byte position of the log, and the position behind them."""
        ...

    def prompt(self, task_id: str) -> str: ...


class RunnerPort(Protocol):
    """Starts and stops tasks; work happens on the runner's own threads."""

    def submit(self, request: TaskRequest) -> Task:
        """Check, record and queue a task. Raises InvalidInput at its field, NotFound."""
        ...

    @property
    def tests_scripts(self) -> bool:
        """Whether a request of the kind `test` can be submitted."""
        ...

    def detach(self, request: TaskRequest) -> Task:
        """Record a task as `submit` does, and have a process of its own work on it that outlives this one."""
        ...

    def start_recorded(self, task_id: str) -> None:
        """Start a task that `detach` recorded, or resume one whose process died."""
        ...

    def adopt_orphans(self, *, here: bool) -> tuple[str, ...]:
        """Adopt the tasks of processes that died, on threads of this one or apart; returns their ids."""
        ...

    def stop(self, task_id: str) -> None:
        """Ask a task to stop, whoever runs it; returns at once."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Be told of every task's events; returns the call that ends it."""
        ...

    def active_tasks(self) -> ActiveTasks:
        """What closing would stop or leave; quick, for the window's own thread."""
        ...

    def detach_all(self, timeout: float = 5.0) -> None:
        """End the threads within `timeout` seconds and leave the tasks to the next start, which adopts them.

        Containers, of tasks and of builds, go on; a task without a container begins anew. Nothing can be started
        afterwards.
        """
        ...

    def close(self, timeout: float = 5.0) -> None:
        """Stop running tasks and end the threads, within `timeout` seconds; after `detach_all` it does nothing."""
        ...


class DesktopPort(Protocol):
    """Looking at a task's desktop; each call may talk to the engine."""

    def address(self, task_id: str, *, view_only: bool = False) -> DesktopAddress:
        """The address of a running task's desktop. Raises NoDesktop with the reason, NotFound."""
        ...

    def picture(self, task_id: str) -> Picture:
        """The screen as it is now, or as it was when the task ended. Raises NoDesktop, NotFound, EngineError."""
        ...


class ImagesPort(Protocol):
    """Planning, building and cleaning of cached images; each call talks to the engine."""

    def plan(self, environment: Environment) -> PlannedImage: ...
    def build(self, environment: Environment, *, force: bool = False) -> Iterator[Event]:
        """Make the layers now; ends with the layers done, raises BuildFailed."""
        ...

    def list(self) -> tuple[CachedImage, ...]: ...
    def remove(self, tags: frozenset[str]) -> None:
        """Remove these cached layers of ours, where nothing uses them."""
        ...

    def clean(self, request: CleanRequest) -> CleanReport:
        """Remove what nothing uses."""
        ...

    def refresh(self, environment: Environment) -> Iterator[Event]:
        """Build the layers anew on the newest base, while the old ones serve, if that is due; see `build`."""
        ...


class SettingsPort(Protocol):
    """The settings on disk, and the agents that they and the application know. Quick enough for a worker thread."""

    def load(self) -> Settings:
        """The settings as they are saved now; where they cannot be read, the defaults."""
        ...

    def save(self, settings: Settings, base: Settings | None = None) -> None:
        """Write them; what somebody else changed since `base` is kept. Raises InvalidInput, StoreError."""
        ...

    def agents(self) -> tuple[str, ...]:
        """Names of the agents that can be chosen, built-in first."""
        ...


class SystemPort(Protocol):
    """Use cases of the machine and the application: engine, measures, demonstration, opening and closing."""

    def engine_info(self) -> EngineInfo:
        """The engine that answers. Raises an EngineError that names the cause and the cure."""
        ...

    def doctor(self) -> tuple[Check, ...]:
        """All that is worth a look before the first run. Never raises."""
        ...

    def bench_startup(self, environment: Environment, runs: int) -> Generator[Event | str, None, StartupFigures]:
        """Measure starts of an environment; yields events of a build and lines, returns the figures."""
        ...

    def import_demo_base(self) -> str:
        """Make the demo's base image if it is not there; returns its name."""
        ...

    def demo_folder(self) -> Path | None:
        """The folder that the demonstration works in, made if it is not there."""
        ...

    def picture(self, services: Services, path: Path, environment_id: str) -> None:
        """Write a PNG of the window with the environment of this id selected."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass on this thread."""
        ...

    def window_opened(self) -> None:
        """Start what is done once in a while: collecting and refreshing, on a thread of its own."""
        ...

    def close(self) -> None:
        """Stop running tasks and end every thread; takes 5 s at most."""
        ...


class DiagnosticsPort(Protocol):
    """What the application has to say about itself."""

    @property
    def log_file(self) -> Path:
        """The application's own log; it may not be there yet."""
        ...

    @property
    def background_log(self) -> Path:
        """What processes in the background said; it may not be there yet."""
        ...

    def problems(self) -> tuple[Problem, ...]:
        """What was found wrong with the application's own files so far: damaged ones are set aside, and named."""
        ...

    def look(self) -> tuple[Problem, ...]:
        """The same after a look at all of them."""
        ...

    def aside(self) -> tuple[Path, ...]:
        """Every damaged file that was set aside, now or earlier."""
        ...


class NoDiagnostics:
    """A `DiagnosticsPort` where nothing is wrong."""

    log_file = Path("application.log")
    background_log = Path("background.log")

    def problems(self) -> tuple[Problem, ...]:
        return ()

    def look(self) -> tuple[Problem, ...]:
        return ()

    def aside(self) -> tuple[Path, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything a front end needs; made in `app`, closed (`system.close`) by whoever made it."""

    environments: EnvironmentsPort
    secrets: SecretsPort
    tasks: TasksPort
    runner: RunnerPort
    images: ImagesPort
    desktop: DesktopPort
    settings: SettingsPort
    system: SystemPort
    diagnostics: DiagnosticsPort = NoDiagnostics()


__all__ = [
    "ActiveTasks",
    "CachedImage",
    "Check",
    "CleanReport",
    "CleanRequest",
    "DesktopAddress",
    "DesktopPlan",
    "DesktopPort",
    "DiagnosticsPort",
    "EnvironmentsPort",
    "ImagesPort",
    "ImportOffer",
    "ImportReport",
    "KeptImage",
    "Listener",
    "Listing",
    "NoDiagnostics",
    "Picture",
    "PlannedImage",
    "Problem",
    "RunnerPort",
    "SecretsPort",
    "Services",
    "SettingsPort",
    "ShownSecret",
    "StartupFigures",
    "SystemPort",
    "TaskRequest",
    "TasksPort",
]
