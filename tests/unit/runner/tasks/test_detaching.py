"""Threads of tasks when the application ends: they leave or stop, and none of them holds it up."""

from __future__ import annotations

import threading
import time

import pytest

from agents_runner.core.errors import STOP_GRACE_S, Cancelled, Detached, StoreError
from agents_runner.runner.tasks.cancellation import TaskCancellation
from agents_runner.runner.tasks.workers import Workers


class Requests:
    """Word that other processes leave, or a database that cannot be read."""

    wanted = False
    error: StoreError | None = None

    def stop_requested(self, _task_id: str) -> bool:
        if self.error is not None:
            raise self.error
        return self.wanted


def test_f23_a_left_task_is_told_wherever_it_would_look_for_a_stop() -> None:
    flag = TaskCancellation(Requests(), "t")
    flag.check()
    flag.detach()
    with pytest.raises(Detached):
        flag.check()


def test_f23_a_task_that_was_stopped_before_stops() -> None:
    flag = TaskCancellation(Requests(), "t")
    flag.cancel()
    flag.detach()
    with pytest.raises(Cancelled):
        flag.check()
    assert not flag.detached


def test_a_stop_from_elsewhere_is_seen() -> None:
    requests = Requests()
    flag = TaskCancellation(requests, "t")
    requests.wanted = True
    with pytest.raises(Cancelled) as caught:
        flag.check()
    assert caught.value.grace_s == STOP_GRACE_S
    requests.wanted = False
    with pytest.raises(Cancelled):
        flag.check()


def test_a_database_that_cannot_be_read_is_no_wish_to_stop() -> None:
    requests = Requests()
    requests.error = StoreError("The disk is gone.")
    TaskCancellation(requests, "t").check()


def test_who_stops_it_says_how_long_it_has_for_its_own_end() -> None:
    flag = TaskCancellation(Requests(), "t")
    flag.cancel(grace_s=1.5)
    with pytest.raises(Cancelled) as caught:
        flag.check()
    assert caught.value.grace_s == 1.5


def test_f23_what_waits_is_worked_off_and_nothing_is_taken_afterwards() -> None:
    gate, done = threading.Event(), []
    workers = Workers(limit=2, name="test")
    for number in range(5):
        workers.submit(lambda number=number: (gate.wait(), done.append(number)))  # type: ignore[misc]
    gate.set()
    assert workers.close(10)
    assert sorted(done) == [0, 1, 2, 3, 4]
    workers.submit(lambda: done.append(9))
    assert workers.close(10)
    assert 9 not in done


def test_f23_a_call_that_hangs_holds_nobody_up() -> None:
    gate = threading.Event()
    workers = Workers(limit=1, name="test")
    workers.submit(lambda: bool(gate.wait()))  # type: ignore[arg-type,return-value]
    began = time.monotonic()
    assert not workers.close(0.1)
    assert time.monotonic() - began < 5
    gate.set()
    assert workers.close(10)


def test_no_more_threads_than_work_and_limit() -> None:
    gate, names = threading.Event(), set()
    workers = Workers(limit=3, name="test")

    def work() -> None:
        names.add(threading.current_thread().name)
        gate.wait()

    for _ in range(6):
        workers.submit(work)
    gate.set()
    assert workers.close(10)
    assert names <= {"test-0", "test-1", "test-2"}
