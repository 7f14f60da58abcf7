"""The real window as a process of its own, worked by orders on standard input; says on standard output what it saw.

`python -m tests.support.window_program`: each order is a line of JSON, each answer a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODULE = "tests.support.window_program"
LIMIT_S = 60.0


@dataclass
class WindowProcess:
    """For a test: `with WindowProcess(home) as window`; it is killed if it is still there at the end."""

    home: Path
    process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> WindowProcess:
        self.process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            env=os.environ | {"AGENTS_RUNNER_HOME": str(self.home), "QT_QPA_PLATFORM": "offscreen"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.expect("open")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def expect(self, answer: str) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line != f"{answer}\n":
            self.process.kill()
            raise AssertionError(f"{line!r} instead of {answer!r}: {self.process.communicate()[1]}")

    def order(self, order: str, **values: Any) -> None:
        """Give an order and wait until it is done."""
        self.tell(order, **values)
        self.expect(f"done {order}")

    def tell(self, order: str, **values: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"order": order, **values}) + "\n")
        self.process.stdin.flush()

    def close(self, answer: str = "") -> tuple[float, int, str]:
        """Close it and answer its question; returns seconds to the end, exit status and standard error."""
        self.tell("close", answer=answer)
        began = time.monotonic()
        err = self.process.communicate(timeout=LIMIT_S)[1]
        # Of every dialog, by the platform without a screen.
        said = [line for line in err.splitlines() if not line.startswith("This plugin does not support ")]
        return time.monotonic() - began, self.process.returncode, "\n".join(said)


def main() -> int:
    from PySide6.QtCore import QObject, QSocketNotifier, Qt, QTimer, Slot
    from PySide6.QtWidgets import QPushButton

    from agents_runner.app import open_window
    from agents_runner.ui.application import application
    from agents_runner.ui.window import MainWindow

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    class Hands(QObject):
        def __init__(self) -> None:
            super().__init__()
            self._until: Callable[[], bool] | None = None
            self._order = "open"
            self._end = time.monotonic() + LIMIT_S
            self._timer = QTimer(self)
            self._timer.setInterval(20)
            self._timer.timeout.connect(self._tick)
            self._timer.start()
            os.set_blocking(0, False)
            self._rest = b""
            self._notifier = QSocketNotifier(0, QSocketNotifier.Type.Read, self)
            self._notifier.activated.connect(self._read)
            self._until = lambda: self._window() is not None and self._window().settled()

        def _window(self) -> Any:
            return next((one for one in application().topLevelWidgets() if isinstance(one, MainWindow)), None)

        @Slot()
        def _tick(self) -> None:
            if self._until is not None and time.monotonic() >= self._end:
                self._until = None
                say(f"{self._order} did not come about")
            if self._until is not None and self._until():
                self._until = None
                say("open" if self._order == "open" else f"done {self._order}")

        @Slot()
        def _read(self) -> None:
            data = os.read(0, 65536)
            if not data:
                self._notifier.setEnabled(False)
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))

        def _obey(self, order: dict[str, Any]) -> None:
            window, self._order = self._window(), order["order"]
            services = window._services
            self._end = time.monotonic() + LIMIT_S
            if self._order == "run":
                window.new_task.select(order["environment"])
                window.new_task.prompt.setPlainText(order["prompt"])
                window.new_task.run()
                self._until = window.settled
            elif self._order == "wait":
                wanted = (order.get("running", 0), order.get("waiting", 0))
                self._until = lambda: _counts(services) == wanted
            elif self._order == "line":
                self._until = lambda: any(line.startswith(order["text"]) for line in _lines(services))
            elif self._order == "go":
                window.go(order["page"])
                self._until = lambda: window._sidebar.current() == order["page"]
            elif self._order == "on":
                self._until = lambda: window._sidebar.current() == order["page"]
            elif self._order == "hide":
                window.setWindowState(Qt.WindowState.WindowMinimized)
                self._until = window.isMinimized
            elif self._order == "shown":
                self._until = lambda: not window.isMinimized()
            elif self._order == "close":
                window.close()
                if order["answer"]:
                    window.findChild(QPushButton, f"close-{order['answer']}").click()

    def _counts(services: Any) -> tuple[int, int]:
        work = services.runner.active_tasks()
        return len(work.running), len(work.waiting)

    def _lines(services: Any) -> list[str]:
        return [line for task in services.tasks.list() for _, line in services.tasks.log(task.id)]

    application()
    hands = Hands()
    try:
        return open_window()
    finally:
        hands.deleteLater()


if __name__ == "__main__":
    sys.exit(main())
