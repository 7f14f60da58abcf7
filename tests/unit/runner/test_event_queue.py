"""A flood waits for its reader, a reader that stands still keeps nobody waiting, and nothing is lost."""

from __future__ import annotations

import threading

from agents_runner.core.events import LogLine
from agents_runner.runner.event_queue import BoundedQueue


def line(number: int) -> LogLine:
    return LogLine(stream="stdout", line=str(number))


def test_a_flood_waits_for_its_reader_and_nothing_is_lost() -> None:
    queue = BoundedQueue[LogLine](limit=10, patience_s=60)
    ahead = 0
    put = 0

    def flood() -> None:
        nonlocal put
        for number in range(1000):
            queue.put([line(number)])
            put = number + 1

    writer = threading.Thread(target=flood)
    writer.start()
    for number in range(1000):
        assert queue.get() == line(number)
        ahead = max(ahead, put - number)
    writer.join(10)
    assert not writer.is_alive()
    assert ahead <= 12


def test_a_reader_that_stands_still_does_not_hold_the_task() -> None:
    queue = BoundedQueue[LogLine](limit=2, patience_s=0.01)
    for number in range(100):
        queue.put([line(number)])
    assert [queue.get() for _ in range(100)] == [line(number) for number in range(100)]


def test_closing_frees_whoever_waits() -> None:
    queue = BoundedQueue[LogLine](limit=1, patience_s=60)
    queue.put([line(0)])
    writer = threading.Thread(target=queue.put, args=([line(1)],))
    writer.start()
    queue.close()
    writer.join(10)
    assert not writer.is_alive()
