"""A log that is longer than what is read of it at once is printed to its end."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents_runner.cli.task_commands import logs
from agents_runner.core.events import TaskResult, TaskState
from agents_runner.core.task import Task
from agents_runner.store import logfile
from agents_runner.store.database import Database
from agents_runner.store.paths import Paths
from agents_runner.store.tasks import TaskStore


@pytest.mark.parametrize("follow", [False, True])
def test_a_long_log_is_printed_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], follow: bool
) -> None:
    monkeypatch.setattr(logfile, "PART_BYTES", 64)
    paths = Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path / "home")}).ensure()
    database = Database(paths)
    store = TaskStore(paths=paths, database=database)
    task = Task(
        id="abc",
        environment_id="e",
        environment_name="E",
        agent="shell",
        prompt="p",
        state=TaskState.RUNNING,
        created=1.0,
    )
    store.create(task, prompt="p", config_json="{}")
    record = store.record("abc")
    for number in range(100):
        record.line("stdout", f"line {number}")
    record.apply(TaskResult(task="abc", state=TaskState.FAILED, exit_code=1, image=""), 2.0)
    record.close()
    services = SimpleNamespace(tasks=store, system=SimpleNamespace(wait=lambda _seconds: None))
    assert logs(services, argparse.Namespace(id="abc", follow=follow, json=False)) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [f"line {number}" for number in range(100)]
    database.close()
