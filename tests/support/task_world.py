"""Everything that runs tasks, with a real store and a fake engine."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path

from agents_runner.core.container import ContainerSpec
from agents_runner.core.environment import Environment
from agents_runner.core.errors import EngineError
from agents_runner.core.events import Event, TaskResult
from agents_runner.core.settings import Settings
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.engine.port import Engine
from agents_runner.images.sharing import SoloCoordinator
from agents_runner.runner.secret_service import SecretReader
from agents_runner.runner.services import TaskRequest
from agents_runner.runner.task_service import TaskRunnerFactory
from agents_runner.runner.tasks.plan_launch import Host, this_host
from agents_runner.runner.tasks.task_runner import TaskRunner
from agents_runner.store.database import Database
from agents_runner.store.owners import Owners
from agents_runner.store.paths import Paths
from agents_runner.store.secret_values import FileSecrets
from agents_runner.store.tasks import TaskStore

ENVIRONMENT = Environment(id="e", name="E", base_image="base:1", agent="x")


class TaskWorld:
    """A runner and what it needs, this object itself being several of its ports; `act` is what an agent does."""

    def __init__(self, folder: Path, environment: Environment = ENVIRONMENT) -> None:
        self.paths = Paths.find({"AGENTS_RUNNER_HOME": str(folder / "home")}).ensure()
        self.database = self.new_database()
        self.records = TaskStore(paths=self.paths, database=self.database)
        self.secrets = FileSecrets(folder=self.paths.secrets, damaged=self.paths.damaged_data)
        self.owners = Owners(folder=self.paths.run / "owners")
        self.environment = environment
        self.settings = Settings(max_running_tasks=8)
        self.engine = FakeEngine(self._plays)
        self.engine.add_image("base:1")
        self.away: EngineError | None = None
        """What connecting to the engine raises."""
        self.act: Callable[[Console], int] = lambda _console: 0
        self.told: queue.SimpleQueue[tuple[str, Event]] = queue.SimpleQueue()
        self.runner = self.new_runner()

    def new_database(self) -> Database:
        return Database(self.paths)

    def new_runner(self) -> TaskRunner:
        """One more, as another process has it."""
        made = TaskRunnerFactory(
            engine=self.engine_now,
            hosts=self,
            agents=self,
            tasks=self.records,
            paths=self.paths,
            secrets=SecretReader(values=self.secrets),
            owners=self.owners,
            coordinator=SoloCoordinator(),
            desktop=None,
            settings=self,
        ).make(self)
        made.subscribe(lambda task, batch: [self.told.put((task, event)) for event in batch] and None)
        return made

    def close(self) -> None:
        self.runner.close()
        self.owners.close()
        self.database.close()

    # -- the ports ---------------------------------------------------------------------------------

    def engine_now(self) -> Engine:
        if self.away is not None:
            raise self.away
        return self.engine

    def host(self) -> Host:
        return this_host(self.paths.data, "0123456789ab")

    planning_host = host

    def check(self, _name: str) -> None:
        return

    def launch(self, _name: str, _args: tuple[str, ...]) -> AgentLaunch:
        return AgentLaunch(name="x", argv=("x",))

    def load(self) -> Settings:
        return self.settings

    def get(self, _name_or_id: str) -> Environment:
        return self.environment

    # -- tasks -------------------------------------------------------------------------------------

    def _plays(self, _spec: ContainerSpec, console: Console) -> int:
        mark = f"\x1e{console.input.get(timeout=10).decode().strip()} "
        console.write(f"{mark}begin agent\n")
        return self.act(console)

    def prepare(self) -> str:
        """A task that is recorded and not started."""
        return self.runner.intake.prepare(TaskRequest(environment_id="e", prompt="x")).id

    def run(self) -> str:
        return self.runner.submit(TaskRequest(environment_id="e", prompt="x")).id

    def until_result(self, task: str) -> tuple[list[Event], TaskResult]:
        """What was told of one task, up to and with its result."""
        events: list[Event] = []
        while True:
            whose, event = self.told.get(timeout=60)
            if whose == task:
                events.append(event)
                if isinstance(event, TaskResult):
                    return events, event
