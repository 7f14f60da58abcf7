"""A live log: plain text only, appended in batches, following its end unless a person scrolled up."""

from __future__ import annotations

import re
from collections.abc import Iterable

from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPlainTextEdit

from agents_runner.ui.widgets import code_editor

MAX_LINES = 20_000
MAX_SHOWN = 4_000
"""Characters of one line that are shown; the whole line is in the log file."""
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[@-Z\\-_a-z0-9=>()#%])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MARKS = {"stdout": "  ", "stderr": "! ", "system": "# "}


def shown_text(line: str) -> str:
    """A line as it is shown: the last state of a progress bar, without escape sequences and controls."""
    text = line.rstrip("\r")
    text = text.rsplit("\r", 1)[-1] if "\r" in text else text
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + " ..."


class LogView:
    """Wraps the editor that shows the lines; the first two characters of each tell its stream."""

    def __init__(self) -> None:
        self.widget: QPlainTextEdit = code_editor("task-log", "", "No output yet.")
        self.widget.setReadOnly(True)
        self.widget.setMaximumBlockCount(MAX_LINES)
        self.widget.setAccessibleName("Log")
        self.widget.setUndoRedoEnabled(False)

    def clear(self) -> None:
        self.widget.clear()

    def append(self, lines: Iterable[tuple[str, str]]) -> None:
        """(stream, line) pairs; a person who scrolled up keeps the place."""
        text = "\n".join(_MARKS.get(stream, "  ") + shown_text(line) for stream, line in lines)
        if not text:
            return
        bar = self.widget.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 2
        cursor = QTextCursor(self.widget.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text if self.widget.document().isEmpty() else "\n" + text)
        if at_end:
            bar.setValue(bar.maximum())
