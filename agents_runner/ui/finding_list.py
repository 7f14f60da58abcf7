"""The warnings of a script as a list below its editor: a click or Return goes to the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QListView, QSizePolicy

from agents_runner.preflight.messages import Finding
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.widgets import tip

ROWS = 3
"""Rows that are seen without scrolling."""
_ROW_HEIGHT = 24
Role = Qt.ItemDataRole


class FindingModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Finding, ...] = ()

    def set_rows(self, rows: Sequence[Finding]) -> None:
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        one = self.rows[index.row()]
        if role in {Role.DisplayRole, Role.AccessibleTextRole}:
            return f"Line {one.line}: {one.message} {one.hint}".strip()
        if role == Role.ToolTipRole:
            return tip(f"{one.message}\n{one.hint}\n\nRule: {one.rule}")
        if role == Role.SizeHintRole:
            return QSize(0, _ROW_HEIGHT)
        if role == Role.ForegroundRole and one.severe:
            return QColor(current_tokens().danger)
        return None


class FindingList(QListView):
    """`chosen` carries a line."""

    chosen = Signal(int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Warnings")
        self.model_ = FindingModel()
        self.setModel(self.model_)
        self.setUniformItemSizes(True)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._choose)
        self.hide()

    def show_findings(self, findings: Sequence[Finding]) -> None:
        if tuple(findings) != self.model_.rows:
            self.model_.set_rows(findings)
            self.updateGeometry()
        self.setVisible(bool(findings))

    def sizeHint(self) -> QSize:
        rows = min(ROWS, max(1, len(self.model_.rows)))
        return QSize(200, rows * _ROW_HEIGHT + 2 * self.frameWidth() + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.sizeHint().height())

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.model_.rows[index.row()].line)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._choose(self.currentIndex())
        else:
            super().keyPressEvent(event)
