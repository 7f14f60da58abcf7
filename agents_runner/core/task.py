"""A task: one prompt for one agent in one environment, as the database holds it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from agents_runner.core.events import Cache, Phase, TaskState


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
