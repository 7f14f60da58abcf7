"""From a recorded task to its events: whatever goes wrong on the way ends the task with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.containers.cancellation import NeverCancelled
from agents_runner.core.environment import Environment
from agents_runner.core.errors import EngineUnreachable
from agents_runner.core.events import Event, LogLine, Notice, Phase, PhaseStarted, TaskResult, TaskState
from agents_runner.core.redaction import MASK
from agents_runner.core.secrets import SecretUse
from agents_runner.engine.fake import Console
from tests.support.task_world import ENVIRONMENT, TaskWorld

SECRET = "a-long-secret-value"
WITH_SECRET = ENVIRONMENT.model_copy(
    update={"secrets": ("KEY",), "secret_uses": {"KEY": SecretUse(stages=("agent",))}}
)


@pytest.fixture
def environment() -> Environment:
    return ENVIRONMENT


@pytest.fixture
def world(tmp_path: Path, environment: Environment) -> Iterator[TaskWorld]:
    made = TaskWorld(tmp_path, environment)
    yield made
    made.close()


def events_of(world: TaskWorld, task: str) -> list[Event]:
    return list(world.runner.pipeline.events(task, NeverCancelled()))


def lines(events: list[Event]) -> list[str]:
    return [one.line for one in events if isinstance(one, LogLine) and one.stream != "system"]


def result(events: list[Event]) -> TaskResult:
    assert isinstance(events[-1], TaskResult)
    assert sum(isinstance(one, TaskResult) for one in events) == 1
    return events[-1]


def test_a_task_is_its_run(world: TaskWorld) -> None:
    def act(console: Console) -> int:
        console.write("done\n")
        return 4

    world.act = act
    events = events_of(world, world.prepare())
    assert lines(events) == ["done"]
    assert (result(events).state, result(events).exit_code) == (TaskState.FAILED, 4)
    assert world.engine.containers == {}


def test_without_an_engine_it_ends_with_what_the_engine_says(world: TaskWorld) -> None:
    task = world.prepare()
    world.away = EngineUnreachable("There is no engine.", "Start it.")
    found = result(events_of(world, task))
    assert (found.state, found.error, found.hint) == (TaskState.FAILED, "There is no engine.", "Start it.")


@pytest.mark.parametrize("environment", [WITH_SECRET])
def test_a_secret_that_is_gone_when_it_begins_is_named_and_nothing_is_made(world: TaskWorld) -> None:
    world.secrets.set("e", "KEY", SECRET)
    task = world.prepare()
    world.secrets.delete("e", "KEY")
    found = result(events_of(world, task))
    assert found.error == "The secret KEY has no value."
    assert world.engine.calls.count("create") == 0


@pytest.mark.parametrize("environment", [WITH_SECRET])
def test_a_secret_is_masked_before_any_other_filter_sees_it(world: TaskWorld) -> None:
    world.secrets.set("e", "KEY", SECRET)

    def act(console: Console) -> int:
        console.write(f"it is {SECRET}\n")
        return 0

    world.act = act
    assert lines(events_of(world, world.prepare())) == [f"it is {MASK}"]


def test_output_past_the_limit_of_the_settings_is_counted(world: TaskWorld) -> None:
    world.settings = world.settings.model_copy(update={"max_log_mb": 1})

    def act(console: Console) -> int:
        for _ in range(30):
            console.write("x" * 60_000 + "\n")
        return 0

    world.act = act
    events = events_of(world, world.prepare())
    said = [one.message for one in events if isinstance(one, Notice)]
    assert [one for one in said if "1 MB" in one] != []
    assert result(events).state is TaskState.SUCCEEDED


def test_one_whose_container_is_gone_is_over(world: TaskWorld) -> None:
    task = world.prepare()
    record = world.records.record(task)
    record.apply(PhaseStarted(phase=Phase.START), 1.0)
    record.close()
    assert world.records.container_lines(task) is not None
    found = result(events_of(world, task))
    assert found.state is TaskState.FAILED
    assert found.error.startswith("The application ended")
