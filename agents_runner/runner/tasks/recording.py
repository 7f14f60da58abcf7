"""Keeping a task's story: every event goes to the database or the log file before anybody is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from agents_runner.core.events import (
    AgentMessage,
    Cache,
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
)


class Record(Protocol):
    """One task's record, as the store keeps it."""

    def moved(self, state: TaskState, at: float) -> bool:
        """Write a state; False (and nothing written) where the state machine forbids it."""
        ...

    def phase_started(self, phase: Phase) -> None: ...
    def phase_finished(self, phase: Phase, *, seconds: float, ok: bool, cache: Cache | None) -> None: ...
    def noticed(self, message: str) -> None: ...
    def line(self, stream: str, text: str) -> None: ...
    def ended(self, result: TaskResult, at: float) -> None: ...
    def close(self) -> None: ...


def recorded(events: Iterable[Event], record: Record) -> Iterator[Event]:
    """Write each event, then pass it on; a transition that was made already is not made again."""
    for event in events:
        match event:
            case StateChanged():
                # Final states are written with the result, in one piece.
                if not event.state.final and not record.moved(event.state, time.time()):
                    continue
            case PhaseStarted():
                record.phase_started(event.phase)
            case PhaseFinished():
                record.phase_finished(event.phase, seconds=event.seconds, ok=event.ok, cache=event.cache)
            case LogLine():
                record.line(event.stream, event.line)
            case Notice():
                text = f"{event.message} {event.hint}".strip()
                record.noticed(text)
                record.line("system", text)
            case TaskResult():
                record.ended(event, time.time())
            case AgentMessage() | _:
                pass
        yield event
