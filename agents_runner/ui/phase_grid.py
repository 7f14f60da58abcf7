"""The phases of a task: name, time so far or in the end, and what the cache did, two beside each other."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from agents_runner.core.task import Task
from agents_runner.ui.models import seconds_text
from agents_runner.ui.task_story import phase_seconds, phase_word
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import plain, set_role

_TICK_MS = 500
_CELLS = 3
_BESIDE = 2
_ROLES = {"failed": "error", "fallback": "error", "running": "busy", "hit": "good", "built": "good"}


class PhaseGrid(QWidget):
    """Shows one task's phases; ticks by itself while one of them runs."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("task-phases")
        self._task: Task | None = None
        self._cells: list[QLabel] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GRID * 2)
        self._grid.setVerticalSpacing(GRID // 2)
        self._grid.setColumnStretch(_CELLS * _BESIDE, 1)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._draw)

    def show_task(self, task: Task) -> None:
        self._task = task
        running = not task.state.final and any(one.seconds is None for one in task.phases)
        if running and not self._timer.isActive():
            self._timer.start()
        elif not running:
            self._timer.stop()
        self._draw()

    def texts(self) -> list[str]:
        """What is shown, three texts a phase."""
        return [cell.text() for cell in self._cells if not cell.isHidden()]

    @Slot()
    def _draw(self) -> None:
        task = self._task
        if task is None:
            return
        now = time.time()
        texts: list[str] = []
        for record in task.phases:
            seconds = phase_seconds(task, record, now)
            running = record.seconds is None
            shown = "" if seconds is None else seconds_text(seconds, whole=running)
            texts += [record.phase.value, shown, phase_word(task, record)]
        while len(self._cells) < len(texts):
            self._add_cell()
        for number, cell in enumerate(self._cells):
            cell.setVisible(number < len(texts))
            if number < len(texts):
                cell.setText(texts[number])
                if number % _CELLS == 2:
                    set_role(cell, _ROLES.get(texts[number], "muted"))

    def _add_cell(self) -> None:
        phase, part = divmod(len(self._cells), _CELLS)
        cell = plain(role="muted" if part == 0 else "")
        # Wide enough for what comes: the columns must not jump with each second.
        cell.setMinimumWidth((GRID * 15, GRID * 9, GRID * 8)[part])
        self._cells.append(cell)
        self._grid.addWidget(cell, phase // _BESIDE, (phase % _BESIDE) * _CELLS + part)
