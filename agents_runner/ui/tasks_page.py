"""The list of tasks, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QRegularExpression, QSortFilterProxyModel, Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLineEdit, QTableView, QWidget

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import Event, StateChanged, TaskResult
from agents_runner.core.task import Task
from agents_runner.runner.services import Services
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.models import TaskTable
from agents_runner.ui.widgets import Banner, page_layout, plain


def table_view(name: str, label: str) -> QTableView:
    view = QTableView()
    view.setObjectName(name)
    view.setAccessibleName(label)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setShowGrid(False)
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(32)
    view.setTextElideMode(Qt.TextElideMode.ElideRight)
    view.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    view.horizontalHeader().setHighlightSections(False)
    return view


class TasksPage(QWidget):
    """`opened` carries the task that a person wants to see."""

    opened = Signal(object)

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self.model = TaskTable()
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self.model)
        self._proxy.setFilterKeyColumn(-1)
        self._proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._filter = QLineEdit()
        self._filter.setObjectName("task-filter")
        self._filter.setPlaceholderText("Filter tasks")
        self._filter.setClearButtonEnabled(True)
        self._filter.textChanged.connect(self._filtered)
        self._view = table_view("task-list", "Tasks")
        self._view.setModel(self._proxy)
        header = self._view.horizontalHeader()
        for column, width in enumerate((130, 180, 100, 320, 150, 90)):
            self._view.setColumnWidth(column, width)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self._view.activated.connect(self._activated)
        self._view.doubleClicked.connect(self._activated)
        self._banner = Banner("tasks-banner")
        self._empty = plain("No tasks yet. Start one on the page New task.", "muted")
        layout = page_layout(self)
        layout.addWidget(plain("Tasks", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(self._filter)
        layout.addWidget(self._empty)
        layout.addWidget(self._view, 1)

    def reload(self) -> None:
        self._jobs.run(self._services.tasks.list, self._loaded, self._failed)

    def _loaded(self, tasks: Sequence[Task]) -> None:
        self.model.set_rows(tasks)
        self._empty.setVisible(not tasks)

    def _failed(self, error: AgentsRunnerError) -> None:
        self._banner.show_text(str(error))

    def add(self, task: Task) -> None:
        self.model.put(task)
        self._empty.hide()

    def take(self, events: Sequence[tuple[str, Event]]) -> None:
        """Only the states matter here; the ends are read again, for their times."""
        states = {task: event.state for task, event in events if isinstance(event, StateChanged | TaskResult)}
        for task_id, state in states.items():
            self.model.set_state(task_id, state)
            if state.final:
                self._jobs.run(lambda key=task_id: self._services.tasks.get(key), self.add)  # type: ignore[misc]

    @Slot(str)
    def _filtered(self, text: str) -> None:
        self._proxy.setFilterRegularExpression(
            QRegularExpression(
                QRegularExpression.escape(text), QRegularExpression.PatternOption.CaseInsensitiveOption
            )
        )

    @Slot(QModelIndex)
    def _activated(self, index: QModelIndex) -> None:
        number = self._proxy.mapToSource(index).row()
        if 0 <= number < len(self.model.rows):
            self.opened.emit(self.model.rows[number])
