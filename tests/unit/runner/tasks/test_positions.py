"""Lines and notices carry their place in the log as it is written: masked, cut by the limit, gone on with later."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from agents_runner.core.events import Event, LogLine, Notice, Phase, PhaseFinished, PhaseStarted, TaskState
from agents_runner.core.task import Task
from agents_runner.runner.tasks import log_limit
from agents_runner.runner.tasks.log_limit import limited
from agents_runner.runner.tasks.recording import recorded
from agents_runner.runner.tasks.redacting import redacted
from agents_runner.store.database import Database
from agents_runner.store.paths import Paths
from agents_runner.store.tasks import TaskStore

SECRET = "hunter2-hunter2-hunter2"
TASK = Task(
    id="t", environment_id="e", environment_name="E", agent="x", prompt="p", state=TaskState.RUNNING, created=1.0
)


def told(count: int) -> Generator[Event, None, None]:
    yield PhaseStarted(phase=Phase.AGENT)
    yield Notice(message=f"It holds {SECRET}.", hint="é")
    for number in range(count):
        yield LogLine(stream="stderr" if number % 2 else "stdout", line=f"{number} {SECRET} \n é")
    yield PhaseFinished(phase=Phase.AGENT, seconds=1.0)


def test_each_ends_where_it_says_also_for_who_goes_on_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path / "home")}).ensure()
    records = TaskStore(paths=paths, database=Database(paths))
    records.create(TASK, prompt="p", config_json="{}")
    monkeypatch.setattr(log_limit, "MB", 300)
    monkeypatch.setattr(log_limit, "LAST_LINES", 3)
    seen: list[Event] = []
    for _ in ("the one that began it", "the one that resumed it"):
        record = records.record(TASK.id)
        events = limited(redacted(told(20), [SECRET]), 1, already=records.log_bytes(TASK.id))
        seen += recorded(events, record)
        record.close()
        assert records.container_lines(TASK.id) is None
    before = 0
    lines = [event for event in seen if isinstance(event, LogLine | Notice)]
    assert any("lines were dropped here" in event.message for event in lines if isinstance(event, Notice))
    for event in lines:
        assert event.position is not None
        text = event.text if isinstance(event, Notice) else event.line.replace("\n", "\\n")
        (found, *_) = records.log_from(TASK.id, before).lines
        assert found[1] == text
        assert SECRET not in text
        before = event.position
    assert before == records.log_bytes(TASK.id)
    records.database.close()
