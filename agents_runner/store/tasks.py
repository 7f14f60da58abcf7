"""Tasks as recorded: one row each, their prompts, plans and logs as files of their own."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agents_runner.core.errors import NotFound, StoreError
from agents_runner.core.events import Cache, Phase, TaskResult, TaskState, may_move
from agents_runner.core.task import PhaseRecord, Task
from agents_runner.store.database import Database
from agents_runner.store.files import write_atomic
from agents_runner.store.logfile import LogWriter, read_log
from agents_runner.store.paths import Paths

_COLUMNS = (
    "id, environment_id, environment_name, agent, prompt, state, created, started, finished, exit_code, image, "
    "error, hint, owner_pid, stop_requested"
)


@dataclass(frozen=True, kw_only=True)
class TaskStore:
    """See `runner.services.TasksPort`; also what the runner writes."""

    paths: Paths
    database: Database

    # -- writing -----------------------------------------------------------------------------------

    def create(self, task: Task, *, prompt: str, config_json: str) -> None:
        folder = self.paths.tasks / task.id
        # Surrogates cannot come this far (the prompt was checked); bytes are written as they will be sent.
        write_atomic(folder / "prompt", prompt.encode("utf-8"))
        write_atomic(folder / "config.json", config_json.encode("utf-8"))
        with self.database.transaction() as connection:
            connection.execute(
                f"INSERT INTO tasks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    task.id,
                    task.environment_id,
                    task.environment_name,
                    task.agent,
                    task.prompt,
                    task.state.value,
                    task.created,
                    task.started,
                    task.finished,
                    task.exit_code,
                    task.image,
                    task.error,
                    task.hint,
                    task.owner_pid,
                    int(task.stop_requested),
                ),
            )

    def own(self, task_id: str, pid: int) -> None:
        with self.database.transaction() as connection:
            connection.execute("UPDATE tasks SET owner_pid = ? WHERE id = ?", (pid, task_id))

    def request_stop(self, task_id: str) -> None:
        with self.database.transaction() as connection:
            connection.execute("UPDATE tasks SET stop_requested = 1 WHERE id = ?", (task_id,))

    def stop_requested(self, task_id: str) -> bool:
        with self.database.reading() as connection:
            row = connection.execute("SELECT stop_requested FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return bool(row and row[0])

    def record(self, task_id: str) -> TaskRecord:
        return TaskRecord(self, task_id)

    def move(self, task_id: str, state: TaskState, at: float) -> bool:
        """One transition; False, with nothing written, where the state machine forbids it."""
        with self.database.transaction() as connection:
            if not _may(connection, task_id, state):
                return False
            started = at if state is TaskState.PREPARING else None
            connection.execute(
                "UPDATE tasks SET state = ?, started = COALESCE(started, ?) WHERE id = ?",
                (state.value, started, task_id),
            )
        return True

    def end(self, result: TaskResult, at: float) -> bool:
        """The final state with everything that belongs to it, in one piece; False if it had ended before."""
        with self.database.transaction() as connection:
            if not _may(connection, result.task, result.state):
                return False
            connection.execute(
                "UPDATE tasks SET state = ?, finished = ?, exit_code = ?, image = ?, error = ?, hint = ? "
                "WHERE id = ?",
                (result.state.value, at, result.exit_code, result.image, result.error, result.hint, result.task),
            )
        return True

    # -- reading -----------------------------------------------------------------------------------

    def list(self, limit: int = 500) -> tuple[Task, ...]:
        with self.database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM tasks ORDER BY created DESC, rowid DESC LIMIT ?", (limit,)
            ).fetchall()
            return _tasks(connection, rows)

    def get(self, task_id: str) -> Task:
        with self.database.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM tasks WHERE id = ? OR substr(id, 1, ?) = ? LIMIT 3",
                (task_id, len(task_id), task_id),
            ).fetchall()
            exact = [row for row in rows if row["id"] == task_id]
            rows = exact or rows
            if len(rows) != 1 or not task_id:
                hint = "`agents-runner tasks list` shows all."
                raise NotFound(
                    f"{'Several tasks start with' if len(rows) > 1 else 'There is no task'} {task_id!r}.", hint
                )
            return _tasks(connection, rows)[0]

    def log(self, task_id: str, offset: int = 0) -> tuple[tuple[str, str], ...]:
        return read_log(self.paths.tasks / task_id / "log", offset)

    def prompt(self, task_id: str) -> str:
        return self._text(task_id, "prompt")

    def config(self, task_id: str) -> str:
        return self._text(task_id, "config.json")

    def _text(self, task_id: str, name: str) -> str:
        try:
            # Bytes, not text: a text file's line ends would be rewritten.
            return (self.paths.tasks / task_id / name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                f"The {name} of task {task_id} cannot be read.", "The task cannot be run again."
            ) from error

    # -- images ------------------------------------------------------------------------------------

    def image_used(self, tag: str, environment_id: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO image_uses VALUES (?, ?, ?, 1) ON CONFLICT (tag, environment_id) "
                "DO UPDATE SET last_used = excluded.last_used, hits = hits + 1",
                (tag, environment_id, time.time()),
            )

    def last_used(self) -> Mapping[str, float]:
        with self.database.reading() as connection:
            rows = connection.execute("SELECT tag, MAX(last_used) FROM image_uses GROUP BY tag").fetchall()
        return {str(row[0]): float(row[1]) for row in rows}


def _may(connection: sqlite3.Connection, task_id: str, state: TaskState) -> bool:
    row = connection.execute("SELECT state FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return row is not None and may_move(TaskState(row[0]), state)


def _tasks(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> tuple[Task, ...]:
    rows = list(rows)
    phases: dict[str, list[PhaseRecord]] = {}
    notices: dict[str, list[str]] = {}
    for chunk in (rows[at : at + 500] for at in range(0, len(rows), 500)):
        marks = ",".join("?" * len(chunk))
        ids = [row["id"] for row in chunk]
        for row in connection.execute(f"SELECT * FROM phases WHERE task IN ({marks}) ORDER BY position", ids):
            record = PhaseRecord(
                phase=Phase(row["phase"]),
                seconds=row["seconds"],
                ok=None if row["ok"] is None else bool(row["ok"]),
                cache=row["cache"],
            )
            phases.setdefault(row["task"], []).append(record)
        for row in connection.execute(f"SELECT * FROM notices WHERE task IN ({marks}) ORDER BY position", ids):
            notices.setdefault(row["task"], []).append(row["message"])
    return tuple(
        Task(
            **{key: row[key] for key in row.keys() if key not in ("state", "stop_requested")},  # noqa: SIM118
            state=TaskState(row["state"]),
            stop_requested=bool(row["stop_requested"]),
            phases=tuple(phases.get(row["id"], ())),
            notices=tuple(notices.get(row["id"], ())),
        )
        for row in rows
    )


class TaskRecord:
    """What the runner writes of one task while it runs."""

    def __init__(self, store: TaskStore, task_id: str) -> None:
        self._store = store
        self._task = task_id
        self._log = LogWriter(store.paths.tasks / task_id / "log")

    def moved(self, state: TaskState, at: float) -> bool:
        return self._store.move(self._task, state, at)

    def phase_started(self, phase: Phase) -> None:
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
                "INSERT INTO notices SELECT ?, COALESCE(MAX(position), 0) + 1, ? FROM notices WHERE task = ?",
                (self._task, message, self._task),
            )

    def line(self, stream: str, text: str) -> None:
        self._log.write(stream, text)

    def ended(self, result: TaskResult, at: float) -> None:
        self._log.flush()
        self._store.end(result, at)

    def close(self) -> None:
        self._log.close()
