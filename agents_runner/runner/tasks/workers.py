"""The one kind of thread pool: threads that work off a queue, survive it, and never hold up the process's end."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from agents_runner.core.errors import AgentsRunnerError

P = ParamSpec("P")
T = TypeVar("T")
_Work = Callable[[], None]
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Workers(Executor):
    """At most `limit` threads, started as they are needed. Whatever a piece of work raises, its thread goes on.

    Unlike the standard library's pool the threads are daemons: a call that an engine never answers would otherwise
    hold up the end of the process. Closed by whoever made it.
    """

    limit: int
    name: str
    _queue: queue.SimpleQueue[_Work | None] = field(default_factory=queue.SimpleQueue)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: int = 0
    """Pieces of work that are in the queue or under way."""
    _closed: bool = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it when a thread is free; after `close` it is dropped, and its future cancelled.

        An error that was not foreseen is written to the log as well, since not everybody looks at the future.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            self._busy += 1
            self._queue.put(partial(_do, future, partial(fn, *args, **kwargs)))
            if self._busy > len(self._threads) < self.limit:
                thread = threading.Thread(target=self._run, name=f"{self.name}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

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

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the standard library's pools have it: `wait` for what was given, or let it end by itself."""
        del cancel_futures  # what waits is worked off by daemons, which end with the process
        self.close(threading.TIMEOUT_MAX if wait else 0.0)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            finally:
                with self._lock:
                    self._busy -= 1


def _do(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        # Top of a thread, which has to outlive what it was given: also what is no Exception ends here.
        if not isinstance(error, AgentsRunnerError):
            log.exception("work on %s failed", threading.current_thread().name)
        future.set_exception(error)
    else:
        future.set_result(result)
