"""Tasks as use cases: on threads of this process, or in processes of their own that outlive it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from agents_runner.core.environment import Environment
from agents_runner.core.task import Task
from agents_runner.engine.port import EngineFactory
from agents_runner.images.sharing import BuildCoordinator
from agents_runner.runner.ports import AgentsPort, BackgroundPort, HostsPort
from agents_runner.runner.secret_service import SecretReader
from agents_runner.runner.services import ActiveTasks, Listener, TaskRequest
from agents_runner.runner.settings_service import SettingsService
from agents_runner.runner.tasks.desktop import DesktopService
from agents_runner.runner.tasks.login import write_refreshed
from agents_runner.runner.tasks.task_runner import OwnersPort, TaskRunner
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
    secrets: SecretReader
    owners: OwnersPort
    coordinator: BuildCoordinator
    desktop: DesktopService
    settings: SettingsService

    def make(self, environment: Callable[[str], Environment]) -> TaskRunner:
        """A runner of its own; `environment` finds one by its id and raises NotFound."""
        return TaskRunner(
            engine=self.engine,
            host=self.hosts.host,
            environment=environment,
            agent_launch=self.agents.launch,
            records=self.tasks,
            run_dir=self.paths.run,
            workspaces=self.paths.workspaces,
            accept_login=write_refreshed,
            image_used=self.tasks.images.started,
            secret_values=self.secrets.values_of,
            owners=self.owners,
            coordinator=self.coordinator,
            open_proxy=self.desktop.open,
            keep_picture=self.desktop.keep_picture,
            max_running=self.settings.load().max_running_tasks,
            log_file=self.paths.application_log,
            max_log_mb=self.settings.max_log_mb,
        )


@dataclass(frozen=True, kw_only=True)
class TaskService:
    """See `runner.services.RunnerPort`."""

    runner: TaskRunner
    background: BackgroundPort
    tests_scripts: bool = True

    def submit(self, request: TaskRequest) -> Task:
        return self.runner.submit(request)

    def detach(self, request: TaskRequest) -> Task:
        task = self.runner.prepare(request)
        self._work_apart(task.id)
        return task

    def start_recorded(self, task_id: str) -> None:
        self.runner.start(task_id)

    def adopt_orphans(self, *, here: bool) -> tuple[str, ...]:
        return self.runner.adopt_orphans(None if here else self._work_apart)

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

    def _work_apart(self, task_id: str) -> None:
        self.background.start(("tasks", "work", task_id))


def builds_at_once(settings: SettingsService) -> int:
    """How many layers are built at the same time: as the settings say, or one for each processor core."""
    return settings.load().max_builds or os.cpu_count() or 1
