"""Small parts that every page uses: titles, fields with their errors, banners, empty pages."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontDatabase, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from agents_runner.ui.tokens import GRID

_LONG_WORD = re.compile(r"\S{32}(?=\S)")
_BREAK = "\u200b"
MAX_SENTENCE = 240
"""Characters of a sentence in a banner or at a field; the whole of it is in the tool tip."""


def tip(text: str) -> str:
    """A tool tip that shows text as it is: Qt would take a tip that looks like markup for markup."""
    return f'<p style="white-space: pre-wrap">{html.escape(text[:2000])}</p>' if text else ""


def breakable(text: str) -> str:
    """The text with invisible places to break in words that no label is wide enough for."""
    return _LONG_WORD.sub(lambda found: found[0] + _BREAK, text)


def brief(text: str, most: int = MAX_SENTENCE) -> str:
    """A sentence with its middle left out where it quotes something endless, and with places to break."""
    cut = text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2) :]}"
    return breakable(cut)


def plain(text: str = "", role: str = "", *, wrap: bool = False) -> QLabel:
    """A label that shows text as it is, never as markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(wrap)
    if role:
        label.setProperty("role", role)
    return label


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget another look; the style sheet's rules are read again for it."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def button(text: str, name: str, role: str = "", hint: str = "") -> QPushButton:
    made = QPushButton(text)
    made.setObjectName(name)
    made.setToolTip(tip(hint))
    made.setAutoDefault(False)
    if role:
        made.setProperty("role", role)
    return made


def set_up_code(editor: QPlainTextEdit, name: str, hint: str, placeholder: str = "") -> None:
    """The fixed-width font, no wrapping; Tab moves on, so that the keyboard can leave the editor."""
    editor.setObjectName(name)
    editor.setToolTip(tip(hint))
    editor.setPlaceholderText(placeholder)
    editor.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    editor.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    editor.setTabChangesFocus(True)


def code_editor(name: str, hint: str, placeholder: str = "") -> QPlainTextEdit:
    made = QPlainTextEdit()
    set_up_code(made, name, hint, placeholder)
    return made


def exact_text(editor: QPlainTextEdit) -> str:
    """The text as typed: `toPlainText` would turn no-break spaces into plain ones."""
    return editor.document().toRawText().replace("\u2029", "\n").replace("\u2028", "\n")


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
        self.setToolTip(tip(self._text) if shown != self._text else "")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()


class Field(QWidget):
    """An editor with a place for its error right below it."""

    def __init__(self, editor: QWidget, label: str, *, extra: QWidget | None = None) -> None:
        super().__init__()
        self.editor = editor
        editor.setAccessibleName(label)
        self.error = plain(role="error", wrap=True)
        self.error.setObjectName(f"{editor.objectName()}-error")
        self.error.hide()
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID)
        line.addWidget(editor, 1)
        if extra is not None:
            line.addWidget(extra)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addLayout(line)
        layout.addWidget(self.error)
        self.setFocusProxy(editor)
        # A label hands its letter's focus on only to a buddy that takes the focus itself.
        self.setFocusPolicy(editor.focusPolicy())

    def show_error(self, text: str) -> None:
        self.error.setText(brief(text))
        self.error.setToolTip(tip(text))
        self.error.setVisible(bool(text))
        # Also for those who hear the window.
        self.editor.setAccessibleDescription(text)
        self.editor.setProperty("invalid", bool(text))
        self.editor.style().unpolish(self.editor)
        self.editor.style().polish(self.editor)


class Banner(QFrame):
    """A sentence across the page, with an action if there is one."""

    acted = Signal()

    def __init__(self, name: str, action: str = "", *, lines: int = 4) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setProperty("role", "banner")
        self._lines = lines
        self._label = plain(wrap=True)
        self._text = ""
        layout = QHBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(self._label, 1)
        self._action = button(action, f"{name}-action")
        self._action.clicked.connect(self.acted)
        self._action.setVisible(bool(action))
        layout.addWidget(self._action)
        self.hide()

    def show_text(self, text: str, *, action: bool = True) -> None:
        """Show a sentence or several, a line each; "" hides the banner."""
        self._text = text
        lines = text.split("\n")
        most = self._lines
        shown = lines if len(lines) <= most else [*lines[: most - 1], f"... and {len(lines) - most + 1} more."]
        self._label.setText("\n".join(brief(line) for line in shown))
        self.setToolTip(tip(text))
        self._action.setVisible(action and bool(self._action.text()))
        self.setVisible(bool(text))

    def text(self) -> str:
        return self._text


