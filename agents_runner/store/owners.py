"""Which processes of the application live: a lock file for each, which a dead process lets go of."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.core.errors import StoreError
from agents_runner.store import locks


@dataclass(kw_only=True)
class Owners:
    """`folder` is private and shared by all processes with the same files of the application.

    A process's number alone says nothing: after a restart of the machine another program has it.
    """

    folder: Path
    _held: locks.HeldLock | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self) -> int:
        """Say that this process lives, for as long as it does; returns its number. Raises StoreError."""
        pid = os.getpid()
        with self._lock:
            if self._held is None:
                self._held = locks.take(self._path(pid))
                if self._held is None:
                    # A task without the lock would look left alone, and be adopted a second time.
                    raise StoreError(f"{self._path(pid)} is locked by another process.", "Start the program again.")
        return pid

    def is_alive(self, pid: int | None) -> bool:
        """True for a process that holds its lock."""
        if pid is None:
            return False
        path = self._path(pid)
        if not path.exists():
            return False
        held = locks.take(path)
        if held is None:
            return True
        with held:
            path.unlink(missing_ok=True)
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
