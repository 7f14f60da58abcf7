"""Small parts that every page uses: titles, fields with their errors, banners."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QFontDatabase, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from agents_runner.ui.tokens import GRID


def plain(text: str = "", role: str = "", *, wrap: bool = False) -> QLabel:
    """A label that shows text as it is, never as markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(wrap)
    if role:
        label.setProperty("role", role)
    return label


def button(text: str, name: str, role: str = "", tip: str = "") -> QPushButton:
    made = QPushButton(text)
    made.setObjectName(name)
    made.setToolTip(tip)
    made.setAutoDefault(False)
    if role:
        made.setProperty("role", role)
    return made


def code_editor(name: str, tip: str, placeholder: str = "") -> QPlainTextEdit:
    """A plain editor in the fixed-width font; Tab moves on, so that the keyboard can leave it."""
    made = QPlainTextEdit()
    made.setObjectName(name)
    made.setToolTip(tip)
    made.setPlaceholderText(placeholder)
    made.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    made.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    made.setTabChangesFocus(True)
    return made


def exact_text(editor: QPlainTextEdit) -> str:
    """The text as typed: `toPlainText` would turn no-break spaces into plain ones."""
    return editor.document().toRawText().replace("\u2029", "\n").replace("\u2028", "\n")


def same_lines(text: str) -> str:
    """The text as an editor shows it: with LF line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class ElidedLabel(QLabel):
    """One line that shortens its middle to fit, with the whole text as its tool tip."""

    def __init__(self, text: str = "", role: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(80)
        if role:
            self.setProperty("role", role)
        self._text = ""
        self.set_text(text)

    def set_text(self, text: str) -> None:
        self._text = text.replace("\n", " ")
        self.setAccessibleName(self._text)
        self._elide()

    def whole_text(self) -> str:
        return self._text

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideMiddle, max(40, self.width()))
        self.setText(shown)
        self.setToolTip(self._text if shown != self._text else "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()


class NarrowRows(QStyledItemDelegate):
    """Rows of a list as wide as the list and no wider: long texts are shortened, not cut."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(10, super().sizeHint(option, index).height())


class Field(QWidget):
    """An editor with a place for its error right below it."""

    def __init__(self, editor: QWidget, *, extra: QWidget | None = None) -> None:
        super().__init__()
        self.editor = editor
        self.error = plain(role="error", wrap=True)
        self.error.setObjectName(f"{editor.objectName()}-error")
        self.error.hide()
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(editor, 1)
        if extra is not None:
            row.addWidget(extra)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addLayout(row)
        layout.addWidget(self.error)
        self.setFocusProxy(editor)

    def show_error(self, text: str) -> None:
        self.error.setText(text)
        self.error.setVisible(bool(text))
        self.editor.setProperty("invalid", bool(text))
        self.editor.style().unpolish(self.editor)
        self.editor.style().polish(self.editor)


class Banner(QFrame):
    """A sentence across the page, with an action if there is one."""

    acted = Signal()

    def __init__(self, name: str, action: str = "") -> None:
        super().__init__()
        self.setObjectName(name)
        self.setProperty("role", "banner")
        self._label = plain(wrap=True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID, GRID, GRID)
        layout.addWidget(self._label, 1)
        if action:
            act = button(action, f"{name}-action")
            act.clicked.connect(self.acted)
            layout.addWidget(act)
        self.hide()

    def show_text(self, text: str) -> None:
        self._label.setText(text)
        self.setVisible(bool(text))

    def text(self) -> str:
        return self._label.text()


def page_layout(page: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout(page)
    layout.setContentsMargins(GRID * 3, GRID * 2, GRID * 3, GRID * 2)
    layout.setSpacing(GRID * 2)
    return layout


def row(*widgets: QWidget, stretch_at: int | None = None) -> QHBoxLayout:
    """Widgets beside each other; the free space goes behind widget number `stretch_at` (at the end if None)."""
    layout = QHBoxLayout()
    layout.setSpacing(GRID)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget)
        if number == stretch_at:
            layout.addStretch(1)
    if stretch_at is None:
        layout.addStretch(1)
    return layout
