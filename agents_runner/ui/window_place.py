"""Where the window opens: as it was left, and never larger than the screen or outside of it."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QByteArray, QRect, QSize
from PySide6.QtWidgets import QMainWindow

from agents_runner.store.window_state import WindowState
from agents_runner.ui.tokens import GRID

WISHED = QSize(1200, 800)
"""The size of the first start, where the screen has room for it."""
SMALLEST = QSize(900, 600)
"""Smaller only on a screen that is smaller itself."""
_TITLE_BAR, _EDGE = GRID * 5, GRID // 2
"""Room that the desktop's own frame takes, above the window and around it; it is not known before it is shown."""


class Memory(Protocol):
    """Keeps what the window remembers over restarts."""

    def load(self) -> WindowState:
        """What was saved last, or an empty state. Never raises."""
        ...

    def save(self, state: WindowState) -> None:
        """Keep it. Raises StoreError."""
        ...


class NoMemory:
    """A `Memory` that forgets: for pictures, and for tests."""

    def load(self) -> WindowState:
        return WindowState()

    def save(self, state: WindowState) -> None:
        pass


def within(wished: QRect, available: QRect) -> QRect:
    """The same rectangle, moved and shrunk as little as needed to lie in the available part of the screen."""
    room = _room(available)
    size = wished.size().boundedTo(room.size())
    x = min(max(wished.x(), room.x()), room.x() + room.width() - size.width())
    y = min(max(wished.y(), room.y()), room.y() + room.height() - size.height())
    return QRect(x, y, size.width(), size.height())


def _room(available: QRect) -> QRect:
    return available.adjusted(_EDGE, _TITLE_BAR, -_EDGE, -_EDGE)


def place(window: QMainWindow, geometry: str) -> None:
    """Give a window that is not shown yet its size and its place; `geometry` is what `described` returned."""
    available = window.screen().availableGeometry()
    window.resize(WISHED)
    if not geometry or not window.restoreGeometry(QByteArray.fromBase64(geometry.encode("ascii", "replace"))):
        wished = QRect(available.topLeft(), WISHED)
        wished.moveCenter(available.center())
        window.setGeometry(within(wished, available))
    available = window.screen().availableGeometry()
    window.setMinimumSize(SMALLEST.boundedTo(_room(available).size()))
    if not window.isMaximized() and not window.isFullScreen():
        window.setGeometry(within(window.geometry(), available))


def described(window: QMainWindow) -> str:
    """The window's size, place and screen, for `place` at the next start."""
    return window.saveGeometry().toBase64().toStdString()
