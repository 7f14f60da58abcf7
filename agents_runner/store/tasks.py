"""Tasks as recorded: one row each, their prompts, plans and logs as files of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.events import Cache, Phase, TaskResult, TaskState, may_move
from agents_runner.core.results import Problem
from agents_runner.core.task import PhaseRecord, Task
from agents_runner.store.database import Database
from agents_runner.store.files import DISK, TEMP_PREFIX, write_atomic, write_new
from agents_runner.store.image_uses import ImageUses
from agents_runner.store.logfile import LogPart, LogWriter, drop_torn_line, log_end, read_log, read_log_from
from agents_runner.store.os_errors import unwritable
from agents_runner.store.paths import Paths
from agents_runner.store.reserved import RESERVED, read_reserved, write_reserved

_PARTS = ("phases", "notices")
"""Fields of a task that have tables of their own."""
_COLUMNS = tuple(one.name for one in fields(Task) if one.name not in _PARTS)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM tasks"
LAST_WORDS = "result"
"""File of a task: room that is kept for its result, should the disk be full by then."""
CONTAINER_FROM = "container-from"
"""File of a task: where in its log the container's lines begin, in bytes."""
_CHUNK = 500
"""Rows whose parts are fetched at once: SQLite limits the number of marks in a statement."""


@dataclass(frozen=True, kw_only=True)
class TaskStore:
    """See `runner.services.TasksPort`; also what the runner writes. Every call raises StoreError where it cannot."""

    paths: Paths
    database: Database

    @property
    def images(self) -> ImageUses:
        return ImageUses(database=self.database)

    # -- writing -----------------------------------------------------------------------------------

    def create(self, task: Task, *, prompt: str, config_json: str) -> None:
        """Record a task with its prompt, byte for byte, and its plan: both files are there before the row is."""
        folder = self._folder(task.id)
        try:
            texts = {
                "prompt": prompt.encode("utf-8"),
                "config.json": config_json.encode("utf-8"),
                LAST_WORDS: RESERVED,
            }
        except UnicodeEncodeError as error:
            raise InvalidInput(
                "The prompt holds a character that is not valid Unicode.", "Type it again.", field="prompt"
            ) from error
        self._make_folder(folder, texts)
        try:
            with self.database.transaction() as connection:
                connection.execute(
                    f"INSERT INTO tasks ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",
                    [_sql(getattr(task, name)) for name in _COLUMNS],
                )
        except StoreError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def own(self, task_id: str, pid: int) -> None:
        """Note the process that works on it."""
        self._set(task_id, "owner_pid", pid)

    def request_stop(self, task_id: str) -> None:
        """Ask whichever process works on it to stop."""
        self._set(task_id, "stop_requested", True)

    def stop_requested(self, task_id: str) -> bool:
        with self.database.reading() as connection:
            row = connection.execute("SELECT stop_requested FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return bool(row and row[0])

    def claim(self, task_id: str, old: int | None, new: int) -> bool:
        """Become the process that works on it, if `old` still is; False if somebody else was quicker."""
        with self.database.transaction() as connection:
            done = connection.execute(
                "UPDATE tasks SET owner_pid = ? WHERE id = ? AND owner_pid IS ?", (new, task_id, old)
            )
        return done.rowcount == 1

    def unfinished(self) -> tuple[Task, ...]:
        """Every task that has not ended, oldest first."""
        final = [state.value for state in TaskState if state.final]
        marks = ",".join("?" * len(final))
        with self.database.reading() as connection:
            rows = connection.execute(f"{_SELECT} WHERE state NOT IN ({marks}) ORDER BY created", final).fetchall()
            return _tasks(connection, rows)[0]

    def container_lines(self, task_id: str) -> Mapping[str, int] | None:
        """How many lines of its container are in the log, by stream; None if no container was begun.

        Takes away a half line at the log's end: for a task that nobody writes any more.
        """
        folder = self._folder(task_id)
        try:
            position = int((folder / CONTAINER_FROM).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        drop_torn_line(folder / "log")
        counts = {"stdout": 0, "stderr": 0}
        while True:
            lines, following = self.log_from(task_id, position)
            for stream, _ in lines:
                counts[stream] = counts.get(stream, 0) + 1
            if following == position:
                return counts
            position = following

    def record(self, task_id: str) -> TaskRecord:
        return TaskRecord(self, task_id)

    def move(self, task_id: str, state: TaskState, at: float) -> bool:
        """One transition; False, with nothing written, where the state machine forbids it."""
        with self.database.transaction() as connection:
            if not _may(connection, task_id, state):
                return False
            connection.execute(
                "UPDATE tasks SET state = ?, started = COALESCE(started, ?), finished = ? WHERE id = ?",
                (state.value, at if state is TaskState.PREPARING else None, at if state.final else None, task_id),
            )
        return True

    def end(self, result: TaskResult, at: float) -> bool:
        """The final state with everything that belongs to it, in one piece; False if it had ended before."""
        with self.database.transaction() as connection:
            if not _may(connection, result.task, result.state):
                return False
            connection.execute(
                "UPDATE tasks SET state = ?, finished = ?, exit_code = ?, image = COALESCE(NULLIF(?, ''), image), "
                "error = ?, hint = ? WHERE id = ?",
                [_sql(one) for one in (result.state, at, result.exit_code, result.image, result.error, result.hint)]
                + [result.task],
            )
        return True

    def keep_result(self, result: TaskResult) -> bool:
        """Write a result into the room that was kept for it, where the disk takes nothing else; False if it cannot.

        Whoever settles the task later finds it by `kept_result`.
        """
        return write_reserved(self._folder(result.task) / LAST_WORDS, result)

    def kept_result(self, task_id: str) -> TaskResult | None:
        """How a task ended that the database still has at work; None if nobody knows."""
        return read_reserved(self._folder(task_id) / LAST_WORDS, task_id)

    def begin_anew(self, task_id: str) -> None:
        """As if it had just been asked for: of one that nobody works on and that has not had a container."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET state = ?, started = NULL, image = '' WHERE id = ?",
                (TaskState.QUEUED.value, task_id),
            )
            for table in ("phases", "notices"):
                connection.execute(f"DELETE FROM {table} WHERE task = ?", (task_id,))
        for name in ("log", CONTAINER_FROM):
            self.forget(task_id, name)

    def delete(self, task_id: str) -> None:
        """Forget a task that has ended: its row and its log, prompt and plan; never its workspace.

        Raises NotFound, InvalidInput for one that has not ended.
        """
        folder = self._folder(task_id)
        with self.database.transaction() as connection:
            row = connection.execute("SELECT state FROM tasks WHERE id = ?", (task_id,)).fetchone()
            if row is None:
                raise _no_task(task_id)
            state = _state(row[0])
            if state is not None and not state.final:
                raise InvalidInput(f"Task {task_id} has not ended.", "Stop it first.")
            connection.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
        shutil.rmtree(folder, ignore_errors=True)

    # -- what is kept beside the record --------------------------------------------------------------

    def keep(self, task_id: str, name: str, data: bytes) -> None:
        """Write a private file into the task's folder. Raises StoreError."""
        write_atomic(self._folder(task_id) / name, data)

    def kept(self, task_id: str, name: str) -> bytes | None:
        try:
            return (self._folder(task_id) / name).read_bytes()
        except OSError:
            return None

    def forget(self, task_id: str, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder(task_id) / name).unlink()

    # -- reading -----------------------------------------------------------------------------------

    def list(self, limit: int = 500) -> tuple[Task, ...]:
        """Newest first. Rows that hold nonsense are left out; `problems` names them."""
        return self._newest(limit)[0]

    def problems(self, limit: int = 500) -> tuple[Problem, ...]:
        """What was wrong with the database when it was opened, and which of the newest tasks cannot be shown."""
        bad = self._newest(limit)[1]
        path = str(self.paths.database)
        return self.database.problems + tuple(
            Problem(
                path=path,
                message=f"The record of task {task_id} is damaged and not shown.",
                hint=f"Its log and prompt are in {self.paths.tasks}.",
            )
            for task_id in bad
        )

    def get(self, task_id: str) -> Task:
        with self.database.reading() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE id = ? OR substr(id, 1, ?) = ? ORDER BY id != ? LIMIT 2",
                [_sql(one) for one in (task_id, len(task_id), task_id, task_id)],
            ).fetchall()
            exact = [row for row in rows if row["id"] == task_id]
            rows = exact or rows
            if not task_id or not rows:
                raise _no_task(task_id)
            if len(rows) > 1:
                raise NotFound(f"Several tasks start with {task_id!r}.", "Write more of its id.")
            found, _ = _tasks(connection, rows)
        if not found:
            raise StoreError(f"The record of task {task_id} is damaged.", f"Its log is in {self.paths.tasks}.")
        return found[0]

    def log(self, task_id: str, offset: int = 0) -> tuple[tuple[str, str], ...]:
        """(stream, line) pairs from line `offset` on."""
        return read_log(self._folder(task_id) / "log", offset)

    def log_from(self, task_id: str, position: int = 0) -> LogPart:
        """The lines behind a byte position, and the next one: to follow a long log without reading it again."""
        return read_log_from(self._folder(task_id) / "log", position)

    def prompt(self, task_id: str) -> str:
        return self._text(task_id, "prompt")

    def log_bytes(self, task_id: str) -> int:
        """The log's length."""
        return log_end(self._folder(task_id) / "log")

    def config(self, task_id: str) -> str:
        """Its plan, a `DockerRunnerConfig` as JSON."""
        return self._text(task_id, "config.json")

    # -- helpers -----------------------------------------------------------------------------------

    def _set(self, task_id: str, column: str, value: object) -> None:
        with self.database.transaction() as connection:
            connection.execute(f"UPDATE tasks SET {column} = ? WHERE id = ?", (_sql(value), task_id))

    def _newest(self, limit: int) -> tuple[tuple[Task, ...], tuple[str, ...]]:
        with self.database.reading() as connection:
            rows = connection.execute(f"{_SELECT} ORDER BY created DESC, rowid DESC LIMIT ?", (limit,)).fetchall()
            return _tasks(connection, rows)

    def _folder(self, task_id: str) -> Path:
        if task_id in ("", ".", "..") or "/" in task_id or "\0" in task_id or task_id.startswith(TEMP_PREFIX):
            raise _no_task(task_id)
        return self.paths.tasks / task_id

    def _make_folder(self, folder: Path, texts: Mapping[str, bytes]) -> None:
        """Whole or not at all: filled under another name, then renamed."""
        temp = folder.with_name(f"{TEMP_PREFIX}{os.getpid()}-{folder.name}")
        try:
            if folder.exists():
                raise StoreError(f"There is a task {folder.name} already.", "Try again.")
            temp.mkdir(parents=True, mode=0o700)
            for name, data in texts.items():
                write_new(temp / name, data)
            DISK.sync_folder(temp)
            temp.rename(folder)
            DISK.sync_folder(folder.parent)
        except OSError as error:
            raise unwritable(folder, error) from error
        finally:
            shutil.rmtree(temp, ignore_errors=True)

    def _text(self, task_id: str, name: str) -> str:
        try:
            # Bytes, not text: a text file's line ends would be rewritten.
            return (self._folder(task_id) / name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                f"The {name} of task {task_id} cannot be read.", "The task cannot be run again."
            ) from error


def _no_task(task_id: str) -> NotFound:
    return NotFound(f"There is no task {task_id!r}.", "`agents-runner tasks list` shows all.")


def _sql(value: object) -> object:
    """A value as the database takes it; half characters (of file names, say) become escapes."""
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return int(value) if isinstance(value, bool) else value


def _may(connection: sqlite3.Connection, task_id: str, state: TaskState) -> bool:
    row = connection.execute("SELECT state FROM tasks WHERE id = ?", (task_id,)).fetchone()
    old = _state(row[0]) if row is not None else None
    return old is not None and may_move(old, state)


def _state(value: object) -> TaskState | None:
    """None for what no writer of ours put there."""
    return next((state for state in TaskState if state.value == value), None)


def _tasks(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> tuple[tuple[Task, ...], tuple[str, ...]]:
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
        **{name: text(name) for name in ("image", "error", "hint")},
        state=TaskState(row["state"]),
        created=float(row["created"]),
        started=number("started"),
        finished=number("finished"),
        exit_code=whole("exit_code"),
        owner_pid=whole("owner_pid"),
        stop_requested=bool(row["stop_requested"]),
        phases=phases,
        notices=notices,
    )


def _phase(row: sqlite3.Row) -> PhaseRecord:
    seconds, ok = row["seconds"], row["ok"]
    return PhaseRecord(
        phase=Phase(row["phase"]),
        seconds=None if seconds is None else float(seconds),
        ok=None if ok is None else bool(ok),
        cache=row["cache"],
    )


class TaskRecord:
    """What the runner writes of one task while it runs."""

    def __init__(self, store: TaskStore, task_id: str) -> None:
        self._store = store
        self._task = task_id
        self._log = LogWriter(store.paths.tasks / task_id / "log")
        self._container_from: int | None = None
        """Where the container's lines begin in the log; the same however often the write is tried."""

    def moved(self, state: TaskState, at: float) -> bool:
        return self._store.move(self._task, state, at)

    def phase_started(self, phase: Phase) -> None:
        if phase is Phase.START:
            # What comes from now on is the container's: who takes the task up knows what is there of it.
            self._log.flush()
            if self._container_from is None:
                self._container_from = self._log.end
            folder = self._store.paths.tasks / self._task
            write_atomic(folder / CONTAINER_FROM, str(self._container_from).encode("ascii"))
        with self._store.database.transaction() as connection:
            connection.execute(
                "INSERT INTO phases (task, position, phase) "
                "SELECT ?, COALESCE(MAX(position), 0) + 1, ? FROM phases WHERE task = ?",
                (self._task, phase.value, self._task),
            )

    def phase_finished(self, phase: Phase, *, seconds: float, ok: bool, cache: Cache | None) -> None:
        with self._store.database.transaction() as connection:
            connection.execute(
                "UPDATE phases SET seconds = ?, ok = ?, cache = ? WHERE task = ? AND phase = ? AND seconds IS NULL",
                (seconds, int(ok), cache, self._task, phase.value),
            )

    def noticed(self, message: str) -> None:
        with self._store.database.transaction() as connection:
            connection.execute(
                "INSERT INTO notices (task, position, message) "
                "SELECT ?, COALESCE(MAX(position), 0) + 1, ? FROM notices WHERE task = ?",
                (self._task, _sql(message), self._task),
            )

    def line(self, stream: str, text: str) -> None:
        self._log.write(stream, text)

    def ended(self, result: TaskResult, at: float) -> None:
        """The log first: who sees the final state finds all its lines."""
        self._log.flush()
        self._store.end(result, at)
        self._store.forget(self._task, LAST_WORDS)

    def cannot_end(self, result: TaskResult) -> None:
        self._store.keep_result(result)

    def flush(self) -> bool:
        return self._log.flush()

    def close(self) -> None:
        self._log.close()
