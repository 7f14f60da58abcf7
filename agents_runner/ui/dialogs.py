"""Questions to the person: they never block the window's loop and show their text as it is."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget


def ask(
    parent: QWidget, name: str, title: str, text: str, *, yes: str, no: str, on_yes: Callable[[], None]
) -> QMessageBox:
    """Ask; `on_yes` is called if the person agrees. The buttons are called `confirm-NAME` and `cancel-NAME`."""
    box = QMessageBox(parent)
    box.setObjectName(f"{name}-question")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setWindowTitle(title)
    # Names in the text are other people's: no markup.
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    # Made by the box: one that is handed in is lost with its Python name.
    agree = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    agree.setObjectName(f"confirm-{name}")
    agree.setProperty("role", "danger")
    stay = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
    stay.setObjectName(f"cancel-{name}")
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    agree.clicked.connect(on_yes)
    box.open()
    return box
