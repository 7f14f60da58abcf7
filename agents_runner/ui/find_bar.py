"""Find in an editor: Ctrl+F opens it, Return and Shift+Return walk around the text, Escape closes it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPlainTextEdit, QWidget

from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import button, exact_text, plain, set_role

_WAIT_MS = 150


class FindBar(QWidget):
    """Hidden until it is asked for; belongs to one editor and `owner`, where its keys count."""

    def __init__(
        self,
        editor: QPlainTextEdit,
        owner: QWidget,
        context: Qt.ShortcutContext = Qt.ShortcutContext.WidgetWithChildrenShortcut,
    ) -> None:
        super().__init__()
        self._editor = editor
        name = editor.objectName()
        self.line = QLineEdit()
        self.line.setObjectName(f"{name}-find")
        self.line.setPlaceholderText("Find")
        self.line.setAccessibleName("Find")
        self.line.setClearButtonEnabled(True)
        self.count = plain(role="muted")
        self.count.setObjectName(f"{name}-find-count")
        self.count.setMinimumWidth(self.fontMetrics().horizontalAdvance("9999 of 9999 ") + GRID)
        self._previous = button("▲", f"{name}-find-previous", hint="Previous (Shift+Return, Shift+F3)")
        self._next = button("▼", f"{name}-find-next", hint="Next (Return, F3)")
        close = button("✕", f"{name}-find-close", hint="Close (Escape)")
        for one, spoken in ((self._previous, "Previous"), (self._next, "Next"), (close, "Close")):
            one.setAccessibleName(spoken)
            one.setProperty("small", True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(self.line, 1)
        for widget in (self.count, self._previous, self._next, close):
            layout.addWidget(widget)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self._recount)
        self._places: list[int] = []
        self.line.textChanged.connect(self._sought)
        self.line.installEventFilter(self)
        self._previous.clicked.connect(self.find_previous)
        self._next.clicked.connect(self.find_next)
        close.clicked.connect(self.close_bar)
        editor.textChanged.connect(self._text_changed)
        editor.cursorPositionChanged.connect(self._say)
        for keys, act in (
            (QKeySequence(QKeySequence.StandardKey.Find), self.open_bar),
            (QKeySequence("F3"), self.find_next),
            (QKeySequence("Shift+F3"), self.find_previous),
        ):
            shortcut = QShortcut(keys, owner)
            shortcut.setContext(context)
            shortcut.activated.connect(act)
        self.hide()

    @Slot()
    def open_bar(self) -> None:
        """Open it with what is selected, if that is within one line."""
        chosen = self._editor.textCursor().selectedText()
        self.show()
        if chosen and "\u2029" not in chosen:
            self.line.setText(chosen)
        self.line.setFocus()
        self.line.selectAll()
        self._recount()

    @Slot()
    def close_bar(self) -> None:
        self.hide()
        self._editor.setFocus()

    @Slot()
    def find_next(self) -> None:
        self._recount()
        if self._places:
            cursor = self._editor.textCursor()
            find = bisect_right if cursor.hasSelection() else bisect_left
            number = find(self._places, cursor.selectionStart())
            self._show(self._places[number % len(self._places)])

    @Slot()
    def find_previous(self) -> None:
        self._recount()
        if self._places:
            number = bisect_left(self._places, self._editor.textCursor().selectionStart()) - 1
            self._show(self._places[number])

    def _show(self, place: int) -> None:
        cursor = self._editor.textCursor()
        cursor.setPosition(place)
        cursor.setPosition(place + units(self.line.text()), QTextCursor.MoveMode.KeepAnchor)
        self._editor.setTextCursor(cursor)
        self._editor.ensureCursorVisible()
        self._say()

    @Slot()
    def _sought(self) -> None:
        """While it is typed: the first one from where the cursor is."""
        self._recount()
        if self._places:
            number = bisect_left(self._places, self._editor.textCursor().selectionStart())
            self._show(self._places[number % len(self._places)])

    @Slot()
    def _text_changed(self) -> None:
        if self.isVisible():
            self._timer.start()

    @Slot()
    def _recount(self) -> None:
        self._timer.stop()
        sought = self.line.text()
        self._places = places(exact_text(self._editor), sought) if sought else []
        self._say()

    @Slot()
    def _say(self) -> None:
        if not self.isVisible():
            return
        sought, found = self.line.text(), len(self._places)
        set_role(self.count, "error" if sought and not found else "muted")
        if not found:
            self.count.setText("Not found" if sought else "")
            return
        cursor = self._editor.textCursor()
        number = bisect_left(self._places, cursor.selectionStart())
        here = cursor.hasSelection() and number < found and self._places[number] == cursor.selectionStart()
        self.count.setText(f"{number + 1} of {found}" if here else f"{found} found")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            # Escape closes the bar; a page where it is a shortcut as well must not take it first.
            if event.key() == Qt.Key.Key_Escape:
                event.accept()
                return True
        elif event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
                back = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
                (self.find_previous if back else self.find_next)()
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.close_bar()
                return True
        return super().eventFilter(watched, event)


def units(text: str) -> int:
    """Its length as Qt counts it: in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def places(text: str, sought: str) -> list[int]:
    """Where it stands, whatever its case, in Qt's positions."""
    found = [one.start() for one in re.finditer(re.escape(sought), text, re.IGNORECASE)]
    if not text or max(text) <= "\uffff":
        return found
    shift, at, moved = 0, 0, []
    for place in found:
        shift += sum(character > "\uffff" for character in text[at:place])
        at = place
        moved.append(place + shift)
    return moved
