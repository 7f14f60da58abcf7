"""A picture of the window without a display: for the demonstration and for the documentation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget

from agents_runner.core.errors import StoreError
from agents_runner.runner.services import Services
from agents_runner.ui.application import application
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import ENVIRONMENTS, MainWindow

_AT_MOST_S = 10.0
_STEP_MS = 50
_QUIET_STEPS = 4


def settle(quiet: Callable[[], bool], at_most: float = _AT_MOST_S) -> None:
    """Let Qt's loop run until it was `quiet` for a moment, or at most so many seconds."""
    loop = QEventLoop()
    deadline = time.monotonic() + at_most
    calm = 0

    def look() -> None:
        nonlocal calm
        calm = calm + 1 if quiet() else 0
        if calm >= _QUIET_STEPS or time.monotonic() > deadline:
            loop.quit()

    timer = QTimer()
    timer.setInterval(_STEP_MS)
    timer.timeout.connect(look)
    timer.start()
    loop.exec()


def write_snapshot(
    services: Services,
    path: Path,
    *,
    environment_id: str = "",
    page: int = ENVIRONMENTS,
    dark: bool = False,
    size: tuple[int, int] = (1200, 800),
    prepare: Callable[[MainWindow], None] | None = None,
    dialogs: tuple[type[QWidget], ...] = (),
) -> None:
    """Write a PNG of the window on a page, after what `prepare` did to it, or of an open dialog of these kinds.

    Raises StoreError where the file cannot be written.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    Theme(application(), "dark" if dark else "light").apply()
    window = MainWindow(services)
    window.resize(*size)
    if environment_id:
        window.environments.select(environment_id)
        window.new_task.select(environment_id)
    window.show()
    window.go(page)

    def quiet() -> bool:
        return window.settled()

    settle(quiet)
    if prepare is not None:
        prepare(window)
        settle(quiet)
    shown = next((dialog for kind in dialogs for dialog in window.findChildren(kind) if dialog.isVisible()), window)
    saved = shown.grab().save(str(path), "PNG")
    window.shut_down()
    window.hide()
    window.deleteLater()
    if not saved:
        raise StoreError(f"The picture {path} cannot be written.", "Choose another file.")
