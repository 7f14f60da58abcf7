"""A few threads that work off a queue and never keep the process from ending."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Work = Callable[[], None]


@dataclass(kw_only=True)
class Workers:
    """At most `limit` threads, started as they are needed. What they are given must not raise.

    The threads are daemons: a call that an engine never answers would otherwise hold up the end of the process.
    """

    limit: int
    name: str
    _queue: queue.SimpleQueue[Work | None] = field(default_factory=queue.SimpleQueue)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: int = 0
    """Pieces of work that are in the queue or under way."""
    _closed: bool = False

    def submit(self, work: Work) -> None:
        """Do it when a thread is free; after `close` it is dropped."""
        with self._lock:
            if self._closed:
                return
            self._busy += 1
            self._queue.put(work)
            if self._busy > len(self._threads) < self.limit:
                thread = threading.Thread(target=self._run, name=f"{self.name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self, timeout: float) -> bool:
        """Work off what was given; True if that was done within `timeout` seconds."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            finally:
                with self._lock:
                    self._busy -= 1
