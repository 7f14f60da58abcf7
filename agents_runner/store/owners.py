"""Which processes of the application live: a lock file for each, which a dead process lets go of."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO


@dataclass(kw_only=True)
class Owners:
    """`folder` is private and shared by all processes with the same files of the application.

    A process's number alone says nothing: after a restart of the machine another program has it.
    """

    folder: Path
    _held: IO[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self) -> int:
        """Say that this process lives, for as long as it does; returns its number."""
        pid = os.getpid()
        with self._lock:
            if self._held is None:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                file = self._path(pid).open("ab")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._held = file
        return pid

    def is_alive(self, pid: int | None) -> bool:
        """True for a process that holds its lock."""
        if pid is None:
            return False
        path = self._path(pid)
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        """This process works on nothing any more."""
        with self._lock, contextlib.suppress(OSError):
            if self._held is not None:
                self._path(os.getpid()).unlink(missing_ok=True)
                self._held.close()
                self._held = None

    def _path(self, pid: int) -> Path:
        return self.folder / str(pid)
