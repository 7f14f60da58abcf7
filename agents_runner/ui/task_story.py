"""A task as its events tell it: pure functions from a task and an event to the task as it is then."""

from __future__ import annotations

from dataclasses import replace

from agents_runner.core.events import (
    Event,
    Notice,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
)
from agents_runner.core.task import PhaseRecord, Task

_ORDER = tuple(TaskState)


def applied(task: Task, event: Event, now: float) -> Task:
    """The task after the event; `now` in seconds since the epoch. An event that it knows already changes nothing."""
    match event:
        case StateChanged():
            return task if task.state.final else replace(task, state=event.state, started=task.started or now)
        case PhaseStarted():
            return _with_phase(task, PhaseRecord(phase=event.phase))
        case PhaseFinished():
            done = PhaseRecord(phase=event.phase, seconds=event.seconds, ok=event.ok, cache=event.cache)
            return _with_phase(task, done)
        case Notice():
            text = f"{event.message} {event.hint}".strip()
            return task if text in task.notices else replace(task, notices=(*task.notices, text))
        case TaskResult():
            return replace(
                task,
                state=event.state,
                exit_code=event.exit_code,
                image=event.image,
                error=event.error,
                hint=event.hint,
                finished=task.finished or now,
            )
        case _:
            return task


def _with_phase(task: Task, record: PhaseRecord) -> Task:
    for position, old in enumerate(task.phases):
        if old.phase == record.phase:
            if old.seconds is not None or record.seconds is None:
                return task
            return replace(task, phases=(*task.phases[:position], record, *task.phases[position + 1 :]))
    return replace(task, phases=(*task.phases, record))


def later(one: Task, other: Task) -> Task:
    """The one that knows more; a record that was read before an event must not undo it."""
    return other if _known(other) >= _known(one) else one


def _known(task: Task) -> tuple[int, int, int]:
    ended = sum(record.seconds is not None for record in task.phases)
    return _ORDER.index(task.state), len(task.phases), ended


def phase_seconds(task: Task, record: PhaseRecord, now: float) -> float | None:
    """How long a phase took; for the running one how long it takes so far, None where nobody knows."""
    if record.seconds is not None:
        return record.seconds
    if task.started is None or task.state.final:
        return None
    before = sum(one.seconds or 0.0 for one in task.phases)
    return max(0.0, now - task.started - before)


def phase_word(task: Task, record: PhaseRecord) -> str:
    """What there is to say about a phase beside its time."""
    if record.seconds is None:
        return "stopped" if task.state.final else "running"
    if record.cache:
        return str(record.cache)
    if record.ok is False:
        # A task that was stopped in it: nothing went wrong.
        return "stopped" if task.state is TaskState.CANCELLED else "failed"
    return ""
