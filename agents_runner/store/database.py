"""The task database: SQLite with numbered migrations, one connection a thread."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from agents_runner.core.errors import StoreError
from agents_runner.core.results import Problem
from agents_runner.store.files import back_up_by, locked, move_aside
from agents_runner.store.found_problems import FoundProblems
from agents_runner.store.os_errors import unwritable
from agents_runner.store.paths import Paths
from agents_runner.store.recover_database import readable_words, recover_database

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY, environment_id TEXT NOT NULL, environment_name TEXT NOT NULL, agent TEXT NOT NULL,
        prompt TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
        exit_code INTEGER, image TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '',
        hint TEXT NOT NULL DEFAULT '', owner_pid INTEGER, stop_requested INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX tasks_created ON tasks (created DESC);
    CREATE TABLE phases (
        task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE, position INTEGER NOT NULL, phase TEXT NOT NULL,
        seconds REAL, ok INTEGER, cache TEXT, PRIMARY KEY (task, position)
    );
    CREATE TABLE notices (
        task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE, position INTEGER NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (task, position)
    );
    CREATE TABLE image_uses (
        tag TEXT NOT NULL, environment_id TEXT NOT NULL, last_used REAL NOT NULL, hits INTEGER NOT NULL,
        PRIMARY KEY (tag, environment_id)
    );
    """,
    """
    ALTER TABLE image_uses ADD COLUMN seconds_saved REAL NOT NULL DEFAULT 0;
    CREATE TABLE plans (environment_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (environment_id, tag));
    CREATE TABLE build_failures (key TEXT PRIMARY KEY, reason TEXT NOT NULL, failed REAL NOT NULL);
    """,
    """
    CREATE TABLE image_builds (
        tag TEXT NOT NULL, environment_id TEXT NOT NULL, built REAL NOT NULL, seconds REAL NOT NULL,
        PRIMARY KEY (tag, environment_id)
    );
    CREATE TABLE refreshes (environment_id TEXT PRIMARY KEY, tried REAL NOT NULL);
    """,
    # What earlier programs recorded of tests is told by `task_rows`, as it is for rows that they still write.
    """
    ALTER TABLE tasks ADD COLUMN kind TEXT NOT NULL DEFAULT 'task';
    ALTER TABLE tasks ADD COLUMN profile TEXT NOT NULL DEFAULT '';
    """,
)
TABLES = ("tasks", "phases", "notices", "image_uses", "plans", "build_failures", "image_builds", "refreshes")
"""In the order in which rows can be put in: a task before its phases."""
_NO_VERSION = 10_000
"""No program will ever have this many migrations: such a number is damage."""
_BUSY_S = 10.0
_BESIDE = ("-wal", "-shm")
"""SQLite's own files beside a database; the first may hold data."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_RIGHTS = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_OUTSIDE = (
    *_BUSY,
    *_RIGHTS,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
)
log = logging.getLogger(__name__)


class _Foreign(sqlite3.DatabaseError):
    """A good database, but not ours."""


class Database:
    """Opens on first use. A file that is no database of ours, or a damaged one, is moved aside and named,
    never overwritten; what can be read of it is taken over. Safe from every thread."""

    def __init__(self, paths: Paths, found: FoundProblems | None = None) -> None:
        """`found` is told what was wrong with the file, for whoever tells the person."""
        self._paths = paths
        self._found = found or FoundProblems()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._looked = False
        self._problems: list[Problem] = []
        self.moved_aside: Path | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong with the file when it was opened."""
        return tuple(self._problems)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write, all of it or nothing; rolled back on any error. Raises StoreError."""
        with self._faults():
            connection = self._connection()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several looks at one moment of the data. Raises StoreError."""
        with self._faults():
            connection = self._connection()
            with connection:
                connection.execute("BEGIN")
                yield connection

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with readable_words():
                yield
        except sqlite3.Error as error:
            if _code(error) in _DAMAGE:
                # What a quick look does not see, a damaged index for one: the next start looks at everything.
                with contextlib.suppress(OSError):
                    self._suspect.touch(0o600)
            raise _fault(self._paths.database, error) from error

    @property
    def _suspect(self) -> Path:
        """Is there where the file turned out to be damaged while it was used."""
        return self._paths.data / "database.suspect"

    def close(self) -> None:
        """Close every thread's connection; the next use opens anew."""
        with self._lock:
            connections, self._all = self._all, []
            self._local = threading.local()
        for _, connection in connections:
            connection.close()

    # -- opening -----------------------------------------------------------------------------------

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._lock:
                self._close_of_ended_threads()
                connection = self._open()
                self._all.append((threading.current_thread(), connection))
                self._local.connection = connection
        return connection

    def _close_of_ended_threads(self) -> None:
        for entry in [entry for entry in self._all if not entry[0].is_alive()]:
            self._all.remove(entry)
            entry[1].close()

    def _open(self) -> sqlite3.Connection:
        """The first time in a process under a lock: making, migrating and judging the file is one process's work."""
        if self._looked and self._paths.database.exists():
            return _connect(self._paths.database)
        try:
            self._paths.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unwritable(self._paths.data, error) from error
        with locked(self._paths.data / "database.lock", "task database"):
            try:
                with readable_words():
                    connection = self._migrated(check=True)
            except sqlite3.DatabaseError as error:
                if not self._is_to_blame(error):
                    raise
                connection = self._anew(error)
            self._suspect.unlink(missing_ok=True)
        self._looked = True
        return connection

    def _is_to_blame(self, error: sqlite3.Error) -> bool:
        """True if the file itself is wrong, and not what is around it: another process, the disk, rights."""
        code = _code(error)
        if code == sqlite3.SQLITE_READONLY:  # a damaged header can say so as well
            return os.access(self._paths.database, os.W_OK) and os.access(self._paths.data, os.W_OK)
        return code not in _OUTSIDE and self._paths.database.is_file()

    def _migrated(self, *, check: bool) -> sqlite3.Connection:
        _create_private(self._paths.database)
        connection = _connect(self._paths.database)
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            if check:
                _check(connection, thorough=self._suspect.exists())
            self._migrate(connection)
            if check:
                _check_tables(connection)
            # Writers never wait for readers; switching needs the file for itself, so it is done under the lock.
            connection.execute("PRAGMA journal_mode=WAL")
            undo.pop_all()
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise StoreError(
                "The task database was written by a newer version of Agents Runner.", "Install the newer version."
            )
        if version == len(MIGRATIONS):
            return
        if version:
            self._back_up(connection, version)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            _run(connection, version)
            connection.execute("COMMIT")
        except sqlite3.Error as error:  # all of it is undone; the file is good, and stays where it is
            raise StoreError(
                f"The task database could not be brought up to date: {error}.",
                "It is as it was; start Agents Runner again.",
            ) from error

    def _back_up(self, connection: sqlite3.Connection, version: int) -> None:
        """Before a migration: the whole database as it stands."""

        def write(temp: Path) -> None:
            with contextlib.closing(sqlite3.connect(temp)) as copy:
                connection.backup(copy)

        kept = back_up_by(self._paths.database, self._paths.backups, write)
        log.info("the task database was of form %s and is brought up to date; %s is as it was", version, kept)

    def _anew(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Move the file aside, with what SQLite keeps beside it, and take over what can still be read."""
        path = self._paths.database
        aside = move_aside(path, self._paths.damaged_data)
        for suffix in _BESIDE:
            with contextlib.suppress(OSError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
        connection = self._migrated(check=False)
        rows = 0 if isinstance(error, _Foreign) else recover_database(aside, connection, TABLES)
        self.moved_aside = aside
        taken = f"{rows} of its tasks could be read and are here." if rows else "Nothing of it could be read."
        message = f"The task database could not be used ({error}) and was moved to {aside}. {taken}"
        problem = Problem(path=str(aside), message=message, hint="The tasks' logs are still in place.")
        self._problems.append(problem)
        self._found.add((problem,))
        return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    # One damaged text must not hide all other rows.
    connection.text_factory = _text
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _create_private(path: Path) -> None:
    """SQLite would give it whatever rights the process's mask leaves."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise unwritable(path, error) from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _run(connection: sqlite3.Connection, version: int) -> None:
    """The migrations from a version on."""
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in script.split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={number}")


def _check(connection: sqlite3.Connection, *, thorough: bool) -> None:
    """Raise for a file whose structure is broken, that cannot be written, or that another program made.

    `thorough` compares the indexes with their tables as well, which takes longer.
    """
    look = "integrity_check" if thorough else "quick_check"
    found = str(connection.execute(f"PRAGMA {look}(1)").fetchone()[0])
    if found != "ok":
        raise sqlite3.DatabaseError(found.replace("\n", " "))
    version = _version(connection)
    if version > _NO_VERSION:
        raise sqlite3.DatabaseError(f"its version is {version}")
    if version > len(MIGRATIONS):
        return  # a newer program's: its tables are its own business
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = {str(row[0]) for row in rows if not str(row[0]).startswith("sqlite_")}
    if version < 0 or (version == 0 and names) or (version > 0 and not names >= {"tasks", "phases", "notices"}):
        raise _Foreign("it is another program's")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version={version}")  # the first statement that a read-only file refuses
    finally:
        connection.execute("ROLLBACK")


def _check_tables(connection: sqlite3.Connection) -> None:
    """Raise unless the tables are as the migrations make them: a damaged name breaks every later statement."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as good:
        _run(good, 0)
        for table in TABLES:
            for look in ("table_info", "foreign_key_list"):
                found, wanted = (
                    [tuple(row) for row in one.execute(f"PRAGMA {look}({table})")] for one in (connection, good)
                )
                if found != wanted:
                    raise sqlite3.DatabaseError(f"its table {table} is not as it was made")


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; that of a general error where the error is Python's own."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _fault(path: Path, error: sqlite3.Error) -> StoreError:
    code = _code(error)
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"{path} cannot be written: No space left on device.", "Free some space there.")
    if code in _RIGHTS:
        return StoreError(f"{path} cannot be opened for writing: {error}.", "Give yourself the right to write there.")
    if code in _BUSY:
        return StoreError("Another process holds the task database for too long.", "Try again.")
    if code in _DAMAGE:
        return StoreError(
            f"{path} is damaged: {error}.", "Start Agents Runner again: it sets the file aside and saves what it can."
        )
    return StoreError(f"The task database cannot be used: {error}.", "Check the free space and rights.")
