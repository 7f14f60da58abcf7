"""From a recorded task to its events: the run itself, and behind it one filter a task each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.core.errors import AgentsRunnerError, ContainerMissing
from agents_runner.core.events import Event
from agents_runner.core.secrets import SecretValues
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.runner.ports import ImageUsePort, LoginPort, SecretValuesPort, SettingsSource
from agents_runner.runner.tasks.adoption import recorded_progress, resume_task
from agents_runner.runner.tasks.agent_events import with_agent_messages
from agents_runner.runner.tasks.desktop import DesktopsPort
from agents_runner.runner.tasks.exit_messages import application_ended, failed
from agents_runner.runner.tasks.log_limit import limited
from agents_runner.runner.tasks.records import TaskRecords
from agents_runner.runner.tasks.redacting import withheld
from agents_runner.runner.tasks.run_task import run_task
from agents_runner.runner.tasks.tools import Tools


@dataclass(frozen=True, kw_only=True)
class TaskPipeline:
    """The same for every task: `run_task` or `resume_task`, then `withheld`, `with_agent_messages`, `limited`.

    Secrets are masked before, by the run itself: nothing behind it ever sees a value. Recording comes last, in
    `stories`: what is told is on the disk.
    """

    engine: EngineFactory
    records: TaskRecords
    run_dir: Path
    workspaces: Path
    logins: LoginPort
    uses: ImageUsePort
    secrets: SecretValuesPort
    settings: SettingsSource
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    desktops: DesktopsPort | None = None

    def events(self, task_id: str, cancel: Cancellation) -> Iterator[Event]:
        """The task from its beginning, or from where it is if it has a container; the last one is its `TaskResult`.

        Raises StoreError at once, and Detached on the way; everything else ends the task.
        """
        kept_mb = self.settings.load().max_log_mb
        return limited(self._unlimited(task_id, cancel), kept_mb, already=self.records.log_bytes(task_id))

    def _unlimited(self, task_id: str, cancel: Cancellation) -> Iterator[Event]:
        config = DockerRunnerConfig.model_validate_json(self.records.config(task_id))
        try:
            engine = self.engine()
            local = engine.info().local
            lines = self.records.container_lines(task_id)
            values, unknown = self._values(config, running=lines is not None)
            tools = self._tools(config, cancel, values, engine=engine, local=local)
        except AgentsRunnerError as error:
            yield from failed(task_id, error)
            return
        events = self._begun(config, tools) if lines is None else self._resumed(config, tools, lines)
        if unknown is not None:
            events = withheld(events, unknown)
        try:
            yield from with_agent_messages(events, config.agent.name if config.agent else "")
        except ContainerMissing:
            yield from failed(task_id, application_ended(self.records.get(task_id)))

    def _begun(self, config: DockerRunnerConfig, tools: Tools) -> Iterator[Event]:
        return run_task(config, self.records.prompt(config.task_id).encode("utf-8"), tools)

    def _resumed(self, config: DockerRunnerConfig, tools: Tools, lines: Mapping[str, int]) -> Iterator[Event]:
        return resume_task(config, tools, recorded_progress(self.records.get(config.task_id), lines))

    def _tools(
        self, config: DockerRunnerConfig, cancel: Cancellation, secrets: SecretValues, *, engine: Engine, local: bool
    ) -> Tools:
        return Tools(
            engine=engine,
            control=ControlFolders(root=self.run_dir, local=local, instance=config.instance),
            cancel=cancel,
            workspaces=self.workspaces,
            logins=self.logins,
            uses=self.uses,
            desktops=self.desktops,
            secrets=secrets,
            coordinator=self.coordinator,
            asked_at=self.records.get(config.task_id).created,
        )

    def _values(self, config: DockerRunnerConfig, *, running: bool) -> tuple[SecretValues, AgentsRunnerError | None]:
        """The plan's secrets. A task that runs already goes on without; its lines are then not shown, and why."""
        try:
            return self.secrets.values_of(config.environment_id, config.secrets), None
        except AgentsRunnerError as error:
            if not running:
                raise
            return SecretValues(), error
