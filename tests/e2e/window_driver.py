"""Runs the real window on a real display and works it with real mouse and key events (xdotool); prints what it saw.

Started by the test as a program of its own: `python -m tests.e2e.window_driver BASE-IMAGE FOLDER`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QPlainTextEdit, QTabWidget, QWidget

from agents_runner.app import build_services
from agents_runner.ui.application import application
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow

W = TypeVar("W", bound=QWidget)
Step = Callable[[], bool]
LIMIT_S = 60.0
NAME = "By mouse"


class Driver:
    """Plays steps one after the other; a step is asked again and again until it says that it is done."""

    def __init__(self, window: MainWindow, base: str, folder: Path) -> None:
        self.window, self.base, self.folder = window, base, folder
        self.status = 1
        self._tools: list[subprocess.Popen[bytes]] = []
        self._steps = self._play()
        self._step: Step = lambda: True
        self._began = time.monotonic()
        self._beats = 0
        self.timer = QTimer()
        self.timer.setInterval(30)
        self.timer.timeout.connect(self._tick)
        self.timer.start()

    def _tick(self) -> None:
        self._beats += 1
        self._tools = [tool for tool in self._tools if tool.poll() is None]
        if self._tools:
            return
        if self._step():
            self._began = time.monotonic()
            found = next(self._steps, None)
            if found is None:
                self.status = 0
                application().quit()
            else:
                self._step = found
        elif time.monotonic() - self._began > LIMIT_S:
            self.window.grab().save(str(self.folder / "stuck.png"))
            print("stuck", flush=True)
            application().quit()

    # -- hands and eyes ----------------------------------------------------------------------------

    def widget(self, kind: type[W], name: str) -> W:
        # A dialog is a window of its own, but still a child.
        found = self.window.findChild(kind, name)
        assert found is not None, name
        return found

    def xdotool(self, *words: str) -> None:
        self._tools.append(subprocess.Popen(["xdotool", *words]))

    def click(self, name: str) -> Step:
        def act() -> bool:
            widget = self.window.findChild(QWidget, name)
            if widget is None or not widget.isVisible() or not widget.isEnabled():
                return False
            at = widget.mapToGlobal(QPoint(min(widget.width() // 2, 60), min(widget.height() // 2, 20)))
            self.xdotool("mousemove", str(at.x()), str(at.y()), "click", "1")
            return True

        return act

    def click_tab(self, title: str, tabs: str = "env-tabs") -> Step:
        def act() -> bool:
            bar = self.widget(QTabWidget, tabs).tabBar()
            number = next(number for number in range(bar.count()) if bar.tabText(number) == title)
            at = bar.mapToGlobal(bar.tabRect(number).center())
            self.xdotool("mousemove", str(at.x()), str(at.y()), "click", "1")
            return True

        return act

    def type(self, text: str, *, replace: bool = False) -> Step:
        def act() -> bool:
            keys = ["key", "ctrl+a"] if replace else []
            self.xdotool(*keys, "type", "--delay", "8", text)
            return True

        return act

    def key(self, name: str) -> Step:
        def act() -> bool:
            self.xdotool("key", name)
            return True

        return act

    def until(self, condition: Callable[[], bool]) -> Step:
        return condition

    def state(self) -> str:
        return self.widget(QLabel, "task-state").text()

    # -- the story ---------------------------------------------------------------------------------

    def _play(self) -> Iterator[Step]:
        yield self.click("new-environment")
        yield self.click("env-name")
        yield self.type(NAME, replace=True)
        yield self.click("env-base-image")
        yield self.type(self.base, replace=True)
        agent = self.widget(QComboBox, "env-agent")
        # On by Tab; letters choose in the list without opening it.
        yield self.key("Tab")
        yield self.type("shell")
        yield self.until(lambda: agent.currentText() == "shell")
        yield self.click_tab("Preflight")
        yield self.click_tab("Cached preflight", "preflight-tabs")
        yield self.click("env-cached-preflight")
        yield self.type("sleep 1; echo baked >/baked")
        yield self.click("save-environment")
        yield self.until(lambda: self.widget(QAbstractButton, "run-environment").isEnabled())
        print("saved", flush=True)
        for cache in ("built", "hit"):
            yield self.click("run-environment")
            yield self.click("task-prompt")
            yield self.type("cat /baked; echo by $AGENTS_RUNNER_ENVIRONMENT", replace=True)
            beats = self._beats
            yield self.click("run-task")
            yield self.until(lambda: "succeeded" in self.state())
            log = self.widget(QPlainTextEdit, "task-log")
            yield self.until(lambda log=log: f"by {NAME}" in log.toPlainText())  # type: ignore[misc]
            words = self.window.task.phases.texts()
            assert cache in words, words
            print(f"run {cache} beats {self._beats - beats}", flush=True)
            self.window.go(0)
        self.window.go(3)
        yield self.click("clean-images")
        yield self.until(lambda: self.window.findChild(QWidget, "confirm-clean") is not None)
        report = self.widget(QPlainTextEdit, "clean-report").toPlainText()
        assert "agent-runner-env:" in report, report
        yield self.click("confirm-clean")
        yield self.until(lambda: "freed" in self.widget(QLabel, "clean-said").text())
        print(self.widget(QLabel, "clean-said").text(), flush=True)
        self.window.grab().save(str(self.folder / "end.png"))


def main() -> int:
    app = application()
    Theme(app, "light").apply()
    services = build_services()
    window = MainWindow(services)
    window.move(0, 0)
    window.show()
    driver = Driver(window, sys.argv[1], Path(sys.argv[2]))
    app.exec()
    driver.timer.stop()
    window.hide()
    window.close()
    services.system.close()
    return driver.status


if __name__ == "__main__":
    sys.exit(main())
