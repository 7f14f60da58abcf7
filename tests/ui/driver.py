"""What a person does with the window: clicks, keys and looks, by the widgets' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListView,
    QPlainTextEdit,
    QPushButton,
    QTabWidget,
    QWidget,
)
from pytestqt.qtbot import QtBot

from agents_runner.ui.window import MainWindow

W = TypeVar("W", bound=QObject)
SCRIPTS = ("Cached preflight", "Run preflight", "Script", "Original")
LEFT = Qt.MouseButton.LeftButton


class Driver:
    def __init__(self, window: MainWindow, qtbot: QtBot) -> None:
        self.window = window
        self.qtbot = qtbot

    # -- looking -----------------------------------------------------------------------------------

    def find(self, name: str, kind: type[W] = QWidget) -> W:  # type: ignore[assignment]
        found = self.window.findChildren(kind, name)
        assert found, f"there is no {kind.__name__} called {name}"
        # A dialog that was answered may not be gone yet when the next one is there.
        seen = [one for one in found if isinstance(one, QWidget) and one.isVisible()]
        return (seen or found)[0]

    def label(self, name: str) -> str:
        return self.find(name, QLabel).text()

    def text(self, name: str) -> str:
        widget = self.find(name)
        assert isinstance(widget, QLineEdit | QPlainTextEdit)
        return widget.text() if isinstance(widget, QLineEdit) else widget.toPlainText()

    def wait(self, condition: Callable[[], object], timeout: int = 10_000) -> None:
        def holds() -> bool:
            return bool(condition())

        self.qtbot.waitUntil(holds, timeout=timeout)

    def settle(self) -> None:
        """Until no background work is on its way."""
        self.wait(self.window.settled)
        # Layouts that were asked for meanwhile.
        QApplication.processEvents()

    def errors(self) -> list[str]:
        """The sentences that stand at fields now."""
        labels = self.window.findChildren(QLabel)
        return [label.text() for label in labels if label.objectName().endswith("-error") and label.text()]

    def rows(self) -> list[str]:
        """The environments as listed."""
        model = self.find("environment-list", QListView).model()
        return [str(model.index(row, 0).data()) for row in range(model.rowCount())]

    # -- acting ------------------------------------------------------------------------------------

    def click(self, name: str) -> None:
        button = self.find(name, QPushButton)
        assert button.isVisible(), f"{name} cannot be seen"
        assert button.isEnabled(), f"{name} is disabled"
        self.qtbot.mouseClick(button, LEFT)

    def check(self, name: str) -> None:
        box = self.find(name, QCheckBox)
        assert box.isVisible()
        was = box.isChecked()
        box.setFocus()
        self.qtbot.keyClick(box, Qt.Key.Key_Space)
        assert box.isChecked() != was

    def type(self, name: str, text: str) -> None:
        """Replace what an editor holds, by the keyboard."""
        widget = self.find(name)
        assert isinstance(widget, QLineEdit | QPlainTextEdit)
        assert widget.isVisible(), f"{name} cannot be seen"
        widget.setFocus()
        self.qtbot.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        self.qtbot.keyClick(widget, Qt.Key.Key_Delete)
        for number, line in enumerate(text.split("\n")):
            if number:
                self.qtbot.keyClick(widget, Qt.Key.Key_Return)
            self.qtbot.keyClicks(widget, line)

    def choose(self, name: str, text: str) -> None:
        """Choose an entry of a list with the arrow keys, by how it begins."""
        combo = self.find(name, QComboBox)
        assert combo.isVisible()
        combo.setFocus()
        self.qtbot.keyClick(combo, Qt.Key.Key_Home)
        for _ in range(combo.count()):
            if combo.currentText().startswith(text):
                return
            self.qtbot.keyClick(combo, Qt.Key.Key_Down)
        raise AssertionError(f"{name} has no {text}")

    def tab(self, title: str, tabs: str = "env-tabs") -> None:
        if title in SCRIPTS and tabs == "env-tabs":
            self.tab("Preflight")
            tabs = "preflight-tabs"
        widget = self.find(tabs, QTabWidget)
        number = next(n for n in range(widget.count()) if widget.tabText(n) == title)
        self.qtbot.mouseClick(widget.tabBar(), LEFT, pos=widget.tabBar().tabRect(number).center())
        assert widget.currentIndex() == number

    def page(self, number: int) -> None:
        """Ctrl+1 to Ctrl+5, as the keyboard does it."""
        self.keys(Qt.Key(int(Qt.Key.Key_1) + number), Qt.KeyboardModifier.ControlModifier)

    def keys(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """A key where the focus is."""
        self.qtbot.keyClick(self.focused(), key, modifier)

    def focused(self) -> QWidget:
        return QApplication.focusWidget() or self.window

    def select(self, name: str) -> None:
        """Click an environment in the list."""
        view = self.find("environment-list", QListView)
        number = next(n for n, row in enumerate(self.rows()) if row.removesuffix("  •") == name)
        place = view.visualRect(view.model().index(number, 0)).center()
        self.qtbot.mouseClick(view.viewport(), LEFT, pos=place)

    def run_keys(self, prompt: str) -> None:
        """A new task by the keyboard alone, from any page."""
        self.page(1)
        self.qtbot.keyClicks(self.focused(), prompt)
        self.keys(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    def run(self, prompt: str) -> None:
        self.page(1)
        self.type("task-prompt", prompt)
        self.click("run-task")
        self.wait(lambda: self.window.task.task_id and self.window.task.isVisible())
