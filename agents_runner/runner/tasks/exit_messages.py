"""How a task's end is told: from exit codes to a sentence and a hint."""

from __future__ import annotations

from collections.abc import Generator

from agents_runner.core.errors import AgentsRunnerError, StageFailed
from agents_runner.core.events import Event, Phase, StateChanged, TaskResult, TaskState
from agents_runner.core.task import Task

_SIGNALLED = 128
"""Exit codes above it say that a signal ended the program."""
_KILLED = 137
_DIED = {
    TaskState.QUEUED: "before the task began",
    TaskState.PREPARING: "while the task was prepared",
    TaskState.BUILDING: "while the task's image was looked for or built",
    TaskState.STARTING: "while the task's container was started",
    TaskState.RUNNING: "while the task ran, and its container is gone",
}


def stage_failed(phase: Phase, code: int) -> StageFailed:
    """A preflight script that ended with this exit code."""
    name = "cached preflight" if phase is Phase.CACHED else "run preflight"
    return StageFailed(f"The {name} ended with exit code {code}.", "Its last lines say why.", status=code)


def with_tail(error: StageFailed, tail: tuple[str, ...]) -> StageFailed:
    """The same with the last lines of the script's output."""
    return StageFailed(error.message, error.hint, status=error.status, tail=tail)


def ending(code: int, *, oom: bool, engine_away: bool) -> tuple[str, str]:
    """Why the agent ended with this exit code, and what to do; "" for 0."""
    if code == 0:
        return "", ""
    # An engine that only could not be reached for a while kills nobody.
    if engine_away and code > _SIGNALLED:
        return f"The engine was stopped or restarted while the task ran (exit code {code}).", "Run it again."
    if oom:
        return "The task ran out of memory.", "Raise the environment's memory limit."
    if code == _KILLED:
        return "The agent was killed (exit code 137), possibly for want of memory.", ""
    return f"The agent ended with exit code {code}.", ""


def failed(task_id: str, error: AgentsRunnerError) -> Generator[Event, None, None]:
    """The closing events of a task that could not begin, or that nobody works on any more."""
    yield StateChanged(state=TaskState.FAILED)
    yield TaskResult(
        task=task_id, state=TaskState.FAILED, exit_code=1, image="", error=error.message, hint=error.hint
    )


def application_ended(task: Task) -> AgentsRunnerError:
    """Why a task is over whose application died, as far as its recorded state tells."""
    when = _DIED.get(task.state, "in the middle of the task")
    return AgentsRunnerError(f"The application ended {when}.", "Run it again; what was built is used.")
