"""A task that waited for its secrets while no application was there: it is answered, told, and loses no time."""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path

import pytest

from agents_runner.core.container import ContainerSpec, task_container
from agents_runner.core.events import (
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    StateChanged,
    TaskResult,
    TaskState,
)
from agents_runner.core.secrets import SecretGrant, SecretValues
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.runner.tasks.adoption import RecordedProgress, resume_task
from tests.support.tools import plain_tools
from tests.support.waiting import until
from tests.unit.runner.tasks.test_run_task import CONFIG

STARTED, LIMIT_S, AWAY_S = 1000.0, 600, 20 * 3600
GRANT = SecretGrant(name="TOKEN", stages=("agent",))
VALUE = "value-of-the-token"
NOBODY_KNOWS = RecordedProgress(lines={}, begun=frozenset(), finished=frozenset(), notices=frozenset())


class World:
    """A task that was left when it asked for its agent's secrets, `AWAY_S` ago."""

    def __init__(self, folder: Path) -> None:
        self.now = STARTED
        self.folder = folder
        self.sent: list[bytes] = []
        self.agent_takes_s = 10.0
        self.stays = threading.Event()
        self.stays.set()
        self.engine = FakeEngine(self._program)
        self.engine.clock = lambda: self.now
        self.engine.add_image("base:1")
        made = self.engine.create(ContainerSpec(name=task_container(CONFIG.task_id), image="base:1"))
        self.engine.start(made)
        until(lambda: any(b"secrets agent" in one.data for one in self.engine.containers[made].console.past()))
        self.now += AWAY_S

    def _says(self, console: Console, line: str, *, clock: bool = True) -> None:
        console.write(f"\x1e{CONFIG.token} {line}{f' {self.now:.3f}' if clock else ''}\n")

    def _program(self, _spec: ContainerSpec, console: Console) -> int:
        self._says(console, "begin preflight.run")
        self.now += 30
        self._says(console, "end preflight.run 0")
        self._says(console, "secrets agent")
        while not self.sent:
            with contextlib.suppress(queue.Empty):
                self.sent.append(console.input.get(timeout=0.05))
            if console.stopped.is_set():
                return 137
        self._says(console, "begin agent")
        console.write("the agent is here\n")
        self.now += self.agent_takes_s
        while not self.stays.wait(0.02):
            if console.stopped.is_set():
                return 137
        return 0

    def resumed(self, *, known: RecordedProgress = NOBODY_KNOWS, value: str = VALUE) -> list[Event]:
        config = CONFIG.model_copy(update={"secrets": (GRANT,), "task_timeout_s": LIMIT_S})
        tools = plain_tools(self.engine, self.folder, secrets=SecretValues({"TOKEN": value} if value else {}))
        events = list(resume_task(config, tools, known))
        assert self.engine.containers == {}
        return events


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_s2_a_secret_that_began_in_a_recorded_line_is_masked_in_the_next_one_as_well(tmp_path: Path) -> None:
    def program(_spec: ContainerSpec, console: Console) -> int:
        console.write(f"\x1e{CONFIG.token} begin agent\nthe first half\nthe second half\nthe end\n")
        return 0

    engine = FakeEngine(program)
    engine.add_image("base:1")
    engine.start(engine.create(ContainerSpec(name=task_container(CONFIG.task_id), image="base:1")))
    config = CONFIG.model_copy(update={"secrets": (GRANT,)})
    tools = plain_tools(engine, tmp_path, secrets=SecretValues({"TOKEN": "the first half\nthe second half"}))
    known = RecordedProgress(lines={"stdout": 1}, begun=frozenset(), finished=frozenset(), notices=frozenset())
    lines = [event.line for event in resume_task(config, tools, known) if isinstance(event, LogLine)]
    assert len(lines) == 2
    assert "second" not in lines[0]
    assert lines[1] == "the end"


def result(events: list[Event]) -> TaskResult:
    assert isinstance(events[-1], TaskResult)
    return events[-1]


def test_f5_the_next_application_answers_and_the_wait_counts_for_nothing(world: World) -> None:
    events = world.resumed()
    assert result(events).state is TaskState.SUCCEEDED, result(events)
    assert world.sent == [f"=TOKEN\n|{VALUE}\n.\n".encode()]
    told = [event.message for event in events if isinstance(event, Notice)]
    assert told == ["The task waited for the application to send its secrets; it goes on now."]
    assert [event.line for event in events if isinstance(event, LogLine)] == ["the agent is here"]
    took = {event.phase: event.seconds for event in events if isinstance(event, PhaseFinished)}
    assert took[Phase.RUN] == pytest.approx(30)
    assert took[Phase.AGENT] < LIMIT_S, "it began when its secrets were there"
    assert TaskState.RUNNING in [event.state for event in events if isinstance(event, StateChanged)]


def test_f5_the_wait_is_told_once_however_often_it_is_resumed(world: World) -> None:
    said = "The task waited for the application to send its secrets; it goes on now."
    known = RecordedProgress(
        lines={}, begun=frozenset({Phase.RUN}), finished=frozenset({Phase.RUN}), notices=frozenset({said})
    )
    assert [event for event in world.resumed(known=known) if isinstance(event, Notice)] == []


def test_f5_what_ran_before_the_wait_counts_for_the_limit(world: World) -> None:
    world.stays.clear()
    world.agent_takes_s = 0
    # It ran for 30 s and then waited; by the clock that is handed on, all but the last second of its limit is over.
    world.engine.clock = lambda: world.now + LIMIT_S - 30 - 1
    done = result(world.resumed())
    assert (done.state, done.exit_code) == (TaskState.FAILED, 124)
    assert done.error == f"The task took longer than its limit of {LIMIT_S} s."


def test_f5_a_locked_keyring_is_named(world: World) -> None:
    done = result(world.resumed(value=""))
    assert done.state is TaskState.FAILED
    assert done.error == "The container waits for a secret that cannot be read: TOKEN."
    assert done.hint
    assert world.sent in ([], [b""])


def test_f17_one_that_ended_in_time_while_nobody_looked_has_not_run_into_its_limit(world: World) -> None:
    container = task_container(CONFIG.task_id)
    world.now -= AWAY_S
    world.engine.send(container, b"=TOKEN\n|x\n.\n")
    world.engine.wait(container, 30)
    world.now += 100 * LIMIT_S
    events = world.resumed()
    assert result(events).state is TaskState.SUCCEEDED, result(events)
    assert [event for event in events if isinstance(event, Notice)] == []
