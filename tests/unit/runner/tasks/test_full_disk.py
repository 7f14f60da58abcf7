"""A disk that refuses every write while tasks run: each result is told, recorded later, and the next task runs."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.core.events import (
    Event,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
    may_move,
)
from agents_runner.engine.fake import Console
from agents_runner.runner.services import TaskRequest
from agents_runner.runner.tasks.late_record import LateRecords, PatientRecord
from agents_runner.runner.tasks.workers import Workers
from agents_runner.store.database import Database
from tests.support.task_world import TaskWorld
from tests.support.waiting import until


class FullDatabase(Database):
    """A database on a disk that can be filled and emptied; reading always works."""

    full = False
    refused = 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if self.full:
            self.refused += 1
            raise StoreError("The disk is full.", "Free some space.")
        with super().transaction() as connection:
            yield connection


class World(TaskWorld):
    """A runner with a real store and a fake engine; `act` is what an agent does with the disk."""

    database: FullDatabase

    def new_database(self) -> FullDatabase:
        return FullDatabase(self.paths)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.full = False
    made.close()


def fills(world: World, status: int) -> Callable[[Console], int]:
    def act(_console: Console) -> int:
        world.database.full = True
        return status

    return act


def test_h2_a_result_is_told_when_nothing_can_be_recorded_and_recorded_when_it_can(world: World) -> None:
    world.act = fills(world, 7)
    task = world.run()
    events, result = world.until_result(task)
    assert (result.state, result.exit_code) == (TaskState.FAILED, 7)
    notices = [event for event in events if isinstance(event, Notice)]
    assert ["The disk is full." in one.message for one in notices] == [True]
    assert not world.records.get(task).state.final, "the disk took nothing"
    world.database.full = False
    until(lambda: world.records.get(task).state is TaskState.FAILED)
    found = world.records.get(task)
    assert (found.exit_code, found.error) == (7, result.error)
    # Nothing of the story is missing, and all of it is in its order.
    assert [one.phase for one in found.phases][-2:] == [Phase.AGENT, Phase.COLLECT]
    assert all(one.seconds is not None for one in found.phases)
    assert [notices[0].message in one for one in found.notices] == [True]


@pytest.mark.parametrize("count", [9])
def test_h2_after_eight_such_tasks_the_ninth_runs(world: World, count: int) -> None:
    world.act = fills(world, 3)
    for _ in range(count):
        world.database.full = False
        task = world.run()
        assert world.until_result(task)[1].exit_code == 3
    until(lambda: not world.runner.active_tasks())
    world.database.full = False
    until(lambda: all(task.state.final for task in world.records.list()))
    assert [task.exit_code for task in world.records.list()] == [3] * count


def test_h2_the_next_process_knows_how_it_ended(world: World) -> None:
    world.act = fills(world, 5)
    task = world.run()
    world.until_result(task)
    until(lambda: not world.runner.active_tasks())
    world.runner.close()
    world.owners.close()
    assert not world.records.get(task).state.final
    world.database.full = False
    world.runner = world.new_runner()
    assert world.runner.adopt_orphans() == (task,)
    found = world.records.get(task)
    assert (found.state, found.exit_code) == (TaskState.FAILED, 5)


def test_h2_a_success_is_known_to_the_next_process_though_its_steps_are_not(world: World) -> None:
    task = world.records.get(world.prepare())
    result = TaskResult(task=task.id, state=TaskState.SUCCEEDED, exit_code=0, image="base:1")
    assert world.records.keep_result(result)
    world.records.own(task.id, 2**22 - 1)
    assert world.runner.adopt_orphans() == (task.id,)
    found = world.records.get(task.id)
    assert (found.state, found.exit_code, found.image) == (TaskState.SUCCEEDED, 0, "base:1")


def test_h2_a_task_that_the_disk_refuses_from_the_start_ends_with_that_sentence(world: World) -> None:
    task = world.runner.intake.prepare(TaskRequest(environment_id="e", prompt="x"))
    world.database.full = True
    world.runner.start(task.id)
    _, result = world.until_result(task.id)
    assert (result.state, result.error) == (TaskState.FAILED, "The disk is full.")
    assert world.engine.containers == {}, "nothing began that nobody could adopt"


def test_h2_a_task_stops_though_the_disk_is_full(world: World) -> None:
    began = threading.Event()

    def act(console: Console) -> int:
        world.database.full = True
        began.set()
        console.stopped.wait(60)
        return 0

    world.act = act
    task = world.run()
    assert began.wait(60)
    world.runner.stop(task)
    assert world.until_result(task)[1].state is TaskState.CANCELLED


def test_h2_another_process_stops_it_though_it_cannot_write_the_wish(world: World) -> None:
    began = threading.Event()

    def act(console: Console) -> int:
        began.set()
        console.stopped.wait(60)
        return 0

    world.act = act
    task = world.run()
    assert began.wait(60)
    world.database.full = True
    world.new_runner().stop(task)
    assert world.until_result(task)[1].state.final


def test_h2_a_listener_that_fails_keeps_nobody_from_hearing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def fails(_task: str, _batch: tuple[Event, ...]) -> None:
        raise RuntimeError("no window")

    world.runner.subscribe(fails)
    second: queue.SimpleQueue[Event] = queue.SimpleQueue()
    world.runner.subscribe(lambda _task, batch: [second.put(event) for event in batch] and None)
    world.until_result(world.run())
    until(lambda: not world.runner.active_tasks())
    told = [second.get(timeout=10) for _ in range(second.qsize())]
    assert isinstance(told[-1], TaskResult)
    assert "a listener failed" in caplog.text


@dataclasses.dataclass
class RefusingRecord:
    """A `Record` that refuses as often as it is told to, and notes what it took."""

    refusals: int
    state: TaskState = TaskState.QUEUED
    took: list[str] = dataclasses.field(default_factory=list)

    def _take(self, what: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("full")
        self.took.append(what)

    def apply(self, event: Event, at: float) -> bool:
        match event:
            case StateChanged():
                if not may_move(self.state, event.state):
                    return False
                self._take(event.state.value)
                self.state = event.state
            case PhaseStarted():
                self._take(f"begin {event.phase.value}")
            case PhaseFinished():
                self._take(f"end {event.phase.value}")
            case Notice():
                self._take(event.text)
            case TaskResult():
                self._take(event.state.value)
        return True

    def line(self, stream: str, text: str) -> int | None:
        self._take(text)
        return len(self.took)

    def cannot_end(self, result: TaskResult) -> None:
        pass

    def flush(self) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.mark.parametrize("refusals", range(8))
def test_h2_whatever_is_refused_is_written_in_its_order(refusals: int) -> None:
    inner = RefusingRecord(refusals)
    record = PatientRecord(inner)
    assert record.apply(StateChanged(state=TaskState.PREPARING), 0)
    record.apply(PhaseStarted(phase=Phase.PULL), 2.0)
    record.apply(PhaseFinished(phase=Phase.PULL, seconds=1, ok=True, cache=None), 2.0)
    assert record.apply(StateChanged(state=TaskState.STARTING), 0)
    assert not record.apply(StateChanged(state=TaskState.PREPARING), 0), (
        "the state machine holds while nothing is written"
    )
    record.apply(Notice(message="seen"), 2.0)
    record.apply(TaskResult(task="t", state=TaskState.FAILED, exit_code=1, image=""), 0)
    late = LateRecords(every_s=0.01)
    late.keep("t", record)
    until(late.settle)
    late.close()
    assert inner.took == ["preparing", "begin pull", "end pull", "starting", "seen", "failed"]


def test_h2_what_stands_in_the_way_is_told_in_the_order_of_the_log(world: World) -> None:
    """Whoever joins the events with the file goes by their positions."""
    world.runner.stories.write(
        "t", (Notice(message="first"), Notice(message="then")), PatientRecord(RefusingRecord(1))
    )
    told = [world.told.get(timeout=10)[1] for _ in range(3)]
    positions = [event.position for event in told if isinstance(event, Notice) and event.position is not None]
    assert len(positions) == 3
    assert positions == sorted(positions)


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(3), StoreError("full"), MemoryError()])
def test_h2_a_worker_survives_anything(error: BaseException) -> None:
    workers = Workers(limit=1, name="test")

    def fails() -> None:
        raise error

    futures = [workers.submit(fails) for _ in range(9)]
    last = workers.submit(lambda: 10)
    assert last.result(timeout=10) == 10
    assert all(one.exception() is error for one in futures)
    assert workers.close(10)
