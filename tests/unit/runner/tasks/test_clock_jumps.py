"""A task that is resumed while the clocks of this machine and of the engine are hours apart."""

from __future__ import annotations

import threading
from pathlib import Path

from agents_runner.core.container import ContainerSpec, task_container
from agents_runner.core.events import Event, LogLine, PhaseFinished, TaskResult, TaskState
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.runner.tasks.adoption import RecordedProgress, resume_task
from tests.support.tools import plain_tools
from tests.unit.runner.tasks.test_run_task import CONFIG

LIMIT_S = 600
TICKS = 20
NOBODY_KNOWS = RecordedProgress(lines={}, begun=frozenset(), finished=frozenset(), notices=frozenset())


def resumed(folder: Path, *, engine_s: float, later_s: float) -> list[Event]:
    """What comes of a task whose container was started at `engine_s` by the engine's clock, and is resumed later.

    The container says one line, waits until the limits were looked at again and again, and ends by itself.
    """
    now = [engine_s]
    go_on = threading.Event()

    def program(_spec: ContainerSpec, console: Console) -> int:
        for line in ("begin preflight.run", "end preflight.run 0", "begin agent"):
            console.write(f"\x1e{CONFIG.token} {line}\n")
        console.write("here\n")
        for _ in range(TICKS):
            if console.stopped.wait(0.05):
                return 137
        go_on.set()
        return 0

    engine = FakeEngine(program)
    engine.clock = lambda: now[0]
    engine.add_image("base:1")
    made = engine.create(ContainerSpec(name=task_container(CONFIG.task_id), image="base:1"))
    engine.start(made)
    now[0] += later_s
    tools = plain_tools(engine, folder)
    config = CONFIG.model_copy(update={"task_timeout_s": LIMIT_S})
    events = list(resume_task(config, tools, NOBODY_KNOWS))
    assert go_on.is_set() is (later_s < LIMIT_S)
    assert engine.containers == {}
    return events


def result(events: list[Event]) -> TaskResult:
    assert isinstance(events[-1], TaskResult)
    return events[-1]


def test_f17_a_limit_goes_on_by_the_engines_clock_however_wrong_ours_is(tmp_path: Path) -> None:
    """The engine's clock is a quarter of a century behind ours: by ours the limit would be over."""
    events = resumed(tmp_path, engine_s=1e9, later_s=60)
    assert result(events).state is TaskState.SUCCEEDED, result(events)
    assert "here" in [event.line for event in events if isinstance(event, LogLine)]
    assert all(event.seconds >= 0 for event in events if isinstance(event, PhaseFinished))


def test_f17_what_ran_while_nobody_looked_counts_for_the_limit(tmp_path: Path) -> None:
    """The engine's clock is ahead of ours: by ours the task would have all its time again."""
    done = result(resumed(tmp_path, engine_s=4e9, later_s=LIMIT_S + 1))
    assert done.state is TaskState.FAILED
    assert done.exit_code == 124
    assert done.error == f"The task took longer than its limit of {LIMIT_S} s."


def test_f17_an_engines_clock_that_was_set_back_takes_no_time_away(tmp_path: Path) -> None:
    events = resumed(tmp_path, engine_s=1e9, later_s=-3600)
    assert result(events).state is TaskState.SUCCEEDED, result(events)
    assert all(event.seconds >= 0 for event in events if isinstance(event, PhaseFinished))
