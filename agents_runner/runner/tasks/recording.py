"""Keeping a task's story: every event goes to the database or the log file before anybody is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from agents_runner.core.events import Event, LogLine, Notice, PhaseFinished, PhaseStarted, StateChanged, TaskResult


class Record(Protocol):
    """One task's record, as the store keeps it."""

    def apply(self, event: Event, at: float) -> bool:
        """Write what an event of `at` (seconds since the epoch) changes of the task, by `core.task.applied`.

        False, with nothing written, where it changes nothing: a state that the task cannot move to, say.
        """
        ...

    def line(self, stream: str, text: str) -> int | None:
        """Append a line to the log; where it ends there, in bytes, None if there is no room for it."""
        ...

    def close(self) -> None: ...


def recorded(events: Iterable[Event], record: Record) -> Iterator[Event]:
    """Write each event, then pass it on; a transition that was made already is not made again.

    Lines and notices are passed on with their position in the log, by which a reader joins them to the file.
    """
    for event in events:
        match event:
            case LogLine():
                yield replace(event, position=record.line(event.stream, event.line))
            case Notice():
                record.apply(event, time.time())
                yield replace(event, position=record.line("system", event.text))
            case StateChanged():
                # Final states are written with the result, in one piece.
                if event.state.final or record.apply(event, time.time()):
                    yield event
            case PhaseStarted() | PhaseFinished() | TaskResult():
                record.apply(event, time.time())
                yield event
            case _:
                yield event
