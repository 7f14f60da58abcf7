"""What is neither an environment nor a task: the engine's state, the doctor, measurements, the demo, the end."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.core.container import EngineInfo
from agents_runner.core.environment import Environment
from agents_runner.core.events import Event
from agents_runner.engine.port import EngineFactory
from agents_runner.images.mini_base import import_mini_base
from agents_runner.runner.bench import StartupBench
from agents_runner.runner.doctor import run_doctor
from agents_runner.runner.images.maintenance import CacheMaintenance
from agents_runner.runner.services import Check, DiagnosticsPort, RunnerPort, Services, StartupFigures
from agents_runner.runner.settings_service import AgentCatalogue
from agents_runner.store.paths import Paths

STOP_TASKS_S = 4.0
"""How long the end of the application waits for its tasks to stop, in seconds; the whole of it takes 5 s at most."""


class PicturePort(Protocol):
    """Makes pictures of the window; the floor above knows how."""

    def write(self, services: Services, path: Path, environment_id: str) -> None: ...


class Closing(Protocol):
    """Something that ends with the application."""

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class SystemService:
    """See `runner.services.SystemPort`."""

    engine: EngineFactory
    paths: Paths
    agents: AgentCatalogue
    bench: StartupBench
    maintenance: CacheMaintenance
    diagnostics: DiagnosticsPort
    pictures: PicturePort
    runner: RunnerPort
    parts: Sequence[Closing]
    """Closed after the tasks, in this order."""

    def engine_info(self) -> EngineInfo:
        return self.engine().info()

    def doctor(self) -> tuple[Check, ...]:
        return run_doctor(
            engine=self.engine,
            folders=self,
            agent_logins=self.agents.logins(),
            diagnostics=self.diagnostics,
        )

    def bench_startup(self, environment: Environment, runs: int) -> Generator[Event | str, None, StartupFigures]:
        return self.bench.run(environment, runs)

    def import_demo_base(self) -> str:
        return import_mini_base(self.engine())

    def demo_folder(self) -> Path:
        folder = self.paths.workspaces / "demo"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.resolve()

    def picture(self, services: Services, path: Path, environment_id: str) -> None:
        self.pictures.write(services, path, environment_id)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def window_opened(self) -> None:
        self.maintenance.started()

    def close(self) -> None:
        self.runner.close(STOP_TASKS_S)
        for part in self.parts:
            part.close()

    def check(self) -> Path:
        """See `runner.doctor.FoldersPort`."""
        return self.paths.ensure().data
