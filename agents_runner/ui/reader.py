"""A long text to read: Home and End reach its ends, Ctrl+F finds in it without holding up the window."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from PySide6.QtCore import QPoint, Qt, QTimer, Slot
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from agents_runner.ui.find_bar import FindBar, units
from agents_runner.ui.widgets import set_role

_SLICE_S = 0.003
"""How long the search may work before the window gets its thread back, in seconds."""


class Reader(QPlainTextEdit):
    """Read-only. Qt moves a cursor that nobody sees with these keys, or nothing at all."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.modifiers() & ~(Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.KeypadModifier):
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Home:
            self.verticalScrollBar().setValue(self.verticalScrollBar().minimum())
            self.horizontalScrollBar().setValue(self.horizontalScrollBar().minimum())
        elif event.key() == Qt.Key.Key_End:
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        else:
            super().keyPressEvent(event)


class ReaderFindBar(FindBar):
    """Looks line by line, in slices of a few milliseconds; the text may grow and lose its beginning meanwhile.

    It tells where the next one is, not how many there are: that would mean to read all of it.
    """

    def __init__(self, reader: Reader, owner: QWidget) -> None:
        # Wherever the focus is on the page: its keys count while `owner` is seen.
        super().__init__(reader, owner, Qt.ShortcutContext.WindowShortcut)
        self._reader = reader
        self._search: Iterator[tuple[int, int] | None] = iter(())
        self._slices = QTimer(self)
        self._slices.setInterval(0)
        self._slices.timeout.connect(self._slice)

    def settled(self) -> bool:
        """True while nothing is searched for."""
        return not self._slices.isActive()

    @Slot()
    def open_bar(self) -> None:
        """Open it; the search begins with what is seen, or with what is selected."""
        if not self._reader.textCursor().hasSelection():
            self._reader.setTextCursor(self._reader.cursorForPosition(QPoint(0, 0)))
        super().open_bar()

    @Slot()
    def close_bar(self) -> None:
        self._slices.stop()
        super().close_bar()

    @Slot()
    def find_next(self) -> None:
        cursor = self._reader.textCursor()
        self._seek(cursor.selectionEnd(), back=False)

    @Slot()
    def find_previous(self) -> None:
        self._seek(self._reader.textCursor().selectionStart(), back=True)

    @Slot()
    def _sought(self) -> None:
        self._seek(self._reader.textCursor().selectionStart(), back=False)

    @Slot()
    def _recount(self) -> None:
        self._timer.stop()

    @Slot()
    def _say(self) -> None:
        """Said by the search itself."""

    def _seek(self, start: int, *, back: bool) -> None:
        sought = self.line.text()
        self._tell("")
        self._slices.stop()
        if sought:
            self._search = self._looked(sought, start, back=back)
            self._slice()

    def _looked(self, sought: str, start: int, *, back: bool) -> Iterator[tuple[int, int] | None]:
        """A step a line: None, or the place and the length of the first one found, around the end."""
        document = self._reader.document()
        first = document.findBlock(start)
        number, offset = first.blockNumber(), start - first.position()
        step = -1 if back else 1
        # By numbers: a block that is held here may be gone when the next slice begins.
        for line in range(document.blockCount() + 1):
            block = document.findBlockByNumber((number + step * line) % document.blockCount())
            text = block.text()
            found = [(units(text[:at]), units(text[at:end])) for at, end in _spans(text, sought)]
            if line == 0:
                found = [one for one in found if (one[0] < offset if back else one[0] >= offset)]
            if found:
                place, length = found[-1 if back else 0]
                yield block.position() + place, length
            yield None

    @Slot()
    def _slice(self) -> None:
        end = time.monotonic() + _SLICE_S
        for found in self._search:
            if found is not None:
                self._slices.stop()
                self._mark(*found)
                return
            if time.monotonic() > end:
                self._tell("Looking ...")
                self._slices.start()
                return
        self._slices.stop()
        self._tell("Not found", "error")

    def _mark(self, place: int, length: int) -> None:
        cursor = self._reader.textCursor()
        cursor.setPosition(place)
        cursor.setPosition(place + length, QTextCursor.MoveMode.KeepAnchor)
        self._reader.setTextCursor(cursor)
        self._reader.ensureCursorVisible()
        self._tell("Found")

    def _tell(self, text: str, role: str = "muted") -> None:
        set_role(self.count, role)
        self.count.setText(text)


def _spans(text: str, sought: str) -> list[tuple[int, int]]:
    """Where it stands in one line, whatever its case."""
    # Most lines are plain and hold nothing: they are passed over quickly.
    if text.isascii() and sought.isascii() and sought.lower() not in text.lower():
        return []
    return [one.span() for one in re.finditer(re.escape(sought), text, re.IGNORECASE)]


class ReaderTab(QWidget):
    """A reader with its find bar below it."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.find_bar = ReaderFindBar(reader, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(reader, 1)
        layout.addWidget(self.find_bar)
        self.setFocusProxy(reader)
