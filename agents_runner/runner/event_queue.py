"""Events on their way from the tasks' threads to whoever shows them: a flood waits for its reader."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
LIMIT = 5000
"""Events that may wait before the task's thread does."""
PATIENCE_S = 1.0
"""How long it waits: a reader that stands still (a pager, say) must not keep the task from being stopped."""


class BoundedQueue(Generic[T]):
    """Many put in, one takes out. A flood waits for its reader instead of filling the memory; nothing is lost."""

    def __init__(self, limit: int = LIMIT, patience_s: float = PATIENCE_S) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._stalled = False
        self._closed = False

    def put(self, items: Iterable[T], *, wait: bool = True) -> bool:
        """True if nothing waited before, so that the reader may have to be woken. `wait`: for room, for a while."""
        with self._changed:
            if wait and len(self._items) >= self._limit and not (self._stalled or self._closed):
                self._stalled = not self._changed.wait_for(self._has_room, self._patience_s)
            was_empty = not self._items
            if not self._closed:
                self._items.extend(items)
                self._changed.notify_all()
            return was_empty

    def _has_room(self) -> bool:
        return self._closed or len(self._items) < self._limit

    def get(self) -> T:
        """The next one, waited for."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items))
            return self._take(1)[0]

    def take(self, most: int) -> list[T]:
        """What is there, at most so many; never waits."""
        with self._changed:
            return self._take(min(most, len(self._items)))

    def _take(self, count: int) -> list[T]:
        before = len(self._items)
        taken = [self._items.popleft() for _ in range(count)]
        self._stalled = False
        # Writers are woken once half of it is empty: one by one they would only hinder the reader.
        if len(self._items) <= self._limit // 2 < before:
            self._changed.notify_all()
        return taken

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)

    def close(self) -> None:
        """Nobody reads any more: nothing is kept, and nobody waits."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
