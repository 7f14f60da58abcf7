"""Processes of this program beside the window: how they find its modules, and how they are ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QProcessEnvironment

import agents_runner

_END_MS = 1000


def command_of(module: str) -> tuple[str, ...]:
    """What runs a module. `-P`: the folder that the window was started in is not to be trusted with modules."""
    return (sys.executable, "-P", "-m", module)


def environment() -> QProcessEnvironment:
    """The window's own, with the place that this program's modules come from."""
    made = QProcessEnvironment.systemEnvironment()
    package = str(Path(agents_runner.__file__).resolve().parents[1])
    made.insert("PYTHONPATH", os.pathsep.join(filter(None, (package, made.value("PYTHONPATH")))))
    return made


def end(process: QProcess | None) -> None:
    """End it without a word: none of its signals comes any more."""
    if process is not None:
        process.blockSignals(True)
        process.kill()
        process.waitForFinished(_END_MS)
        process.deleteLater()
