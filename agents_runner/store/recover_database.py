"""What can still be read of a damaged database, row by row, from both ends."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


def recover_database(damaged: Path, into: sqlite3.Connection, tables: Sequence[str]) -> int:
    """Copy every row of `tables` that can be read into a good database; the number of rows of the first table.

    Works on a copy: the damaged file stays as it is. Rows that the good database refuses are left out.
    """
    taken = dict.fromkeys(tables, 0)
    with contextlib.suppress(OSError, sqlite3.Error), tempfile.TemporaryDirectory(dir=damaged.parent) as folder:
        copy = Path(folder) / "copy.sqlite3"
        for suffix in ("", "-wal"):
            source = damaged.with_name(damaged.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        connection = sqlite3.connect(copy)
        try:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            for table in tables:
                taken[table] = _copy(connection, into, table)
        finally:
            connection.close()
    return taken[tables[0]]


def _copy(damaged: sqlite3.Connection, into: sqlite3.Connection, table: str) -> int:
    """One transaction a table; the number of rows that arrived."""
    try:
        there = {str(row[1]) for row in damaged.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return 0
    columns = [str(row[1]) for row in into.execute(f"PRAGMA table_info({table})") if str(row[1]) in there]
    if not columns:
        return 0
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    taken = 0
    into.execute("BEGIN")
    for row in _rows(damaged, table, names):
        with contextlib.suppress(sqlite3.Error):
            taken += into.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row).rowcount
    into.execute("COMMIT")
    return taken


def _rows(damaged: sqlite3.Connection, table: str, names: str) -> Iterator[tuple[object, ...]]:
    """Forward to the damage, then backward to it: only what the broken page itself held is missed."""
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            cursor = damaged.execute(f"SELECT {names} FROM {table} NOT INDEXED ORDER BY rowid {order}")
            # One by one: a batch that ends in the damage would be lost whole.
            while (row := cursor.fetchone()) is not None:
                yield row
            return
