"""What can still be read of a damaged database, row by row, from both ends."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

_PAGE = 4096
"""SQLite's usual size of a page, in bytes."""
_CHANGES, _SIZE, _FREE, _VALID_FOR = 24, 28, 32, 92
"""Where a database's header has its count of changes, its size in pages, its free pages, and the count again."""


@contextlib.contextmanager
def readable_words() -> Iterator[None]:
    """SQLite quotes a damaged schema in its complaint; where that is no text, Python's own error hides what it is."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("its structure is damaged") from error


def recover_database(damaged: Path, into: sqlite3.Connection, tables: Sequence[str]) -> int:
    """Copy every row of `tables` that can be read into a good database; the number of rows of the first table.

    Works on a copy: the damaged file stays as it is. Rows that the good database refuses are left out. Where the
    description of the tables itself is damaged, the good database's is put in its place.
    """
    taken = dict.fromkeys(tables, 0)
    with contextlib.suppress(OSError, sqlite3.Error), tempfile.TemporaryDirectory(dir=damaged.parent) as folder:
        copy = Path(folder) / "copy.sqlite3"
        for suffix in ("", "-wal"):
            source = damaged.with_name(damaged.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        taken = _copy_all(copy, into, tables)
        if not any(taken.values()):
            copy.with_name(copy.name + "-wal").unlink(missing_ok=True)
            copy.with_name(copy.name + "-shm").unlink(missing_ok=True)
            _give_schema(copy, into.serialize()[:_PAGE])
            taken = _copy_all(copy, into, tables)
    return taken[tables[0]]


def _copy_all(copy: Path, into: sqlite3.Connection, tables: Sequence[str]) -> dict[str, int]:
    connection = sqlite3.connect(copy)
    try:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return {table: _copy(connection, into, table) for table in tables}
    finally:
        connection.close()


def _give_schema(copy: Path, good: bytes) -> None:
    """Put a good database's first page, its header and its description of the tables, over a damaged one's.

    The same migrations put the same tables at the same pages. Raises OSError.
    """
    page = bytearray(good)
    for place, value in (
        (_SIZE, copy.stat().st_size // _PAGE),
        (_FREE, 0),
        (_FREE + 4, 0),
        (_VALID_FOR, int.from_bytes(good[_CHANGES : _CHANGES + 4], "big")),
    ):
        page[place : place + 4] = value.to_bytes(4, "big")
    page[18:20] = b"\x01\x01"  # no log beside it
    with copy.open("r+b") as file:
        file.write(page)


def _copy(damaged: sqlite3.Connection, into: sqlite3.Connection, table: str) -> int:
    """One transaction a table; the number of rows that arrived."""
    try:
        with readable_words():
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
        with contextlib.suppress(sqlite3.DatabaseError), readable_words():
            cursor = damaged.execute(f"SELECT {names} FROM {table} NOT INDEXED ORDER BY rowid {order}")
            # One by one: a batch that ends in the damage would be lost whole.
            while (row := cursor.fetchone()) is not None:
                yield row
            return
