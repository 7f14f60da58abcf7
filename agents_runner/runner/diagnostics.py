"""What the application has to say about itself: problems of its own files, and where its log is."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.results import Problem
from agents_runner.runner.environment_service import EnvironmentFiles
from agents_runner.runner.services import TasksPort


class ProblemList(Protocol):
    """See `store.found_problems`."""

    def all(self) -> tuple[Problem, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """See `runner.services.DiagnosticsPort`."""

    log_file: Path
    background_log: Path
    found: ProblemList
    set_aside: tuple[Path, ...]
    """Folders that damaged files are moved to."""
    environments: EnvironmentFiles
    tasks: TasksPort

    def look(self) -> tuple[Problem, ...]:
        for look in (self.environments.list, self.tasks.list):
            try:
                look()
            except AgentsRunnerError as error:
                return (*self.found.all(), Problem(path="", message=error.message, hint=error.hint))
        return self.found.all()

    def aside(self) -> tuple[Path, ...]:
        files: set[Path] = set()
        for folder in self.set_aside:
            with contextlib.suppress(OSError):
                files |= {path for path in folder.iterdir() if path.is_file()}
        return tuple(sorted(files, key=lambda path: path.name))

    def problems(self) -> tuple[Problem, ...]:
        return self.found.all()
