"""A live log: plain text only, appended in bites, following its end unless a person scrolled up."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QColor, QResizeEvent, QSyntaxHighlighter, QTextCharFormat, QTextCursor, QTextDocument

from agents_runner.ui.reader import Reader
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.widgets import set_up_code

NO_OUTPUT = "No output yet."
MAX_LINES = 20_000
MAX_SHOWN = 4_000
"""Characters of one line that are shown; the whole line is in the log file."""
BITE = 500
"""Lines put into the view in one go: a few milliseconds of the window's thread."""
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, moves of the cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b[ -/]*[0-~]"
)
# Controls, marks that turn the direction of the text around them, and what would break a line in two.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufdd0\ufdd1\ud800-\udfff]")
_MARKS = {"stdout": "  ", "stderr": "! ", "system": "# "}


def shown_text(line: str) -> str:
    """A line as it is shown: the last state of a progress bar, without escape sequences and controls."""
    text = line[: MAX_SHOWN * 8].rstrip("\r")
    text = text.rsplit("\r", 1)[-1]
    text = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + " ..."


def shown_paragraphs(text: str) -> str:
    """A text of several lines, each as `shown_text` shows it."""
    return "\n".join(shown_text(line) for line in text.replace("\r\n", "\n").split("\n"))


class _Colors(QSyntaxHighlighter):
    """Colours the lines by the mark that each begins with; the mark alone tells it as well."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self._formats: dict[str, QTextCharFormat] = {}
        self.recolor()

    def recolor(self) -> None:
        tokens = current_tokens()
        for mark, color in (("! ", tokens.warn), ("# ", tokens.busy)):
            self._formats[mark] = QTextCharFormat()
            self._formats[mark].setForeground(QColor(color))

    def highlightBlock(self, text: str) -> None:
        format_ = self._formats.get(text[:2])
        if format_ is not None:
            self.setFormat(0, len(text), format_)


class LogView(Reader):
    """The newest lines; the first two characters of each tell its stream."""

    def __init__(self) -> None:
        super().__init__()
        set_up_code(self, "task-log", "Marks: ! the program's error stream, # the application itself.", NO_OUTPUT)
        self.setReadOnly(True)
        self.setMaximumBlockCount(MAX_LINES)
        self.setAccessibleName("Log")
        self.setUndoRedoEnabled(False)
        self._colors = _Colors(self.document())
        self._waiting: deque[tuple[str, str]] = deque(maxlen=MAX_LINES)
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._bite)

    def clear_lines(self) -> None:
        self._waiting.clear()
        self.clear()
        self._colors.recolor()

    def append_lines(self, lines: Iterable[tuple[str, str]]) -> None:
        """(stream, line) pairs, shown a bite at a time; a person who scrolled up keeps the place."""
        self._waiting.extend(lines)
        if self._waiting and not self._timer.isActive():
            self._bite()

    def settled(self) -> bool:
        """True once everything appended is in the view."""
        return not self._waiting

    @Slot()
    def _bite(self) -> None:
        bite = [self._waiting.popleft() for _ in range(min(BITE, len(self._waiting)))]
        if self._waiting:
            self._timer.start()
        else:
            self._timer.stop()
        if not bite:
            return
        text = "\n".join(_MARKS.get(stream, "  ") + shown_text(line) for stream, line in bite)
        at_end = self._at_end()
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text if self.document().isEmpty() else "\n" + text)
        if at_end:
            self._to_end()

    def _at_end(self) -> bool:
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - 2

    def _to_end(self) -> None:
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())

    def resizeEvent(self, event: QResizeEvent) -> None:
        at_end = self._at_end()
        super().resizeEvent(event)
        if at_end:
            self._to_end()
