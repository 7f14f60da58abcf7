"""How an environment looks in the list: its dot and name, the base image below, badges for a cache and for Sudo."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from agents_runner.ui.models import BADGE_ROLE, DETAIL_ROLE, UNSAVED, WARNING_ROLE
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.tokens import GRID

_DOT = 12
_HEIGHT = GRID * 6


class EnvironmentDelegate(QStyledItemDelegate):
    """Draws one row; every text is elided to the width that there is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        # Narrower than any view: the list never scrolls sideways.
        return QSize(GRID * 10, _HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        tokens = current_tokens()
        area: QRect = option.rect
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        if selected:
            painter.fillRect(area, QColor(tokens.selection))
        dot = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(dot, QPixmap):
            painter.drawPixmap(area.left() + GRID, area.top() + GRID + 3, dot)
        inner = area.adjusted(GRID * 2 + _DOT, GRID - 2, -GRID, 2 - GRID)
        top = QRect(inner.left(), inner.top(), inner.width(), inner.height() // 2)
        bottom = QRect(inner.left(), top.bottom() + 1, inner.width(), inner.height() // 2)
        for role, color in ((BADGE_ROLE, tokens.good), (WARNING_ROLE, tokens.warn)):
            shown = tokens.on_selection if selected and role == BADGE_ROLE else color
            width = self._badge(painter, bottom, str(index.data(role) or ""), QColor(shown))
            bottom.setRight(bottom.right() - width)
        name, detail = str(index.data(Qt.ItemDataRole.DisplayRole)), str(index.data(DETAIL_ROLE) or "")
        color = tokens.on_selection if selected else tokens.text
        if name.endswith(UNSAVED):
            # At the end of the row, where no name that is too long takes it away.
            name, mark = name.removesuffix(UNSAVED), UNSAVED.strip()
            width = painter.fontMetrics().horizontalAdvance(mark) + GRID // 2
            self._text(painter, QRect(top.right() - width + 1, top.top(), width, top.height()), mark, color)
            top.setRight(top.right() - width - GRID // 2)
        self._text(painter, top, name, color)
        font = painter.font()
        font.setPixelSize(12)
        painter.setFont(font)
        self._text(painter, bottom, detail, tokens.on_selection if selected else tokens.muted)
        painter.restore()

    @staticmethod
    def _text(painter: QPainter, area: QRect, text: str, color: str) -> None:
        painter.setPen(QColor(color))
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)

    @staticmethod
    def _badge(painter: QPainter, area: QRect, text: str, color: QColor) -> int:
        """Draw the badge at the right end; returns the width that it takes."""
        if not text:
            return 0
        font = painter.font()
        painter.save()
        font.setPixelSize(11)
        painter.setFont(font)
        width = painter.fontMetrics().horizontalAdvance(text) + GRID
        box = QRect(area.right() - width + 1, area.top() + 1, width, area.height() - 2)
        painter.setPen(QPen(color, 1))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawRoundedRect(box.adjusted(0, 0, -1, -1), 4, 4)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
        painter.restore()
        return width + GRID // 2
