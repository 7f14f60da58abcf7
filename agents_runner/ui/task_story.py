"""What there is to say of a task on the screen: which of two records knows more, phases and their times."""

from __future__ import annotations

from agents_runner.core.events import TaskState
from agents_runner.core.task import PhaseRecord, Task

_ORDER = tuple(TaskState)


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
