"""Work off the window's thread: one pool, one signal back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal, Slot

from agents_runner.core.errors import AgentsRunnerError

log = logging.getLogger(__name__)
T = TypeVar("T")
OnError = Callable[[AgentsRunnerError], None]


class _Work(QRunnable):
    def __init__(self, act: Callable[[], Any], done: Callable[[Any, AgentsRunnerError | None], None]) -> None:
        super().__init__()
        self._act = act
        self._done = done

    def run(self) -> None:
        try:
            result = self._act()
        except AgentsRunnerError as error:
            self._done(None, error)
        except Exception:
            # Top of a thread: an unforeseen error is shown as one, not lost with the thread.
            log.exception("background work failed")
            self._done(
                None, AgentsRunnerError("Something unexpected went wrong.", "The application's log has the details.")
            )
        else:
            self._done(result, None)


class Jobs(QObject):
    """Runs functions on a pool and hands their results to callbacks on the window's thread."""

    _finished = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool()
        self._pool.setMaxThreadCount(8)
        self._closed = False
        self._finished.connect(self._deliver)

    def run(self, act: Callable[[], T], on_done: Callable[[T], None], on_error: OnError | None = None) -> None:
        """Call `act` on a thread; then `on_done` with its result or `on_error` with its error, here."""

        def done(result: Any, error: AgentsRunnerError | None) -> None:
            if not self._closed:
                self._finished.emit((on_done, on_error, result, error))

        self._pool.start(_Work(act, done))

    @Slot(object)
    def _deliver(self, finished: tuple[Callable[[Any], None], OnError | None, Any, AgentsRunnerError | None]) -> None:
        on_done, on_error, result, error = finished
        if self._closed:
            return
        if error is None:
            on_done(result)
        elif on_error is not None:
            on_error(error)
        else:
            log.warning("%s", error)

    def close(self) -> None:
        """No callback comes after this; what runs still is waited for a moment."""
        self._closed = True
        self._pool.clear()
        self._pool.waitForDone(3000)
