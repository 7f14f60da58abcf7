"""Files of one's own for each test, and a database that is closed after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.store.database import Database
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.paths import Paths
from agents_runner.store.tasks import TaskStore


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """All files under one folder, as with AGENTS_RUNNER_HOME."""
    return Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path / "home")}).ensure()


@pytest.fixture
def environments(home: Paths) -> EnvironmentStore:
    return EnvironmentStore(paths=home)


@pytest.fixture
def records(home: Paths) -> Iterator[TaskStore]:
    database = Database(home)
    yield TaskStore(paths=home, database=database)
    database.close()
