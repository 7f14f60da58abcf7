"""The window: a sidebar, the pages, and what holds them together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QListWidget,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from agents_runner.core.container import EngineInfo
from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import Event
from agents_runner.core.task import Task
from agents_runner.runner.services import Services
from agents_runner.ui.bridge import Bridge
from agents_runner.ui.environments_page import EnvironmentsPage
from agents_runner.ui.images_page import ImagesPage
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.new_task_page import NewTaskPage
from agents_runner.ui.task_page import TaskPage, line_of
from agents_runner.ui.tasks_page import TasksPage
from agents_runner.ui.theme import Theme
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner

PAGES = ("Environments", "New task", "Tasks", "Cached images")
ENVIRONMENTS, NEW_TASK, TASKS, IMAGES = range(4)
ENGINE_RETRY_MS = 5000


class MainWindow(QMainWindow):
    """Everything a person sees. Talks to the services through jobs only; events come over the bridge."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self._jobs = Jobs(self)
        self._bridge = Bridge(self)
        self._bridge.events.connect(self._events)
        self._unsubscribe: Callable[[], None] = services.runner.subscribe(self._bridge.listener)
        self._seen: dict[str, int] = {}
        self.setWindowTitle("Agents Runner")
        self.resize(1200, 800)
        self.setMinimumSize(900, 600)
        self._lay_out()
        self._connect()
        self._retry = QTimer(self)
        self._retry.setInterval(ENGINE_RETRY_MS)
        self._retry.timeout.connect(self.check_engine)
        self._sidebar.setCurrentRow(ENVIRONMENTS)
        self.environments.reload()
        self.tasks.reload()
        self.check_engine()

    def _lay_out(self) -> None:
        self._sidebar = QListWidget()
        self._sidebar.setObjectName("sidebar")
        self._sidebar.setAccessibleName("Pages")
        self._sidebar.addItems(PAGES)
        self._sidebar.setFixedWidth(176)
        self.environments = EnvironmentsPage(self._services, self._jobs)
        self.new_task = NewTaskPage(self._services, self._jobs)
        self.tasks = TasksPage(self._services, self._jobs)
        self.task = TaskPage(self._services, self._jobs)
        self.images = ImagesPage(self._services, self._jobs)
        self._stack = QStackedWidget()
        for page in (self.environments, self.new_task, self.tasks, self.images, self.task):
            self._stack.addWidget(page)
        self.engine_banner = Banner("engine-banner", "&Try again")
        right = QWidget()
        inner = QVBoxLayout(right)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        holder = QVBoxLayout()
        holder.setContentsMargins(GRID * 3, GRID, GRID * 3, 0)
        holder.addWidget(self.engine_banner)
        inner.addLayout(holder)
        inner.addWidget(self._stack, 1)
        whole = QWidget()
        layout = QHBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._sidebar)
        layout.addWidget(right, 1)
        self.setCentralWidget(whole)

    def _connect(self) -> None:
        self._sidebar.currentRowChanged.connect(self._go)
        for number in range(len(PAGES)):
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number + 1}"), self)
            shortcut.setObjectName(str(number))
            shortcut.activated.connect(self._shortcut)
        self.environments.run_wanted.connect(self._run_wanted)
        self.environments.changed.connect(self._environments_changed)
        self.new_task.submitted.connect(self._submitted)
        self.tasks.opened.connect(self.open_task)
        self.task.back.connect(self._back)
        self.task.again.connect(self._again)
        self.engine_banner.acted.connect(self.check_engine)

    # -- pages -------------------------------------------------------------------------------------

    @Slot(int)
    def _go(self, number: int) -> None:
        self._stack.setCurrentIndex(number)
        if number == IMAGES:
            self.images.reload()
        elif number == NEW_TASK:
            self.new_task.prompt.setFocus()

    @Slot()
    def _shortcut(self) -> None:
        sender: QObject | None = self.sender()
        if sender is not None:
            self.go(int(sender.objectName()))

    def go(self, number: int) -> None:
        """Show a page by its number in the sidebar."""
        if self._sidebar.currentRow() == number:
            self._go(number)
        self._sidebar.setCurrentRow(number)

    @Slot(str)
    def _run_wanted(self, environment_id: str) -> None:
        self.new_task.select(environment_id)
        self.go(NEW_TASK)

    @Slot(object)
    def _environments_changed(self, environments: Sequence[Environment]) -> None:
        self.new_task.set_environments(environments)

    @Slot(object)
    def _submitted(self, task: Task) -> None:
        self.tasks.add(task)
        self.open_task(task)

    @Slot(object)
    def open_task(self, task: Task) -> None:
        self._sidebar.blockSignals(True)
        self._sidebar.setCurrentRow(TASKS)
        self._sidebar.blockSignals(False)
        self._stack.setCurrentWidget(self.task)
        self.task.show_task(task, self._seen.get(task.id, 0))

    @Slot()
    def _back(self) -> None:
        self.go(TASKS)

    @Slot(str, str, str)
    def _again(self, environment_id: str, agent: str, prompt: str) -> None:
        self.new_task.select(environment_id)
        self.new_task.agent.setCurrentIndex(max(0, self.new_task.agent.findData(agent)))
        self.new_task.prompt.setPlainText(prompt)
        self.go(NEW_TASK)

    # -- events and the engine -----------------------------------------------------------------------

    @Slot(object)
    def _events(self, events: Sequence[tuple[str, Event]]) -> None:
        shown = self.task.task_id
        self.tasks.take(events)
        for task_id, event in events:
            if line_of(event) is not None:
                self._seen[task_id] = self._seen.get(task_id, 0) + 1
        mine = [event for task_id, event in events if task_id == shown]
        if mine:
            self.task.take(mine)

    @Slot()
    def check_engine(self) -> None:
        self._jobs.run(self._services.engine_info, self._engine_there, self._engine_away)

    def _engine_there(self, _info: EngineInfo) -> None:
        self._retry.stop()
        was_away = not self.engine_banner.isHidden()
        self.engine_banner.show_text("")
        if was_away:
            self.environments.reload()

    def _engine_away(self, error: AgentsRunnerError) -> None:
        self.engine_banner.show_text(f"{error.message} {error.hint}")
        self._retry.start()

    # -- Qt ----------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:
        names = self.environments.edited_names()
        running = [task for task in self.tasks.model.rows if not task.state.final]
        lines = [f"Not saved: {', '.join(names)}."] if names else []
        lines += [f"{len(running)} running tasks will be stopped."] if running else []
        if lines and self.isVisible():
            answer = QMessageBox.question(self, "Close", "\n".join(lines) + "\nClose all the same?")
            if answer != QMessageBox.StandardButton.Yes:
                event.ignore()
                return
        self._retry.stop()
        self._unsubscribe()
        self._jobs.close()
        super().closeEvent(event)


def application() -> QApplication:
    """The one QApplication, made if there is none."""
    there = QApplication.instance()
    if isinstance(there, QApplication):
        return there
    made = QApplication(sys.argv[:1])
    made.setApplicationName("Agents Runner")
    made.setStyle("Fusion")
    QGuiApplication.setDesktopFileName("agents-runner")
    return made


def run_window(services: Services, *, environment_id: str = "", prompt: str = "") -> int:
    """Show the window and run Qt's loop; returns the exit status."""
    app = application()
    theme = Theme(app, services.settings().theme)
    theme.apply()
    window = MainWindow(services)
    if environment_id:
        window.environments.select(environment_id)
        window.new_task.select(environment_id)
    if prompt:
        window.new_task.prompt.setPlainText(prompt)
    window.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose)
    window.show()
    return int(app.exec())
