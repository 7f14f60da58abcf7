"""Tasks as recorded: one row each, their prompts, plans and logs as files of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.events import Event, Phase, PhaseStarted, TaskResult, TaskState
from agents_runner.core.results import Problem
from agents_runner.core.task import Task, applied
from agents_runner.store.database import Database
from agents_runner.store.files import DISK, TEMP_PREFIX, write_atomic, write_new
from agents_runner.store.image_uses import ImageUses
from agents_runner.store.logfile import LogPart, LogWriter, drop_torn_line, log_end, read_log, read_log_from
from agents_runner.store.os_errors import unwritable
from agents_runner.store.paths import Paths
from agents_runner.store.reserved import RESERVED, read_reserved, write_reserved
from agents_runner.store.task_rows import SELECT, insert_task, sql_value, state_of, task_for, tasks_of, write_changes

LAST_WORDS = "result"
"""File of a task: room that is kept for its result, should the disk be full by then."""
CONTAINER_FROM = "container-from"
"""File of a task: where in its log the container's lines begin, in bytes."""


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
                insert_task(connection, task)
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
            rows = connection.execute(f"{SELECT} WHERE state NOT IN ({marks}) ORDER BY created", final).fetchall()
            return tasks_of(connection, rows)[0]

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
        if log_end(folder / "log") < position:
            return counts  # the log was removed, or lost in a power cut: what is there is no line of the container
        while True:
            lines, following = self.log_from(task_id, position)
            for stream, _ in lines:
                counts[stream] = counts.get(stream, 0) + 1
            if following == position:
                return counts
            position = following

    def record(self, task_id: str) -> TaskRecord:
        return TaskRecord(self, task_id)

    def apply(self, task_id: str, event: Event, at: float) -> bool:
        """Write what an event of `at` (seconds since the epoch) changes of a task, in one piece.

        False, with nothing written, where it changes nothing, and of a task that is not there or damaged.
        """
        with self.database.transaction() as connection:
            before = task_for(connection, task_id, event)
            after = before and applied(before, event, at)
            if before is None or after is None or after is before:
                return False
            write_changes(connection, before, after)
        return True

    def keep_result(self, result: TaskResult) -> bool:
        """Write a result into the room that was kept for it, where the disk takes nothing else; False if it cannot.

        Whoever settles the task later finds it by `kept_result`.
        """
        return write_reserved(self._folder(result.task) / LAST_WORDS, result)

    def kept_result(self, task_id: str) -> TaskResult | None:
        """How a task ended that the database still has at work; None if nobody knows."""
        return read_reserved(self._folder(task_id) / LAST_WORDS, task_id)

    def requeue(self, task_id: str) -> None:
        """Queue a task anew that nobody works on and that has had no container, as if it had just been asked for."""
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
            state = state_of(row[0])
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
                f"{SELECT} WHERE id = ? OR substr(id, 1, ?) = ? ORDER BY id != ? LIMIT 2",
                [sql_value(one) for one in (task_id, len(task_id), task_id, task_id)],
            ).fetchall()
            exact = [row for row in rows if row["id"] == task_id]
            rows = exact or rows
            if not task_id or not rows:
                raise _no_task(task_id)
            if len(rows) > 1:
                raise NotFound(f"Several tasks start with {task_id!r}.", "Write more of its id.")
            found, _ = tasks_of(connection, rows)
        if not found:
            raise StoreError(f"The record of task {task_id} is damaged.", f"Its log is in {self.paths.tasks}.")
        return found[0]

    def log(self, task_id: str) -> tuple[tuple[str, str], ...]:
        """All (stream, line) pairs."""
        return read_log(self._folder(task_id) / "log")

    def log_from(self, task_id: str, position: int = 0) -> LogPart:
        """The lines behind a byte position, and the next one: to follow a long log without reading it again."""
        return read_log_from(self._folder(task_id) / "log", position)

    def prompt(self, task_id: str) -> str:
        return self._text(task_id, "prompt")

    def log_bytes(self, task_id: str) -> int:
        """The length of a task's log in bytes, what waits to be written included."""
        return log_end(self._folder(task_id) / "log")

    def config(self, task_id: str) -> str:
        """Its plan, a `DockerRunnerConfig` as JSON."""
        return self._text(task_id, "config.json")

    # -- helpers -----------------------------------------------------------------------------------

    def _set(self, task_id: str, column: str, value: object) -> None:
        with self.database.transaction() as connection:
            connection.execute(f"UPDATE tasks SET {column} = ? WHERE id = ?", (sql_value(value), task_id))

    def _newest(self, limit: int) -> tuple[tuple[Task, ...], tuple[str, ...]]:
        with self.database.reading() as connection:
            rows = connection.execute(f"{SELECT} ORDER BY created DESC, rowid DESC LIMIT ?", (limit,)).fetchall()
            return tasks_of(connection, rows)

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


class TaskRecord:
    """What the runner writes of one task while it runs."""

    def __init__(self, store: TaskStore, task_id: str) -> None:
        self._store = store
        self._task = task_id
        self._log = LogWriter(store.paths.tasks / task_id / "log")
        self._container_from: int | None = None
        """Where the container's lines begin in the log; the same however often the write is tried."""

    def apply(self, event: Event, at: float) -> bool:
        """See `recording.Record`."""
        match event:
            case PhaseStarted(phase=Phase.START):
                self._mark_container()
            case TaskResult():
                # The log first: who sees the final state finds all its lines.
                self._log.flush()
        done = self._store.apply(self._task, event, at)
        if isinstance(event, TaskResult):
            self._store.forget(self._task, LAST_WORDS)
        return done

    def _mark_container(self) -> None:
        """What comes from now on is the container's: who resumes the task knows what is there of it."""
        self._log.flush()
        if self._container_from is None:
            self._container_from = self._log.end
        folder = self._store.paths.tasks / self._task
        write_atomic(folder / CONTAINER_FROM, str(self._container_from).encode("ascii"))

    def line(self, stream: str, text: str) -> int | None:
        return self._log.write(stream, text)

    def cannot_end(self, result: TaskResult) -> None:
        self._store.keep_result(result)

    def flush(self) -> bool:
        return self._log.flush()

    def close(self) -> None:
        self._log.close()
