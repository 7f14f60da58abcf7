"""The list of tasks, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import Event, StateChanged, TaskResult
from agents_runner.core.task import Task
from agents_runner.runner.services import Services
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.models import TaskTable
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, EmptyPage, fit_columns, page_layout, plain, table_view

_TICK_MS = 1000
_RELOAD_TICKS = 5
"""Tasks that another process runs send no events here: the list is read again this often while it is seen."""


class TasksPage(QWidget):
    """`opened` carries the task that a person wants to see."""

    opened = Signal(object)
    new_task = Signal()

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._reloads = Latest(jobs)
        self._ticks = 0
        self._wanted = ""
        self.model = TaskTable()
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self.model)
        self._proxy.setFilterKeyColumn(-1)
        self._proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)

    def _lay_out(self) -> None:
        self._filter = QLineEdit()
        self._filter.setObjectName("task-filter")
        self._filter.setAccessibleName("Filter tasks")
        self._filter.setPlaceholderText("Filter tasks")
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._proxy.setFilterFixedString)
        self._filter.textChanged.connect(self._count)
        self._found = plain("No task matches this filter.", "muted")
        self._found.hide()
        self.view = table_view("task-list", "Tasks")
        self.view.setModel(self._proxy)
        samples = ("✓ succeeded", "A project's name", "copilot", "", "59 min ago", "59 min 59 s")
        fit_columns(self.view, samples, stretch=3)
        self.view.activated.connect(self._activated)
        self._banner = Banner("tasks-banner")
        self._empty = EmptyPage("tasks-empty", "A task is one prompt for one agent. There is none yet.", "&New task")
        self._empty.acted.connect(self.new_task)
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(GRID)
        inner.addWidget(self._filter)
        inner.addWidget(self._found)
        inner.addWidget(self.view, 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(body)
        self._stack.addWidget(self._empty)
        layout = page_layout(self)
        layout.addWidget(plain("Tasks", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(self._stack, 1)

    def reload(self) -> None:
        self._reloads.run(self._services.tasks.list, self._loaded, self._failed)

    def _loaded(self, tasks: Sequence[Task]) -> None:
        self._banner.show_text("")
        if self.model.rows:
            for task in reversed(tasks):
                self.model.put(task)
        else:
            self.model.set_rows(tasks)
        if self._wanted:
            self.select(self._wanted)
            # One that is gone by now is not waited for.
            self._wanted = ""
        self._stack.setCurrentIndex(0 if self.model.rows else 1)

    def _failed(self, error: AgentsRunnerError) -> None:
        self._banner.show_text(str(error))

    def select(self, task_id: str) -> None:
        """Select it now, or as soon as the list is there."""
        number = next((number for number, task in enumerate(self.model.rows) if task.id == task_id), -1)
        self._wanted = "" if number >= 0 else task_id
        if number >= 0:
            self.view.setCurrentIndex(self._proxy.mapFromSource(self.model.index(number, 0)))

    def selected(self) -> str:
        """The id of the selected task, or of the one that is to be selected once it is known; else ""."""
        number = self._proxy.mapToSource(self.view.currentIndex()).row()
        return self._wanted or (self.model.rows[number].id if number >= 0 else "")

    def add(self, task: Task) -> None:
        self.model.put(task)
        self._stack.setCurrentIndex(0)

    def take(self, events: Sequence[tuple[str, Event]]) -> None:
        """Only the states matter here; the ends are read again, for their times."""
        moves = [(task, event) for task, event in events if isinstance(event, StateChanged | TaskResult)]
        for task_id, event in moves:
            self.model.take(task_id, event)
        for task_id in {task: None for task, event in moves if event.state.final}:
            self._jobs.run(lambda key=task_id: self._services.tasks.get(key), self.add)  # type: ignore[misc]

    def focus_first(self) -> None:
        if self._stack.currentIndex():
            self._empty.act.setFocus()
            return
        if self._proxy.rowCount() and not self.view.currentIndex().isValid():
            self.view.setCurrentIndex(self._proxy.index(0, 0))
        self.view.setFocus()

    @Slot()
    def _count(self) -> None:
        self._found.setVisible(not self._proxy.rowCount() and bool(self.model.rows))

    @Slot()
    def _tick(self) -> None:
        self._ticks += 1
        self.model.tick(everything=self._ticks % 30 == 0)
        if self._ticks % _RELOAD_TICKS == 0:
            self.reload()

    @Slot(QModelIndex)
    def _activated(self, index: QModelIndex) -> None:
        number = self._proxy.mapToSource(index).row()
        if 0 <= number < len(self.model.rows):
            self.opened.emit(self.model.rows[number])

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.reload()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()
