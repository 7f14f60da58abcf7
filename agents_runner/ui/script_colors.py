"""Colours a script's text in bites: a quote typed in the first line turns all others, and must not block anybody."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QColor, QFont, QTextBlock, QTextCharFormat, QTextDocument, QTextLayout

from agents_runner.ui.shell_lexer import START, Span, State, lex
from agents_runner.ui.theme import current_tokens

BITE_S = 0.0015
"""Seconds of the window's thread at a time."""
FIRST_BITE_S = 0.0008
"""What a key may take at once: some ten lines; its own line is always among them."""


class ScriptColors(QObject):
    """Keeps a document's colours up to date; the text, its undo steps and its revision stay untouched."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self._document = document
        self._states: list[State] = [START]
        self._numbers: dict[State, int] = {START: 0}
        self._formats: dict[str, QTextCharFormat] = {}
        self._from = 0
        self._to = -1
        self._blocks = document.blockCount()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._bite)
        self._make_formats()
        document.contentsChange.connect(self._changed)

    def settled(self) -> bool:
        """True once every line has its colours."""
        return self._to < 0

    def recolor(self) -> None:
        """After a change of the theme; nothing happens if it is the same."""
        if current_tokens() is self._tokens:
            return
        self._make_formats()
        self._from, self._to = 0, self._document.blockCount() - 1
        self._timer.start()

    def _make_formats(self) -> None:
        t = self._tokens = current_tokens()
        looks = {
            "comment": (t.muted, False, True),
            "mark": (t.good, True, False),
            "string": (t.good, False, False),
            "variable": (t.warn, False, False),
            "keyword": (t.busy, True, False),
            "builtin": (t.busy, False, False),
        }
        self._formats.clear()
        for kind, (color, bold, italic) in looks.items():
            made = QTextCharFormat()
            made.setForeground(QColor(color))
            made.setFontItalic(italic)
            if bold:
                made.setFontWeight(QFont.Weight.Bold)
            self._formats[kind] = made

    @Slot(int, int, int)
    def _changed(self, position: int, _removed: int, added: int) -> None:
        document = self._document
        count = document.blockCount()
        grown, self._blocks = count - self._blocks, count
        first = document.findBlock(position).blockNumber()
        # An insertion at the very end is behind the last position that a block has.
        end = document.findBlock(position + added)
        last = end.blockNumber() if end.isValid() else count - 1
        if self._to < 0:
            self._from, self._to = first, last
        else:
            waiting = self._from if self._from < first else max(first, self._from + grown)
            self._from, self._to = min(first, waiting), min(max(last, self._to + grown), count - 1)
        self._work(FIRST_BITE_S)

    @Slot()
    def _bite(self) -> None:
        self._work(BITE_S)

    def _work(self, seconds: float) -> None:
        deadline = time.perf_counter() + seconds
        block = self._document.findBlockByNumber(self._from)
        before = block.previous()
        number = max(0, before.userState()) if before.isValid() else 0
        while block.isValid():
            spans, after = lex(block.text(), self._states[number])
            number = self._number(after)
            was = block.userState()
            block.setUserState(number)
            self._color(block, spans)
            at = block.blockNumber()
            if at >= self._to and was == number:
                break
            block = block.next()
            self._from = at + 1
            # What follows is coloured anew if this line's end is another.
            if was != number:
                self._to = max(self._to, min(at + 1, self._blocks - 1))
            if time.perf_counter() > deadline and block.isValid():
                self._timer.start()
                return
        self._to = -1
        self._timer.stop()

    def _number(self, state: State) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
        return number

    def _color(self, block: QTextBlock, spans: list[Span]) -> None:
        layout = block.layout()
        if not spans and not layout.formats():
            return
        wide = not block.text().isascii()
        ranges = []
        for begin, length, kind in spans:
            one = QTextLayout.FormatRange()
            one.start, one.length = _units(block.text(), begin, length) if wide else (begin, length)
            one.format = self._formats[kind]
            ranges.append(one)
        layout.setFormats(ranges)
        self._document.markContentsDirty(block.position(), block.length())


def _units(text: str, begin: int, length: int) -> tuple[int, int]:
    """Qt counts in UTF-16 units, Python in characters."""
    before = len(text[:begin].encode("utf-16-le", "surrogatepass")) // 2
    return before, len(text[begin : begin + length].encode("utf-16-le", "surrogatepass")) // 2
