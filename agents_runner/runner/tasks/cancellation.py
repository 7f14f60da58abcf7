"""How a task on a thread learns that it is to end, or that the application ends and leaves it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from agents_runner.core.errors import Detached, StoreError

STOP_POLL_S = 0.5
"""How often a running task looks whether another process asked it to stop, in seconds."""


class TaskCancellation:
    """Set by this process, or by any other through the database; see `images.watching.TaskCancellation`."""

    def __init__(self, asked_elsewhere: Callable[[], bool]) -> None:
        self._event = threading.Event()
        self._detached = threading.Event()
        self._asked_elsewhere = asked_elsewhere
        self._looked = 0.0

    def set(self) -> None:
        self._event.set()

    def detach(self) -> None:
        """Have the task's thread raise Detached; one that was asked to stop before stops all the same."""
        self._detached.set()

    @property
    def detached(self) -> bool:
        return self._detached.is_set() and not self._event.is_set()

    def is_set(self) -> bool:
        if self.detached:
            raise Detached
        now = time.monotonic()
        if not self._event.is_set() and now - self._looked >= STOP_POLL_S:
            self._looked = now
            # A database that cannot be read for a moment is no wish to stop, and no reason to fail.
            with contextlib.suppress(StoreError):
                if self._asked_elsewhere():
                    self._event.set()
        return self._event.is_set()
