"""A task's log file: one line of the file is one line of the log, behind a letter for its stream."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from agents_runner.core.errors import StoreError
from agents_runner.store.paths import unwritable

_LETTERS = {"stdout": "o", "stderr": "e", "system": "s"}
_STREAMS = {letter: stream for stream, letter in _LETTERS.items()}
FLUSH_S = 0.2
FLUSH_BYTES = 64 * 1024


class LogWriter:
    """Appends lines; what is written reaches the file within `FLUSH_S` seconds of the next line or a flush.

    A timer flushes what would otherwise wait for a line that may come late.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._flushed = time.monotonic()
        self._timer: threading.Timer | None = None

    def write(self, stream: str, text: str) -> None:
        line = text.replace("\n", "\\n").encode("utf-8", "replace")
        with self._lock:
            self._buffer += _LETTERS.get(stream, "s").encode() + b" " + line + b"\n"
            now = time.monotonic()
            if len(self._buffer) >= FLUSH_BYTES or now - self._flushed >= FLUSH_S:
                self._write_out()
            elif self._timer is None:
                self._timer = threading.Timer(FLUSH_S, self._late)
                self._timer.daemon = True
                self._timer.start()

    def _late(self) -> None:
        with self._lock:
            self._timer = None
            self._write_out()

    def _write_out(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        self._flushed = time.monotonic()
        if not data:
            return
        try:
            with self._path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def flush(self) -> None:
        with self._lock:
            self._write_out()

    def close(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._write_out()


def read_log(path: Path, offset: int = 0) -> tuple[tuple[str, str], ...]:
    """(stream, line) pairs from line `offset` on; a last line without its end is still being written."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StoreError(f"The log {path} cannot be read: {error.strerror}.", "Check its rights.") from error
    lines = data.split(b"\n")[:-1]
    return tuple(
        (_STREAMS.get(line[:1].decode("ascii", "replace"), "system"), line[2:].decode("utf-8", "replace"))
        for line in lines[offset:]
    )
