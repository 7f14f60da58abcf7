"""The task database: SQLite with numbered migrations, one connection a thread."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from agents_runner.core.errors import StoreError
from agents_runner.store.files import move_aside
from agents_runner.store.paths import Paths

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
)


class Database:
    """Opens on first use; a file that is no database is moved aside and named, never overwritten."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[sqlite3.Connection] = []
        self.moved_aside: Path | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write or a consistent read; rolled back on any error. Raises StoreError."""
        try:
            connection = self._connection()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.Error as error:
            raise StoreError(
                f"The task database cannot be used: {error}.", "Check the free space and rights."
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection()
        except sqlite3.Error as error:
            raise StoreError(f"The task database cannot be read: {error}.", "Check the file's rights.") from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with self._lock:
                connection = self._open()
                self._all.append(connection)
            self._local.connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        try:
            return self._migrated()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or not self._paths.database.exists():
                raise
            for suffix in ("-wal", "-shm"):
                self._paths.database.with_name(self._paths.database.name + suffix).unlink(missing_ok=True)
            self.moved_aside = move_aside(self._paths.database, self._paths.damaged)
            return self._migrated()

    def _migrated(self) -> sqlite3.Connection:
        self._paths.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(self._paths.database, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise StoreError(
                "The task database was written by a newer version of Agents Runner.", "Install the newer version."
            )
        if version == len(MIGRATIONS):
            return
        connection.execute("BEGIN EXCLUSIVE")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            connections, self._all = self._all, []
        for connection in connections:
            connection.close()
        self._local = threading.local()
