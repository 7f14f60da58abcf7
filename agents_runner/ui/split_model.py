"""The statements of a split as a table: lines, stage, certainty, text and reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QFontDatabase

from agents_runner.preflight.messages import Piece
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.widgets import tip

COLUMNS = ("Line", "Stage", "Sure", "Statement", "Reason")
LINE, STAGE, SURE, STATEMENT, REASON = range(5)
Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole


def lines_of(piece: Piece) -> str:
    """`12` or `12-15`."""
    if piece.end_line == piece.start_line:
        return str(piece.start_line)
    return f"{piece.start_line}-{piece.end_line}"


def first_line(piece: Piece) -> str:
    """The line that tells most: the first one that is no comment, if there is one."""
    lines = [line.strip() for line in piece.text.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith("#")]
    return (code or lines or [""])[0][:300]


def line_list(pieces: Sequence[Piece]) -> str:
    """`line 3`, `lines 3 and 5-7`, `lines 1, 4 and 9`; many are counted."""
    words = [lines_of(piece) for piece in pieces]
    if len(words) == 1:
        return f"line {words[0]}" if "-" not in words[0] else f"lines {words[0]}"
    if len(words) > 6:
        return f"lines {', '.join(words[:5])} and {len(words) - 5} more statements"
    return f"lines {', '.join(words[:-1])} and {words[-1]}"


class SplitTable(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: tuple[Piece, ...] = ()
        self._mono = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self._mono.setPixelSize(13)

    def set_pieces(self, pieces: tuple[Piece, ...]) -> None:
        """Show these; the selection stays where the statements are the same."""
        if [one.text for one in pieces] != [one.text for one in self.pieces]:
            self.beginResetModel()
            self.pieces = pieces
            self.endResetModel()
            return
        self.pieces = pieces
        if pieces:
            self.dataChanged.emit(self.index(0, 0), self.index(len(pieces) - 1, len(COLUMNS) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.pieces)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Role.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        piece, column = self.pieces[index.row()], index.column()
        if role == Role.FontRole:
            return self._mono if column == STATEMENT else None
        made: dict[int, Callable[[], Any]] = {
            Role.DisplayRole: lambda: self._text(piece, column),
            Role.AccessibleTextRole: lambda: " ".join(
                f"{name}: {self._text(piece, number)}" for number, name in enumerate(COLUMNS)
            ),
            Role.ToolTipRole: lambda: tip(f"{piece.reason}\n\n{piece.text.rstrip()}"),
            Role.ForegroundRole: lambda: self._color(piece, column),
        }
        return made[role]() if role in made else None

    @staticmethod
    def _text(piece: Piece, column: int) -> str:
        if column == LINE:
            return lines_of(piece)
        if column == STAGE:
            return f"{piece.stage} •" if piece.moved else piece.stage
        if column == SURE:
            return "yes" if piece.certain else "not sure"
        return first_line(piece) if column == STATEMENT else piece.reason

    @staticmethod
    def _color(piece: Piece, column: int) -> QColor | None:
        tokens = current_tokens()
        if column == STAGE:
            return QColor({"cached": tokens.good, "run": tokens.busy}.get(piece.stage, tokens.muted))
        if column == SURE and not piece.certain:
            return QColor(tokens.warn)
        if piece.kind != "code" or column == LINE:
            return QColor(tokens.muted)
        return None
