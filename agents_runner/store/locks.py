"""File locks that a dead process lets go of: taken at once or not at all, never waited for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from filelock import BaseFileLock, FileLock, Timeout

from agents_runner.store.os_errors import unwritable


class HeldLock(AbstractContextManager["HeldLock"]):
    """A lock that this process holds until it is closed, on whatever thread, or until the process ends."""

    def __init__(self, lock: BaseFileLock) -> None:
        self._lock = lock

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; its file stays. A second time does nothing."""
        self._lock.release(force=True)


def take(path: Path) -> HeldLock | None:
    """Lock the file, which is made with its private folder; None if somebody else holds it, in this process too.

    Raises StoreError where the file cannot be made, or where its file system knows no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Of the process and not of the thread: what one thread takes another may close.
        lock = FileLock(path, timeout=0, mode=0o600, thread_local=False, fallback_to_soft=False)
        lock.acquire()
    except Timeout:
        return None
    except NotImplementedError as error:
        raise unwritable(path, OSError(str(error))) from error
    except OSError as error:
        raise unwritable(path, error) from error
    return HeldLock(lock)


def is_taken(path: Path) -> bool:
    """True while somebody holds it; nothing is made. Raises StoreError as `take`."""
    if not path.exists():
        return False
    held = take(path)
    if held is not None:
        held.close()
    return held is None
