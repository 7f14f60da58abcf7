"""How a task on a thread learns that it is to end, or that the application ends and leaves it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Protocol

from agents_runner.core.errors import STOP_GRACE_S, Cancelled, Detached, StoreError

STOP_POLL_S = 0.5
"""How often a running task looks whether another process asked it to stop, in seconds."""


class StopRequests(Protocol):
    """Where other processes leave word that a task is to stop. Raises StoreError where it cannot be read."""

    def stop_requested(self, task_id: str) -> bool: ...


class TaskCancellation:
    """A `containers.cancellation.Cancellation` of one task: by this process, or by any other through the database.

    Safe from every thread.
    """

    def __init__(self, requests: StopRequests, task_id: str) -> None:
        self._asked = threading.Event()
        self._detached = threading.Event()
        self._requests = requests
        self._task_id = task_id
        self._grace_s = STOP_GRACE_S
        self._looked = 0.0

    def cancel(self, grace_s: float = STOP_GRACE_S) -> None:
        """Ask the task to stop; its container has so many seconds for its own end."""
        self._grace_s = grace_s
        self._asked.set()

    def detach(self) -> None:
        """Have the task's thread raise Detached; one that was asked to stop before stops all the same."""
        self._detached.set()

    @property
    def detached(self) -> bool:
        return self._detached.is_set() and not self._asked.is_set()

    def check(self) -> None:
        """See `containers.cancellation.Cancellation`."""
        if self.detached:
            raise Detached
        if self._asked.is_set() or self._asked_elsewhere():
            self._asked.set()
            raise Cancelled(grace_s=self._grace_s)

    def _asked_elsewhere(self) -> bool:
        now = time.monotonic()
        if now - self._looked < STOP_POLL_S:
            return False
        self._looked = now
        # A database that cannot be read for a moment is no wish to stop, and no reason to fail.
        with contextlib.suppress(StoreError):
            return self._requests.stop_requested(self._task_id)
        return False
