"""Looks for the engine until it answers, and says meanwhile what is the matter."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from agents_runner.core.container import EngineInfo
from agents_runner.core.errors import AgentsRunnerError
from agents_runner.ui.jobs import Jobs, Latest

ENGINE_RETRY_MS = 5000
ENGINE_SILENT_MS = 5000
"""After so long without an answer that is said, and waited on: an engine under load may take its time."""
NO_ANSWER = "The Docker engine has not answered yet. If this stays so, restart it (`sudo systemctl restart docker`)."


class EngineWatch(QObject):
    """Asks off the window's thread, and again by itself where that fails."""

    there = Signal(object)
    """An EngineInfo."""
    away = Signal(str, str)
    """What is the matter: a sentence, and two words for the side."""

    def __init__(self, look: Callable[[], EngineInfo], jobs: Jobs, parent: QObject) -> None:
        super().__init__(parent)
        self._look = look
        self._looks = Latest(jobs)
        self.retry = QTimer(self)
        self.retry.setInterval(ENGINE_RETRY_MS)
        self.retry.timeout.connect(self.check)
        self.silent = QTimer(self)
        self.silent.setSingleShot(True)
        self.silent.setInterval(ENGINE_SILENT_MS)
        self.silent.timeout.connect(self._no_answer)

    @Slot()
    def check(self) -> None:
        if not self.silent.isActive():
            self.silent.start()
        self._looks.run(self._look, self._answered, self._failed)

    def stop(self) -> None:
        self.retry.stop()
        self.silent.stop()

    def _answered(self, info: EngineInfo) -> None:
        self.stop()
        self.there.emit(info)

    def _failed(self, error: AgentsRunnerError) -> None:
        self.silent.stop()
        self.away.emit(str(error), "No engine")
        self.retry.start()

    @Slot()
    def _no_answer(self) -> None:
        self.away.emit(NO_ANSWER, "No answer")
