"""What happens while a task or a build runs, as values in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Stream = Literal["stdout", "stderr", "system"]
"""`system` lines are ours: what the application tells the person between the program's own lines."""
Cache = Literal["hit", "built", "fallback"]


class Phase(StrEnum):
    """A named, timed part of a task, in the order in which they come."""

    WORKSPACE = "workspace"
    PULL = "pull"
    BUILD_DESKTOP = "build.desktop"
    BUILD_ENV = "build.env"
    START = "start"
    DESKTOP_INSTALL = "desktop.install"
    CACHED = "preflight.cached"
    DESKTOP = "desktop"
    RUN = "preflight.run"
    AGENT = "agent"
    COLLECT = "collect"


class TaskState(StrEnum):
    """Where a task stands; the last three are final."""

    QUEUED = "queued"
    PREPARING = "preparing"
    BUILDING = "building"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)


_NEXT: dict[TaskState, frozenset[TaskState]] = {
    TaskState.QUEUED: frozenset({TaskState.PREPARING}),
    TaskState.PREPARING: frozenset({TaskState.BUILDING, TaskState.STARTING}),
    TaskState.BUILDING: frozenset({TaskState.STARTING}),
    TaskState.STARTING: frozenset({TaskState.RUNNING, TaskState.SUCCEEDED}),
    TaskState.RUNNING: frozenset({TaskState.SUCCEEDED}),
}


def may_move(old: TaskState, new: TaskState) -> bool:
    """The one state machine: forward only, each transition once; failed and cancelled from anywhere open."""
    if old.final:
        return False
    return new in _NEXT[old] or new in (TaskState.FAILED, TaskState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class PhaseStarted:
    phase: Phase


@dataclass(frozen=True, kw_only=True)
class PhaseFinished:
    """`seconds` by a monotonic clock; `cache` tells how a build phase got its layer."""

    phase: Phase
    seconds: float
    ok: bool = True
    cache: Cache | None = None


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line without its line end; control characters are as the program wrote them."""

    stream: Stream
    line: str
    position: int | None = field(default=None, compare=False)
    """Where it ends in the task's log file, in bytes; None before it is recorded, and where the file has no room."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something the person should know (a fallback, say); also written to the log as a `system` line."""

    message: str
    hint: str = ""
    position: int | None = field(default=None, compare=False)
    """Where its line ends in the task's log file; see `LogLine`."""

    @property
    def text(self) -> str:
        """Both as one line: what is recorded and shown, and what tells two notices apart."""
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Movement inside a phase that has no lines (a pull): `done` and `total` in bytes, 0 if unknown."""

    phase: Phase
    text: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, kw_only=True)
class AgentMessage:
    """What the agent's event stream said in words: `kind` is message, command, usage, error..."""

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class StateChanged:
    state: TaskState


@dataclass(frozen=True, kw_only=True)
class LayerDone:
    """One layer of the plan is there: found (`hit`) or `built` just now."""

    kind: str
    step: str
    tag: str
    result: Literal["hit", "built"]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The last event. `exit_code` is the agent's, or 1 where no agent ran; `error` the sentence shown."""

    task: str
    state: TaskState
    exit_code: int
    image: str
    error: str = ""
    hint: str = ""
    tail: tuple[str, ...] = ()
    """The failed script's last lines, oldest first."""


Event = (
    PhaseStarted | PhaseFinished | LogLine | Notice | Progress | AgentMessage | StateChanged | LayerDone | TaskResult
)
