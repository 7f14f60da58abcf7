"""The process that shows a desktop live: started, told its address, asked for its window, and missed when it dies."""

from __future__ import annotations

import importlib.util
import json

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal, Slot
from PySide6.QtGui import QGuiApplication

from agents_runner.ui import helper_process
from agents_runner.ui.live_view import NOT_LOADED

_MODULE = "agents_runner.ui.live_view"
_MOST_SAID = 64 * 1024


def available() -> bool:
    """Whether the extra with the browser engine is installed; nothing of it is loaded."""
    return importlib.util.find_spec("PySide6.QtWebEngineWidgets") is not None


def command() -> tuple[str, ...]:
    """What shows a live view."""
    return helper_process.command_of(_MODULE)


class LiveProcess(QObject):
    """At most one process; `opened` has its window's id (0: it stands by itself), `ended` a sentence."""

    opened = Signal(int)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None
        self._request = b""
        self._rest = b""
        self._is_open = False

    def running(self) -> bool:
        return self._process is not None

    def start(self, url: str, title: str) -> None:
        """Show this address; one that is shown already is closed without a word."""
        self.stop()
        embed = QGuiApplication.platformName() == "xcb"
        self._request = json.dumps({"url": url, "title": title, "embed": embed}).encode() + b"\n"
        self._rest = b""
        self._is_open = False
        process = self._process = QProcess(self)
        program, *arguments = command()
        process.setProgram(program)
        process.setArguments(arguments)
        process.setProcessEnvironment(_environment(same_platform=embed))
        # A browser engine is talkative, and what it says may hold the address.
        process.setStandardErrorFile(QProcess.nullDevice())
        process.started.connect(self._started)
        process.readyReadStandardOutput.connect(self._said)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._failed)
        process.start()

    def stop(self) -> None:
        """End it without a word. It keeps nothing, so that it need not be asked."""
        process, self._process = self._process, None
        self._request = b""
        helper_process.end(process)

    @Slot()
    def _started(self) -> None:
        if self._process is not None:
            self._process.write(self._request)
            self._request = b""

    @Slot()
    def _said(self) -> None:
        if self._process is None:
            return
        self._rest = (self._rest + self._process.readAllStandardOutput().data())[-_MOST_SAID:]
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            window = _window_of(line)
            if window is not None and not self._is_open:
                self._is_open = True
                self.opened.emit(window)

    @Slot(int, QProcess.ExitStatus)
    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._process is not None:
            closed = self._is_open and code == 0 and status is QProcess.ExitStatus.NormalExit
            self._over(_sentence(closed=closed, opened=self._is_open, code=code))

    @Slot(QProcess.ProcessError)
    def _failed(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self._over(_sentence(closed=False, opened=False, code=-1))

    def _over(self, sentence: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
            self.ended.emit(sentence)


def _sentence(*, closed: bool, opened: bool, code: int) -> str:
    if closed:
        return "The live view was closed."
    if code == NOT_LOADED:
        return "The live view did not reach the desktop. Reconnect tries again."
    if opened:
        return "The live view ended unexpectedly; the task goes on. Reconnect opens it again."
    return "The live view could not be started. Open in browser shows the same."


def _window_of(line: bytes) -> int | None:
    try:
        said = json.loads(line)
        return int(said["window"])
    except (ValueError, TypeError, KeyError):
        return None


def _environment(*, same_platform: bool) -> QProcessEnvironment:
    made = helper_process.environment()
    if same_platform:
        # A window can only be put into one of the same platform.
        made.insert("QT_QPA_PLATFORM", "xcb")
    return made
