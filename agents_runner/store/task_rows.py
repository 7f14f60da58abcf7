"""Tasks as rows of the database: reading them, nonsense left out, and writing what an event changed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import fields

from agents_runner.core.events import Event, Notice, Phase, PhaseFinished, PhaseStarted, TaskState
from agents_runner.core.task import PhaseRecord, Task, TaskKind

_PARTS = ("phases", "notices")
"""Fields of a task that have tables of their own."""
_COLUMNS = tuple(one.name for one in fields(Task) if one.name not in _PARTS)
SELECT = f"SELECT {', '.join(_COLUMNS)} FROM tasks"
EARLIER_FRESH_TEST = "Test preflight, without cached layers"
"""How programs before there were kinds recorded a test from the base image."""
_CHUNK = 500
"""Rows whose parts are fetched at once: SQLite limits the number of marks in a statement."""


def sql_value(value: object) -> object:
    """A value as the database takes it; half characters (of file names, say) become escapes."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return int(value) if isinstance(value, bool) else value


def state_of(value: object) -> TaskState | None:
    """The state that a row holds; None for what no writer of ours put there."""
    return next((state for state in TaskState if state.value == value), None)


def tasks_of(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """The rows as tasks, in their order, and the ids of those that hold nonsense."""
    phases: dict[str, list[PhaseRecord]] = {}
    notices: dict[str, list[str]] = {}
    for chunk in (rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK)):
        ids = [row["id"] for row in chunk]
        where = f"WHERE task IN ({','.join('?' * len(ids))}) ORDER BY position"
        for row in connection.execute(f"SELECT task, phase, seconds, ok, cache FROM phases {where}", ids):
            with contextlib.suppress(ValueError, TypeError):
                phases.setdefault(row["task"], []).append(_phase(row))
        for row in connection.execute(f"SELECT task, message FROM notices {where}", ids):
            notices.setdefault(row["task"], []).append(str(row["message"]))
    found: list[Task] = []
    bad: list[str] = []
    for row in rows:
        try:
            found.append(_task(row, tuple(phases.get(row["id"], ())), tuple(notices.get(row["id"], ()))))
        except (ValueError, TypeError):
            bad.append(str(row["id"]))
    return tuple(found), tuple(bad)


def insert_task(connection: sqlite3.Connection, task: Task) -> None:
    """Write a new task's row; the caller's transaction keeps or undoes it."""
    connection.execute(
        f"INSERT INTO tasks ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",
        [sql_value(getattr(task, name)) for name in _COLUMNS],
    )


def task_for(connection: sqlite3.Connection, task_id: str, event: Event) -> Task | None:
    """A task with as much of its record as the event can touch; None for one that is not there, or damaged.

    Of its notices only the one that says the same: a task with many of them is as quick as any other.
    """
    row = connection.execute(f"{SELECT} WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        return None
    phases: list[PhaseRecord] = []
    notices: tuple[str, ...] = ()
    if isinstance(event, PhaseStarted | PhaseFinished):
        look = "SELECT phase, seconds, ok, cache FROM phases WHERE task = ? ORDER BY position"
        for one in connection.execute(look, (task_id,)):
            with contextlib.suppress(ValueError, TypeError):
                phases.append(_phase(one))
    elif isinstance(event, Notice):
        look = "SELECT 1 FROM notices WHERE task = ? AND message = ? LIMIT 1"
        if connection.execute(look, (task_id, sql_value(event.text))).fetchone():
            notices = (event.text,)
    try:
        return _task(row, tuple(phases), notices)
    except (ValueError, TypeError):
        return None


def write_changes(connection: sqlite3.Connection, before: Task, after: Task) -> None:
    """Write what differs: columns, phases by their names, and new notices behind the others."""
    changed = [name for name in _COLUMNS if getattr(before, name) != getattr(after, name)]
    if changed:
        marks = ", ".join(f"{name} = ?" for name in changed)
        values = [sql_value(getattr(after, name)) for name in changed]
        connection.execute(f"UPDATE tasks SET {marks} WHERE id = ?", [*values, after.id])
    known = {one.phase for one in before.phases}
    for one in after.phases:
        values = [sql_value(one.seconds), sql_value(one.ok), one.cache, after.id, one.phase.value]
        if one.phase not in known:
            connection.execute(
                "INSERT INTO phases (seconds, ok, cache, task, phase, position) "
                "SELECT ?, ?, ?, ?, ?, COALESCE(MAX(position), 0) + 1 FROM phases WHERE task = ?",
                [*values, after.id],
            )
        elif one not in before.phases:
            connection.execute(
                "UPDATE phases SET seconds = ?, ok = ?, cache = ? WHERE task = ? AND phase = ?", values
            )
    for message in after.notices[len(before.notices) :]:
        connection.execute(
            "INSERT INTO notices (task, position, message) "
            "SELECT ?, COALESCE(MAX(position), 0) + 1, ? FROM notices WHERE task = ?",
            (after.id, sql_value(message), after.id),
        )


def _task(row: sqlite3.Row, phases: tuple[PhaseRecord, ...], notices: tuple[str, ...]) -> Task:
    """Raises ValueError, TypeError for what no writer of ours put there."""

    def text(name: str) -> str:
        value = row[name]
        if not isinstance(value, str):
            raise TypeError(name)
        return value

    def number(name: str) -> float | None:
        return None if row[name] is None else float(row[name])

    def whole(name: str) -> int | None:
        return None if row[name] is None else int(row[name])

    return Task(
        **{name: text(name) for name in ("id", "environment_id", "environment_name", "agent", "prompt")},
        **{name: text(name) for name in ("image", "error", "hint", "profile")},
        state=TaskState(row["state"]),
        kind=_kind(row),
        created=float(row["created"]),
        started=number("started"),
        finished=number("finished"),
        exit_code=whole("exit_code"),
        owner_pid=whole("owner_pid"),
        stop_requested=bool(row["stop_requested"]),
        phases=phases,
        notices=notices,
    )


def _kind(row: sqlite3.Row) -> TaskKind:
    """A test that an earlier program recorded, or wrote while this one was there already, is known by its agent."""
    kind = TaskKind(row["kind"])
    if kind is not TaskKind.TASK or row["agent"]:
        return kind
    return TaskKind.FRESH_TEST if row["prompt"] == EARLIER_FRESH_TEST else TaskKind.TEST


def _phase(row: sqlite3.Row) -> PhaseRecord:
    seconds, ok = row["seconds"], row["ok"]
    return PhaseRecord(
        phase=Phase(row["phase"]),
        seconds=None if seconds is None else float(seconds),
        ok=None if ok is None else bool(ok),
        cache=row["cache"],
    )
