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
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import ENVIRONMENTS, MainWindow, application

_SETTLE_MS = 1500


def settle(milliseconds: int = _SETTLE_MS, until: Callable[[], bool] | None = None) -> None:
    """Let Qt's loop run, so that background work arrives; at most so long, or until a condition holds."""
    loop = QEventLoop()
    deadline = time.monotonic() + milliseconds / 1000
    timer = QTimer()
    timer.setInterval(20)
    timer.timeout.connect(lambda: loop.quit() if time.monotonic() > deadline or (until and until()) else None)
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
    """Write a PNG of the window on a page, or of an open dialog of these kinds.

    Raises StoreError where the file cannot be written.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = application()
    Theme(app, "dark" if dark else "light").apply()
    window = MainWindow(services)
    window.resize(*size)
    if environment_id:
        window.environments.select(environment_id)
    window.go(page)
    window.show()
    settle()
    if prepare is not None:
        prepare(window)
        settle()
    shown = next((dialog for kind in dialogs for dialog in window.findChildren(kind) if dialog.isVisible()), window)
    saved = shown.grab().save(str(path), "PNG")
    window.hide()
    window.close()
    if not saved:
        raise StoreError(f"The picture {path} cannot be written.", "Choose another file.")
