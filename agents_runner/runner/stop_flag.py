"""How a task on a thread learns that it is to end, or that the application ends and leaves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from agents_runner.core.errors import Left

STOP_POLL_S = 0.5
"""How often a running task looks whether another process asked it to stop, in seconds."""


class StopFlag:
    """Set by this process, or by any other through the database; see `images.watching.StopFlag`."""

    def __init__(self, asked_elsewhere: Callable[[], bool]) -> None:
        self._event = threading.Event()
        self._left = threading.Event()
        self._asked_elsewhere = asked_elsewhere
        self._looked = 0.0

    def set(self) -> None:
        self._event.set()

    def leave(self) -> None:
        """Have the task's thread raise Left; one that was asked to stop before stops all the same."""
        self._left.set()

    @property
    def left(self) -> bool:
        return self._left.is_set() and not self._event.is_set()

    def is_set(self) -> bool:
        if self.left:
            raise Left
        now = time.monotonic()
        if not self._event.is_set() and now - self._looked >= STOP_POLL_S:
            self._looked = now
            if self._asked_elsewhere():
                self._event.set()
        return self._event.is_set()
