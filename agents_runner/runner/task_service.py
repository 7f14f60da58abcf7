"""Tasks as use cases: on threads of this process, or in processes of their own that outlive it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from agents_runner.core.task import Task
from agents_runner.engine.port import EngineFactory
from agents_runner.images.sharing import BuildCoordinator
from agents_runner.runner.ports import (
    AgentsPort,
    BackgroundPort,
    EnvironmentLookup,
    HostsPort,
    SecretValuesPort,
    SettingsSource,
)
from agents_runner.runner.services import ActiveTasks, Listener, TaskRequest
from agents_runner.runner.tasks.desktop import DesktopsPort
from agents_runner.runner.tasks.intake import TaskIntake
from agents_runner.runner.tasks.login import HostLogins
from agents_runner.runner.tasks.orphans import Orphans
from agents_runner.runner.tasks.pipeline import TaskPipeline
from agents_runner.runner.tasks.records import OwnersPort
from agents_runner.runner.tasks.stories import TaskStories
from agents_runner.runner.tasks.task_runner import TaskRunner
from agents_runner.store.paths import Paths
from agents_runner.store.tasks import TaskStore


@dataclass(frozen=True, kw_only=True)
class TaskRunnerFactory:
    """Makes task runners that differ in where they look environments up: the application's, and the bench's."""

    engine: EngineFactory
    hosts: HostsPort
    agents: AgentsPort
    tasks: TaskStore
    paths: Paths
    secrets: SecretValuesPort
    owners: OwnersPort
    coordinator: BuildCoordinator
    desktop: DesktopsPort | None
    settings: SettingsSource

    def make(self, environments: EnvironmentLookup) -> TaskRunner:
        """A runner of its own, for these environments."""
        tasks, paths = self.tasks, self.paths
        stories = TaskStories(records=tasks, log_file=paths.application_log)
        intake = TaskIntake(
            environments=environments, agents=self.agents, hosts=self.hosts, secrets=self.secrets, records=tasks
        )
        pipeline = TaskPipeline(
            engine=self.engine,
            records=tasks,
            run_dir=paths.run,
            workspaces=paths.workspaces,
            logins=HostLogins(),
            uses=tasks.images,
            secrets=self.secrets,
            settings=self.settings,
            coordinator=self.coordinator,
            desktops=self.desktop,
        )
        orphans = Orphans(
            engine=self.engine,
            records=tasks,
            owners=self.owners,
            stories=stories,
            workspaces=paths.workspaces,
            run_dir=paths.run,
        )
        return TaskRunner(
            engine=self.engine,
            intake=intake,
            pipeline=pipeline,
            stories=stories,
            orphans=orphans,
            records=tasks,
            owners=self.owners,
            max_running=self.settings.load().max_running_tasks,
        )


@dataclass(frozen=True, kw_only=True)
class ApartTasks:
    """See `runner.tasks.orphans.ApartPort`."""

    background: BackgroundPort

    def work_on(self, task_id: str) -> None:
        self.background.start(("tasks", "work", task_id))


@dataclass(frozen=True, kw_only=True)
class TaskService:
    """See `runner.services.RunnerPort`."""

    runner: TaskRunner
    apart: ApartTasks
    tests_scripts: bool = True

    def submit(self, request: TaskRequest) -> Task:
        return self.runner.submit(request)

    def detach(self, request: TaskRequest) -> Task:
        task = self.runner.intake.prepare(request)
        self.apart.work_on(task.id)
        return task

    def start_recorded(self, task_id: str) -> None:
        self.runner.start(task_id)

    def adopt_orphans(self, *, here: bool) -> tuple[str, ...]:
        return self.runner.adopt_orphans(None if here else self.apart)

    def stop(self, task_id: str) -> None:
        self.runner.stop(task_id)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self.runner.subscribe(listener)

    def active_tasks(self) -> ActiveTasks:
        return self.runner.active_tasks()

    def detach_all(self, timeout: float = 5.0) -> None:
        self.runner.detach_all(timeout)

    def close(self, timeout: float = 5.0) -> None:
        self.runner.close(timeout)


def builds_at_once(settings: SettingsSource) -> int:
    """How many layers are built at the same time: as the settings say, or one for each processor core."""
    return settings.load().max_builds or os.cpu_count() or 1
