"""The check that all tests of the window run under sees what it is there to see."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from tests.support.qt_threads import foreign_calls


class Source(QObject):
    said = Signal(str)


def _elsewhere(act: Callable[[], object]) -> list[str]:
    with foreign_calls() as found:
        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
    return [one.partition(" at ")[0] for one in found]


def test_s16_a_widget_touched_from_another_thread_is_noticed(qtbot: QtBot) -> None:
    label = QLabel("before")
    qtbot.addWidget(label)
    assert _elsewhere(lambda: label.text()) == ["QLabel.text"]  # noqa: PLW0108  # the call itself is looked at
    timer = QTimer()
    assert _elsewhere(lambda: timer.isActive()) == ["QTimer.isActive"]  # noqa: PLW0108


def test_s16_a_signal_may_come_from_another_thread(qtbot: QtBot) -> None:
    source = Source()
    assert _elsewhere(lambda: source.said.emit("x")) == []
    assert _elsewhere(lambda: QObject().objectName()) == [], "an object of one's own"
