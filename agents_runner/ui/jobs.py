"""Work off the window's thread: one pool, one signal back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.runner.tasks.workers import Workers

MAX_THREADS = 8
log = logging.getLogger(__name__)
T = TypeVar("T")
OnError = Callable[[AgentsRunnerError], None]
_Work = tuple[Callable[[], Any], Callable[[Any], None], OnError | None]


class Jobs(QObject):
    """Runs functions on a pool and hands their results to callbacks on the window's thread.

    The threads are daemons: a call that an engine never answers must not keep the application from ending.
    """

    _finished = Signal(object)

    def __init__(
        self, parent: QObject | None = None, log_hint: str = "The application's log has the details."
    ) -> None:
        """`log_hint` is what a person is told at an error that nobody foresaw."""
        super().__init__(parent)
        self._workers = Workers(limit=MAX_THREADS, name="window-job")
        self._log_hint = log_hint
        self._lock = threading.Lock()
        self._closed = False
        self.pending = 0
        """Jobs whose callbacks have not been called yet."""
        self._finished.connect(self._deliver)

    def run(self, act: Callable[[], T], on_done: Callable[[T], None], on_error: OnError | None = None) -> None:
        """Call `act` on a thread; then `on_done` with its result or `on_error` with its error, here."""
        if self._closed:
            return
        self.pending += 1
        self._workers.submit(self._work, act, on_done, on_error)

    def _work(self, act: Callable[[], Any], on_done: Callable[[Any], None], on_error: OnError | None) -> None:
        result, error = _outcome(act, self._log_hint)
        with self._lock:
            # Under the lock: once `close` has returned, nothing touches the Qt side of this object.
            if not self._closed:
                self._finished.emit((on_done, on_error, result, error))

    @Slot(object)
    def _deliver(self, finished: tuple[Callable[[Any], None], OnError | None, Any, AgentsRunnerError | None]) -> None:
        on_done, on_error, result, error = finished
        self.pending -= 1
        if self._closed:
            return
        if error is None:
            on_done(result)
        elif on_error is not None:
            on_error(error)
        else:
            log.warning("%s", error)

    def close(self) -> None:
        """No callback comes after this; threads that still work are left to end by themselves."""
        with self._lock:
            self._closed = True
        self._workers.close(0.0)


def _outcome(act: Callable[[], Any], log_hint: str) -> tuple[Any, AgentsRunnerError | None]:
    try:
        return act(), None
    except AgentsRunnerError as error:
        return None, error
    except Exception:
        # Top of a thread: an unforeseen error is shown as one, not lost with the thread.
        log.exception("background work failed")
        return None, AgentsRunnerError("Something unexpected went wrong.", log_hint)


class Latest:
    """Jobs of which only the newest matters: one at a time, and what was asked meanwhile is asked once more.

    Otherwise questions to an engine that does not answer would take every thread of the pool.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._busy = False
        self._next: _Work | None = None

    def run(self, act: Callable[[], T], on_done: Callable[[T], None], on_error: OnError | None = None) -> None:
        """Like `Jobs.run`; the answer to a question that a newer one replaced is dropped."""
        if self._busy:
            self._next = (act, on_done, on_error)
            return
        self._busy = True

        def done(result: T) -> None:
            if not self._again():
                on_done(result)

        def failed(error: AgentsRunnerError) -> None:
            if not self._again() and on_error is not None:
                on_error(error)

        self._jobs.run(act, done, failed)

    def forget(self) -> None:
        """Drop what waits to be asked; what is under way is answered all the same."""
        self._next = None

    def _again(self) -> bool:
        self._busy = False
        following, self._next = self._next, None
        if following is not None:
            self.run(*following)
        return following is not None
