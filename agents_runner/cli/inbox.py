"""A task's events on their way from its thread to the one that prints them."""

from __future__ import annotations

import threading
from collections import deque

from agents_runner.core.events import Event

LIMIT = 5000
"""Events that may wait before the task's thread does."""
PATIENCE_S = 1.0
"""How long it waits: a reader that stands still (a pager, say) must not keep the task from being stopped."""


class Inbox:
    """Give `listener` to `RunnerPort.subscribe`. A flood waits for its reader instead of filling the memory."""

    def __init__(self, limit: int = LIMIT, patience_s: float = PATIENCE_S) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._stalled = False
        self._closed = False

    def listener(self, _task: str, batch: tuple[Event, ...]) -> None:
        with self._changed:
            if len(self._events) >= self._limit and not (self._stalled or self._closed):
                self._stalled = not self._changed.wait_for(self._has_room, self._patience_s)
            if not self._closed:
                self._events.extend(batch)
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._closed or len(self._events) < self._limit

    def get(self) -> Event:
        """The next event, waited for."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._events))
            self._stalled = False
            event = self._events.popleft()
            if len(self._events) == self._limit // 2:
                self._changed.notify_all()
            return event

    def close(self) -> None:
        """Nobody reads any more: nothing is kept, and nobody waits."""
        with self._changed:
            self._closed = True
            self._events.clear()
            self._changed.notify_all()
