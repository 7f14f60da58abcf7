"""A task: one prompt for one agent in one environment, as the database holds it, and how events change it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agents_runner.core.events import (
    Cache,
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


class TaskKind(StrEnum):
    """What a task was asked to do. The tests are the preflight scripts alone, without agent and prompt."""

    TASK = "task"
    TEST = "test"
    FRESH_TEST = "fresh-test"
    """From the base image, without any cached layer."""

    @property
    def is_test(self) -> bool:
        return self is not TaskKind.TASK


def new_task_id() -> str:
    """12 hex digits, fit for a container's name."""
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, kw_only=True)
class PhaseRecord:
    """One phase of a task; `seconds` None while it runs, `ok` None likewise."""

    phase: Phase
    seconds: float | None = None
    ok: bool | None = None
    cache: Cache | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row. Times are seconds since the epoch, None while not reached; `prompt` is its first line only."""

    id: str
    environment_id: str
    environment_name: str
    agent: str
    prompt: str
    state: TaskState
    created: float
    started: float | None = None
    finished: float | None = None
    exit_code: int | None = None
    image: str = ""
    error: str = ""
    hint: str = ""
    phases: tuple[PhaseRecord, ...] = field(default=())
    notices: tuple[str, ...] = ()
    owner_pid: int | None = None
    """The process that works on it."""
    stop_requested: bool = False
    kind: TaskKind = TaskKind.TASK
    profile: str = ""
    """The environment's profile when the task was submitted; "" for one that an earlier program recorded."""


def applied(task: Task, event: Event, at: float) -> Task:
    """The task after an event that came `at` seconds since the epoch; the same object if the event changes nothing.

    This is the one place that says what an event means for a task: the database, the window and the tests go by it.
    What is known already changes nothing, so that events may be told again over a record that holds some of them.
    """
    match event:
        case StateChanged():
            return _moved(task, event.state, at) if may_move(task.state, event.state) else task
        case PhaseStarted():
            return _begun(task, event.phase)
        case PhaseFinished():
            record = PhaseRecord(phase=event.phase, seconds=event.seconds, ok=event.ok, cache=event.cache)
            return _finished(task, record)
        case Notice():
            return task if event.text in task.notices else replace(task, notices=(*task.notices, event.text))
        case TaskResult():
            return _ended(task, event, at)
        case _:
            return task


def _moved(task: Task, state: TaskState, at: float) -> Task:
    started = at if task.started is None and state is TaskState.PREPARING else task.started
    return replace(task, state=state, started=started, finished=at if state.final else task.finished)


def _ended(task: Task, result: TaskResult, at: float) -> Task:
    """Once; a final state that was told by itself before gets the result that belongs to it, and no other."""
    if task.state.final:
        allowed = task.state is result.state and task.exit_code is None
    else:
        allowed = result.state.final and may_move(task.state, result.state)
    if not allowed:
        return task
    return replace(
        task,
        state=result.state,
        finished=at if task.finished is None else task.finished,
        exit_code=result.exit_code,
        image=result.image or task.image,
        error=result.error,
        hint=result.hint,
    )


def _begun(task: Task, phase: Phase) -> Task:
    """One record a phase: a phase that failed and is tried again begins anew."""
    known = next((one for one in task.phases if one.phase is phase), None)
    if known is None:
        return replace(task, phases=(*task.phases, PhaseRecord(phase=phase)))
    if known.ok is not False or task.state.final:
        return task
    return _with_phase(task, PhaseRecord(phase=phase))


def _finished(task: Task, record: PhaseRecord) -> Task:
    known = next((one for one in task.phases if one.phase is record.phase), None)
    if known is None:
        return replace(task, phases=(*task.phases, record))
    return task if known.seconds is not None else _with_phase(task, record)


def _with_phase(task: Task, record: PhaseRecord) -> Task:
    return replace(task, phases=tuple(record if one.phase is record.phase else one for one in task.phases))
