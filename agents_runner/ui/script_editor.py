"""The editor of a script: line numbers, colours, and warnings in its margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QSize, Qt, Slot
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPolygonF,
    QResizeEvent,
    QTextBlock,
    QTextCursor,
    QWheelEvent,
)
from PySide6.QtWidgets import QPlainTextEdit, QToolTip, QWidget

from agents_runner.preflight.messages import Finding
from agents_runner.ui.script_colors import ScriptColors
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import exact_text, set_up_code, tip

_MARK = 12
"""Width of a warning's mark, in pixels."""


class ScriptEditor(QPlainTextEdit):
    """Plain text in, plain text out; what it shows beside the text is no part of it."""

    def __init__(self, name: str, hint: str, placeholder: str = "") -> None:
        super().__init__()
        set_up_code(self, name, hint, placeholder)
        self.setProperty("script", True)
        self._findings: dict[int, list[Finding]] = {}
        self._lines = 1
        self._read = (-1, "")
        self._first = 1
        self.colors = ScriptColors(self.document())
        self.margin = Margin(self)
        self.margin.setObjectName(f"{name}-margin")
        self.blockCountChanged.connect(self._fit)
        self.updateRequest.connect(self._scrolled)
        self.cursorPositionChanged.connect(self.margin.update)
        self.document().contentsChange.connect(self._shift)
        self._fit()

    # -- text --------------------------------------------------------------------------------------

    def text(self) -> str:
        """As typed; read from the document once for each revision of it, for the form asks with every key."""
        revision = self.document().revision()
        if self._read[0] != revision:
            self._read = (revision, exact_text(self))
        return self._read[1]

    def setPlainText(self, text: str) -> None:
        self._read = (-1, "")
        super().setPlainText(text)

    def replace_text(self, text: str) -> None:
        """Put another text in, as one step that can be undone."""
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)
        cursor.endEditBlock()
        start = self.textCursor()
        start.movePosition(QTextCursor.MoveOperation.Start)
        self.setTextCursor(start)

    def go_to_line(self, line: int) -> None:
        """Select a line (1-based), bring it to sight and take the focus."""
        block = self.document().findBlockByNumber(max(0, min(line, self.blockCount()) - 1))
        cursor = QTextCursor(block)
        cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)
        self.centerCursor()
        self.setFocus()

    # -- warnings ----------------------------------------------------------------------------------

    def show_findings(self, findings: Sequence[Finding]) -> None:
        self._findings = {}
        for one in findings:
            self._findings.setdefault(min(one.line, self.blockCount()), []).append(one)
        self.margin.update()

    def findings_at(self, line: int) -> list[Finding]:
        return self._findings.get(line, [])

    def marked_lines(self) -> list[int]:
        """The lines with a mark in the margin, in order."""
        return sorted(self._findings)

    @Slot(int, int, int)
    def _shift(self, position: int, _removed: int, _added: int) -> None:
        """Until the next check, a mark stays with its line."""
        count = self.document().blockCount()
        grown, self._lines = count - self._lines, count
        if not grown or not self._findings:
            return
        block = self.document().findBlock(position)
        edited = block.blockNumber() + 1
        # Return at the beginning of a line pushes that line down.
        below = edited if position == block.position() else edited + 1
        moved: dict[int, list[Finding]] = {}
        for line, found in self._findings.items():
            target = max(line + grown, edited) if line >= below else line
            moved.setdefault(max(1, min(target, count)), []).extend(found)
        self._findings = moved

    def tip_at(self, line: int) -> str:
        """What is wrong with a line, and what to do about it; "" if nothing is."""
        return "\n\n".join(f"{one.message}\n{one.hint}".strip() for one in self.findings_at(line))

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            asked = cast("QHelpEvent", event)
            text = self.tip_at(self.cursorForPosition(asked.pos()).blockNumber() + 1)
            if text:
                QToolTip.showText(asked.globalPos(), tip(text), self)
                return True
        return super().viewportEvent(event)

    def number_from(self, line: int) -> None:
        """Show the number of the first line as this one: the text is a piece of a larger one."""
        if line != self._first:
            self._first = line
            self._fit()
            self.margin.update()

    # -- the margin --------------------------------------------------------------------------------

    def margin_width(self) -> int:
        digits = max(2, len(str(self.blockCount() + self._first - 1)))
        return self.fontMetrics().horizontalAdvance("9") * digits + _MARK + GRID * 2

    @Slot()
    def _fit(self) -> None:
        self.setViewportMargins(self.margin_width(), 0, 0, 0)
        self._place()

    def _place(self) -> None:
        inner = self.contentsRect()
        self.margin.setGeometry(QRect(inner.left(), inner.top(), self.margin_width(), inner.height()))

    @Slot(QRect, int)
    def _scrolled(self, area: QRect, moved: int) -> None:
        if moved:
            self.margin.scroll(0, moved)
        else:
            self.margin.update(0, area.y(), self.margin.width(), area.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.FontChange}:
            # The first of these come while the base class is still being made.
            colors = getattr(self, "colors", None)
            if colors is not None and hasattr(self, "margin"):
                colors.recolor()
                self._fit()

    def line_at(self, y: int) -> int:
        """The line (1-based) at a height in the viewport; 0 below the last one."""
        for block, top, height in self._visible():
            if top <= y < top + height:
                return block.blockNumber() + 1
        return 0

    def _visible(self) -> list[tuple[QTextBlock, float, float]]:
        found = []
        block = self.firstVisibleBlock()
        top = self.blockBoundingGeometry(block).translated(self.contentOffset()).top()
        bottom = self.viewport().height()
        while block.isValid() and top <= bottom:
            height = self.blockBoundingRect(block).height()
            found.append((block, top, height))
            top += height
            block = block.next()
        return found

    def paint_margin(self, event: QPaintEvent) -> None:
        tokens = current_tokens()
        painter = QPainter(self.margin)
        painter.fillRect(event.rect(), QColor(tokens.window))
        painter.setFont(self.font())
        right = self.margin.width() - GRID
        current = self.textCursor().blockNumber()
        height = self.fontMetrics().height()
        for block, top, _ in self._visible():
            number = block.blockNumber()
            painter.setPen(QColor(tokens.text if number == current else tokens.muted))
            place = QRect(_MARK, round(top), right - _MARK, height)
            painter.drawText(
                place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), str(number + self._first)
            )
            found = self._findings.get(number + 1)
            if found:
                severe = any(one.severe for one in found)
                self._paint_mark(painter, top + height / 2, QColor(tokens.danger if severe else tokens.warn))
        painter.end()

    @staticmethod
    def _paint_mark(painter: QPainter, middle: float, color: QColor) -> None:
        """A triangle with a stroke in it: not told by its colour alone."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        left, top, size = 3.0, middle - 5.5, 11.0
        painter.drawPolygon(
            QPolygonF([QPointF(left + size / 2, top), QPointF(left + size, top + size), QPointF(left, top + size)])
        )
        painter.setBrush(QColor(current_tokens().window))
        painter.drawRect(QRect(QPoint(round(left + size / 2 - 0.5), round(top + 4)), QSize(1, 3)))
        painter.drawRect(QRect(QPoint(round(left + size / 2 - 0.5), round(top + 8)), QSize(1, 1)))
        painter.restore()


class Margin(QWidget):
    """Line numbers and warnings beside the text."""

    def __init__(self, editor: ScriptEditor) -> None:
        super().__init__(editor)
        self._editor = editor
        # It paints all of itself: nothing below it is painted first.
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def sizeHint(self) -> QSize:
        return QSize(self._editor.margin_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._editor.paint_margin(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._editor.wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        line = self._editor.line_at(round(event.position().y()))
        if line:
            self._editor.go_to_line(line)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            asked = cast("QHelpEvent", event)
            text = self._editor.tip_at(self._editor.line_at(asked.pos().y()))
            if text:
                QToolTip.showText(asked.globalPos(), tip(text), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)
