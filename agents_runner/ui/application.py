"""The one QApplication, and how a signal of the terminal ends it."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def application() -> QApplication:
    """The one QApplication, made if there is none."""
    there = QApplication.instance()
    if isinstance(there, QApplication):
        return there
    made = QApplication(sys.argv[:1])
    made.setApplicationName("Agents Runner")
    made.setStyle("Fusion")
    QGuiApplication.setDesktopFileName("agents-runner")
    return made


def keep_what_is_there() -> None:
    """Spare the collector what was made up to now: looking through it all takes longer than a key may."""
    gc.collect()
    gc.freeze()


class _Interrupt(QObject):
    """Qt's loop does not return to Python on a signal: a socket that Python writes to wakes it."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)

    def fileno(self) -> int:
        return self._write.fileno()

    def note(self, number: int, _frame: FrameType | None) -> None:
        # `exit`, not `quit`: that one would ask the window, and nobody may be there to answer.
        self._app.exit(128 + number)

    @Slot()
    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._read.recv(64)

    def close(self) -> None:
        self._notifier.setEnabled(False)
        self._read.close()
        self._write.close()


@contextlib.contextmanager
def interruptible(app: QApplication) -> Iterator[None]:
    """While this lasts, Ctrl+C in the terminal and SIGTERM end Qt's loop."""
    interrupt = _Interrupt(app)
    old_fd = signal.set_wakeup_fd(interrupt.fileno(), warn_on_full_buffer=False)
    old = [(number, signal.signal(number, interrupt.note)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in old:
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_fd)
        interrupt.close()
