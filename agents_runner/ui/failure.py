"""Why a task failed: the sentence, the hint, and the last lines of what it printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QVBoxLayout

from agents_runner.core.events import TaskState
from agents_runner.core.task import Task
from agents_runner.ui.log_view import shown_text
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import brief, plain, tip

LINES = 3
"""Of the last lines; all of them are in the log right below."""


class FailurePanel(QFrame):
    """Hidden for a task that did not fail."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("task-failure")
        self.setProperty("role", "failure")
        self._error = plain(role="error", wrap=True)
        self._error.setObjectName("task-error")
        self._hint = plain(wrap=True)
        self._hint.setObjectName("task-hint")
        self._tail = plain(role="tail", wrap=True)
        self._tail.setObjectName("task-tail")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID, GRID * 2, GRID)
        layout.setSpacing(GRID // 2)
        for label in (self._error, self._hint, self._tail):
            layout.addWidget(label)
        self.forget()

    def forget(self) -> None:
        """Another task comes."""
        self._told: tuple[str, ...] = ()
        self._seen: deque[str] = deque(maxlen=LINES)
        self.hide()

    def remember(self, tail: tuple[str, ...]) -> None:
        """The failed script's own last lines, as the result brought them."""
        self._told = tail

    def see(self, lines: Sequence[tuple[str, str]]) -> None:
        """Lines of the log: their last ones stand in where a result brought none."""
        self._seen.extend(line for stream, line in lines[-LINES * 4 :] if stream != "system")

    def show_task(self, task: Task) -> None:
        failed = task.state is TaskState.FAILED
        self.setVisible(failed)
        if not failed:
            return
        error = task.error or f"The task failed with exit code {task.exit_code}."
        self._error.setText(brief(shown_text(error)))
        self._error.setToolTip(tip(error))
        self._hint.setText(brief(shown_text(task.hint)))
        self._hint.setVisible(bool(task.hint))
        lines = [brief(shown_text(line), 100) for line in (self._told or tuple(self._seen))[-LINES:]]
        self._tail.setText("\n".join(lines))
        self._tail.setVisible(any(lines))
