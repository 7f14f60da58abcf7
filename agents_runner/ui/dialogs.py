"""Questions to the person: they never block the window's loop and show their text as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QMessageBox, QWidget

from agents_runner.ui.widgets import set_role


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


def choose(
    parent: QWidget,
    name: str,
    title: str,
    text: str,
    details: str,
    answers: Sequence[tuple[str, str, Callable[[], None]]],
    *,
    escape: str,
    default: str = "",
    danger: str = "",
    tick: str = "",
    on_tick: Callable[[bool], None] = lambda _on: None,
) -> QMessageBox:
    """Ask for one of several answers (key, text, what it does); `escape` is the one of Escape, `danger` is in red.

    Without `default` it is the first. `tick` is the text of a box to tick, `on_tick` is told whether it is. The
    buttons are called `NAME-KEY`, the box `NAME-tick`.
    """
    box = QMessageBox(parent)
    box.setObjectName(f"{name}-question")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text)
    box.setInformativeText(details)
    for number, (key, words, act) in enumerate(answers):
        # Roles order the buttons by the platform's habits; one role keeps the order that is meant.
        one = box.addButton(words, QMessageBox.ButtonRole.ActionRole)
        one.setObjectName(f"{name}-{key}")
        one.clicked.connect(act)
        if key == danger:
            set_role(one, "danger")
        if (key == default) if default else number == 0:
            set_role(one, "primary")
            box.setDefaultButton(one)
        if key == escape:
            box.setEscapeButton(one)
    if tick:
        # With a parent: otherwise it is lost with its Python name.
        check = QCheckBox(tick, box)
        check.setObjectName(f"{name}-tick")
        check.toggled.connect(on_tick)
        box.setCheckBox(check)
    box.open()
    return box
