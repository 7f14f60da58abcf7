"""From the runner's threads to the window: one signal that says that something waits, one that hands it over."""

from __future__ import annotations

import threading
from collections import deque

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from agents_runner.core.events import Event

COALESCE_MS = 50
AT_ONCE = 5000
"""Events handed over in one go; a flood is taken in bites that leave the window time for itself."""


class Bridge(QObject):
    """Collects events on any thread; emits `events` with (task id, event) pairs on the window's."""

    events = Signal(object)
    _wake = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, Event]] = deque()
        self._woken = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(COALESCE_MS)
        self._timer.timeout.connect(self._hand_over)
        self._wake.connect(self._timer.start)

    def listener(self, task_id: str, batch: tuple[Event, ...]) -> None:
        """Give this to `RunnerPort.subscribe`; quick, from any thread."""
        with self._lock:
            self._waiting.extend((task_id, event) for event in batch)
            wake, self._woken = not self._woken, True
        if wake:
            self._wake.emit()

    @Slot()
    def _hand_over(self) -> None:
        with self._lock:
            count = min(AT_ONCE, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._woken = bool(self._waiting)
        if batch:
            self.events.emit(batch)
        if self._woken:
            self._timer.start()
