"""From the runner's threads to the window: one signal that says that something waits, one that hands it over."""

from __future__ import annotations

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from agents_runner.core.events import Event
from agents_runner.runner.event_queue import BoundedQueue

COALESCE_MS = 50
LIMIT = 20_000
"""Events that may wait for the window before the tasks' threads wait for it."""
AT_ONCE = 5000
"""Events handed over in one go; a flood is taken in bites that leave the window time for itself."""


class Bridge(QObject):
    """Collects events on any thread; emits `events` with (task id, event) pairs on the window's."""

    events = Signal(object)
    _wake = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: BoundedQueue[tuple[str, Event]] = BoundedQueue(limit=LIMIT)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(COALESCE_MS)
        self._timer.timeout.connect(self._hand_over)
        self._wake.connect(self._timer.start)

    def listener(self, task_id: str, batch: tuple[Event, ...]) -> None:
        """Give this to `RunnerPort.subscribe`; from any thread. A flood waits here, never on the window's thread."""
        here = QThread.currentThread() is self.thread()
        if self._waiting.put([(task_id, event) for event in batch], wait=not here):
            self._wake.emit()

    def close(self) -> None:
        """The window goes: nobody is waited for."""
        self._waiting.close()

    @Slot()
    def _hand_over(self) -> None:
        batch = self._waiting.take(AT_ONCE)
        if batch:
            self.events.emit(batch)
        if self._waiting:
            self._timer.start()