class EmptyPage(QWidget):
    """One sentence where there is nothing yet, and the action that changes that."""

    acted = Signal()

    def __init__(self, name: str, sentence: str, action: str) -> None:
        super().__init__()
        self.setObjectName(name)
        label = plain(sentence, "muted", wrap=True)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.act = button(action, f"{name}-action", "primary")
        self.act.clicked.connect(self.acted)
        layout = QVBoxLayout(self)
        layout.setSpacing(GRID * 2)
        layout.addStretch(1)
        layout.addWidget(label)
        layout.addWidget(self.act, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)


class FittingArea(QScrollArea):
    """As high as what is in it, where there is room for that; else it scrolls, so that nothing is squeezed."""

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        body = self._body = QWidget()
        body.setObjectName("fitting-body")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        for widget in widgets:
            layout.addWidget(widget)
        self.setWidget(body)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        body.installEventFilter(self)

    def sizeHint(self) -> QSize:
        layout = self._body.layout()
        width = self.viewport().width()
        wanted = layout.totalHeightForWidth(width) if layout is not None and layout.hasHeightForWidth() else -1
        return QSize(width, wanted if wanted >= 0 else self._body.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(GRID * 20, min(self.sizeHint().height(), GRID * 12))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()


class QuietWheel(QObject):
    """Keeps the wheel from changing a field that a person only scrolls past."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


class OwnColors(QStyledItemDelegate):
    """A text that its model colours keeps the colour while its row is selected."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        color = index.data(Qt.ItemDataRole.ForegroundRole)
        if isinstance(color, QColor):
            palette = option.palette
            palette.setColor(QPalette.ColorRole.HighlightedText, color)
            option.palette = palette


def table_view(name: str, label: str) -> QTableView:
    view = QTableView()
    set_up_table(view, name, label)
    return view


def set_up_table(view: QTableView, name: str, label: str) -> None:
    """Whole rows, no grid; Tab moves on, so that the keyboard can leave the table."""
    view.setObjectName(name)
    view.setAccessibleName(label)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setShowGrid(False)
    view.setItemDelegate(OwnColors(view))
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(GRID * 4)
    view.setTextElideMode(Qt.TextElideMode.ElideRight)
    view.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    view.horizontalHeader().setHighlightSections(False)
    view.horizontalHeader().setMinimumSectionSize(GRID * 6)


def fit_columns(view: QTableView, samples: Sequence[str], *, stretch: int) -> None:
    """Make each column as wide as its sample needs in this font; column `stretch` takes the rest."""
    view.ensurePolished()
    for column, sample in enumerate(samples):
        view.setColumnWidth(column, view.fontMetrics().horizontalAdvance(sample) + GRID * 2)
    view.horizontalHeader().setSectionResizeMode(stretch, QHeaderView.ResizeMode.Stretch)


def fit_columns_to_rows(view: QTableView, *, stretch: int, most: int = GRID * 24) -> None:
    """Make each column as wide as its words and its heading, up to `most` pixels; column `stretch` takes the rest."""
    view.ensurePolished()
    header = view.horizontalHeader()
    for column in range(header.count()):
        if column != stretch:
            view.setColumnWidth(
                column, min(most, max(view.sizeHintForColumn(column), header.sectionSizeHint(column)))
            )


def page_layout(page: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout(page)
    layout.setContentsMargins(GRID * 2, GRID * 2, GRID * 2, GRID * 2)
    layout.setSpacing(GRID)
    return layout


def row(*widgets: QWidget, grows: int | None = None) -> QHBoxLayout:
    """Widgets beside each other; widget number `grows` takes the free space (None: it stays at the end)."""
    layout = QHBoxLayout()
    layout.setSpacing(GRID)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if number == grows else 0)
    if grows is None:
        layout.addStretch(1)
    return layout
