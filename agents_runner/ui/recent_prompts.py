"""Old prompts, had back with the arrow keys as a shell's commands are."""

from __future__ import annotations

import contextlib

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.runner.services import Services
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.widgets import exact_text

MOST = 20
"""Prompts that are kept at hand."""
_TASKS = 60
"""Tasks that are looked at for them: some were run with the same prompt."""


def replace_text(editor: QPlainTextEdit, text: str) -> None:
    """Put another text in, in a way that Ctrl+Z takes back; Qt's own call would forget the old one."""
    cursor = QTextCursor(editor.document())
    cursor.select(QTextCursor.SelectionType.Document)
    cursor.insertText(text)
    editor.moveCursor(QTextCursor.MoveOperation.End)


class RecentPrompts(QObject):
    """Walks through the last prompts in an editor; only from an empty text or from a prompt it has put there."""

    def __init__(self, editor: QPlainTextEdit, services: Services, jobs: Jobs) -> None:
        super().__init__(editor)
        self._editor = editor
        self._services = services
        self._questions = Latest(jobs)
        self._prompts: tuple[str, ...] = ()
        self._at = -1
        editor.installEventFilter(self)

    def load(self) -> None:
        """Read them from the recorded tasks, off the window's thread."""
        self._questions.run(self._read, self._take, lambda _error: None)

    def add(self, prompt: str) -> None:
        """One that was just handed over; the walk begins anew."""
        self._take((prompt, *self._prompts))

    def _take(self, prompts: tuple[str, ...]) -> None:
        # The ones that were looked through stay until the walk is over.
        if self._at < 0 or not self._shown():
            self._at = -1
            self._prompts = tuple(dict.fromkeys(prompts))[:MOST]

    def _read(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for task in self._services.tasks.list(_TASKS):
            if not task.kind.is_test and len(found) < MOST:
                with contextlib.suppress(AgentsRunnerError):
                    found[self._services.tasks.prompt(task.id)] = None
        return tuple(found)

    def _shown(self) -> bool:
        """True while the text is the prompt that was put there."""
        return 0 <= self._at < len(self._prompts) and exact_text(self._editor) == self._prompts[self._at]

    def _step(self, step: int) -> bool:
        text = exact_text(self._editor)
        if not self._shown():
            if text:
                return False
            self._at = -1
        number = self._at + step
        if not -1 <= number < len(self._prompts):
            return bool(text)
        self._at = number
        replace_text(self._editor, self._prompts[number] if number >= 0 else "")
        return True

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            and not self._editor.isReadOnly()
        ):
            cursor = self._editor.textCursor()
            # Within a prompt of several lines the arrows move the cursor, as everywhere.
            if event.key() == Qt.Key.Key_Up and cursor.blockNumber() == (0 if not self._shown() else self._last()):
                return self._step(1)
            if event.key() == Qt.Key.Key_Down and cursor.blockNumber() == self._last():
                return self._step(-1)
        return super().eventFilter(watched, event)

    def _last(self) -> int:
        return self._editor.blockCount() - 1
