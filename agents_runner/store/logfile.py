"""A task's log file: one line of the file is one line of the log, behind a letter for its stream."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agents_runner.core.errors import StoreError
from agents_runner.store.os_errors import unreadable, unwritable

_LETTERS = {"stdout": "o", "stderr": "e", "system": "s"}
_STREAMS = {letter: stream for stream, letter in _LETTERS.items()}
FLUSH_S = 0.2
FLUSH_BYTES = 64 * 1024
KEPT_BYTES = 4 * 1024 * 1024
"""How much waits in memory while the file cannot be written; later lines are counted, not kept."""
PART_BYTES = 4 * 1024 * 1024
log = logging.getLogger(__name__)
Line = tuple[str, str]
"""(stream, text)"""


class LogPart(NamedTuple):
    """Lines and the position behind them, in bytes: where the next look goes on."""

    lines: tuple[Line, ...]
    position: int


class LogWriter:
    """Appends lines; each reaches the file within about `FLUSH_S` seconds, or at once when `FLUSH_BYTES` wait.

    A file that cannot be written (no space) does not end the task that writes: lines wait in memory, then are
    counted, and the count is a line of its own once there is room again. `problem` says what stands in the way.
    Safe from every thread.
    """

    def __init__(self, path: Path) -> None:
        self.problem: StoreError | None = None
        self._path = path
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._lost = 0
        self._begun = False
        self._at = 0
        """Where the buffer's first byte will stand in the file."""
        self._flushed = time.monotonic()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, stream: str, text: str) -> int | None:
        """One line; its line ends are written as `\\n`. Where it ends in the file, in bytes; None if it is lost."""
        line = text.replace("\n", "\\n").encode("utf-8", "backslashreplace")
        position = None
        with self._lock:
            self._begin()
            if len(self._buffer) >= KEPT_BYTES:
                self._lost += 1
            else:
                self._mark_lost()
                self._buffer += _LETTERS.get(stream, "s").encode() + b" " + line + b"\n"
                position = self._at + len(self._buffer)
            full = len(self._buffer) >= FLUSH_BYTES and self.problem is None
            if full or time.monotonic() - self._flushed >= FLUSH_S:
                self._write_out()
            if self._buffer and self._timer is None:
                # What waits for a next line that may come late.
                self._timer = threading.Timer(FLUSH_S, self._late)
                self._timer.daemon = True
                self._timer.start()
        return position

    @property
    def end(self) -> int:
        """Where the next line will begin in the file, in bytes: behind those that wait. Raises StoreError."""
        with self._lock:
            self._begin()
            return log_end(self._path) + len(self._buffer)

    def flush(self) -> bool:
        """Write what waits; False if some of it still does."""
        with self._lock:
            self._write_out()
            return not self._buffer

    def close(self) -> None:
        """Write what waits. What the disk refuses is said in the application's log."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._write_out()
            if self._buffer or self._lost:
                log.warning("the log %s is not whole: %s", self._path, self.problem)

    def _late(self) -> None:
        with self._lock:
            self._timer = None
            self._write_out()

    def _write_out(self) -> None:
        self._flushed = time.monotonic()
        try:
            self._append()
            if self._mark_lost():
                self._append()
        except OSError as error:
            self.problem = unwritable(self._path, error)
        else:
            self.problem = None

    def _mark_lost(self) -> bool:
        """Say in the log how many lines are missing at this place."""
        lost, self._lost = self._lost, 0
        if lost:
            self._buffer += f"s {lost} lines are missing here: the log could not be written.\n".encode()
        return lost > 0

    def _append(self) -> None:
        """Write and forget what was written: the rest stays, and its line goes on where it broke off."""
        if not self._buffer:
            return
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._begin()
            # Looked at each time: somebody may have removed the log meanwhile.
            self._at = os.fstat(handle).st_size
            while self._buffer:
                written = os.write(handle, self._buffer)
                del self._buffer[:written]
                self._at += written
        finally:
            os.close(handle)

    def _begin(self) -> None:
        """Find out where we begin. A writer that was killed may have left half a line; ours must not go on in it."""
        if self._begun:
            return
        try:
            with self._path.open("rb") as file:
                self._at = file.seek(0, os.SEEK_END)
                if self._at and os.pread(file.fileno(), 1, self._at - 1) != b"\n":
                    self._buffer[:0] = b"\n"
        except FileNotFoundError:
            self._at = 0
        except OSError:
            return  # what stands in the way is found out again at the next write
        self._begun = True


def log_end(path: Path) -> int:
    """The log's length in bytes. Raises StoreError."""
    with _reading(path):
        return path.stat().st_size
    return 0


def drop_torn_line(path: Path) -> None:
    """Take away the half line that a killed writer left: who writes next has all of it. Raises StoreError."""
    with _reading(path), path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        kept = end
        while kept:
            start = max(0, kept - FLUSH_BYTES)
            file.seek(start)
            found = file.read(kept - start).rfind(b"\n")
            kept = start + found + 1 if found >= 0 else start
            if found >= 0:
                break
        if kept < end:
            file.truncate(kept)


def read_log(path: Path) -> tuple[Line, ...]:
    """All lines; a last line without its end is still being written. Raises StoreError."""
    lines: list[Line] = []
    with _reading(path), path.open("rb") as file:
        lines.extend(_line(raw[:-1]) for raw in file if raw.endswith(b"\n"))
    return tuple(lines)


def read_log_from(path: Path, position: int = 0) -> LogPart:
    """The lines from byte `position` on, at most about `PART_BYTES` of them. Raises StoreError.

    `position` is 0 or one that an earlier call gave; the same one comes back when there is nothing new. A log that
    is shorter than that was removed meanwhile: the one that is there now is read from its beginning.
    """
    data = b""
    with _reading(path), path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < position:
            position = 0
        file.seek(position)
        data = file.read(PART_BYTES)
        while len(data) >= PART_BYTES and b"\n" not in data and (more := file.read(PART_BYTES)):
            data += more  # a line longer than a part
    whole = data[: data.rfind(b"\n") + 1]
    return LogPart(tuple(_line(raw) for raw in whole.split(b"\n")[:-1]), position + len(whole))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """A log that is not there has no lines; anything else that stands in the way is a StoreError."""
    try:
        yield
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error) from error


def _line(raw: bytes) -> Line:
    return _STREAMS.get(raw[:1].decode("ascii", "replace"), "system"), raw[2:].decode("utf-8", "replace")
