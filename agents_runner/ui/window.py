"""The window: a sidebar, the pages, and what holds them together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QMessageBox, QStackedWidget, QVBoxLayout, QWidget

from agents_runner.core.container import EngineInfo
from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, InvalidInput, StoreError
from agents_runner.core.events import Event, TaskResult
from agents_runner.core.task import Task
from agents_runner.runner.services import ActiveTasks, Services
from agents_runner.runner.tasks.test_preflight import has_scripts, preflight_test
from agents_runner.store.window_state import WindowState
from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.application import application, interruptible, keep_what_is_there
from agents_runner.ui.bridge import Bridge
from agents_runner.ui.closing import explanation, only_unsaved, sentence
from agents_runner.ui.dialogs import ask, choose
from agents_runner.ui.engine_watch import EngineWatch
from agents_runner.ui.environments_page import EnvironmentsPage
from agents_runner.ui.images_page import ImagesPage
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.live import LiveTasks
from agents_runner.ui.new_task_page import NewTaskPage
from agents_runner.ui.problems_banner import ProblemsBanner
from agents_runner.ui.settings_page import SettingsPage
from agents_runner.ui.sidebar import Sidebar
from agents_runner.ui.task_page import TaskPage
from agents_runner.ui.tasks_page import TasksPage
from agents_runner.ui.theme import Theme
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner
from agents_runner.ui.window_place import Memory, NoMemory, described, place

PAGES = ("Environments", "New task", "Tasks", "Cached images", "Settings")
ENVIRONMENTS, NEW_TASK, TASKS, IMAGES, SETTINGS = range(5)
LEAVE_TASKS_S = 4.0
"""How long the end of the window waits for threads that leave their tasks, in seconds."""
log = logging.getLogger(__name__)


class MainWindow(QMainWindow):
    """Everything a person sees. Talks to the services through jobs only; events come over the bridge."""

    def __init__(self, services: Services, memory: Memory | None = None) -> None:
        super().__init__()
        self._services = services
        self._memory: Memory = memory or NoMemory()
        # A small file, before the first picture: the window must not jump to where it was.
        self._remembered = self._memory.load()
        self.jobs = Jobs(self, f"The details are in {services.diagnostics.log_file}.")
        self.analyzer = Analyzer(self)
        self.engine_watch = EngineWatch(services.system.engine_info, self.jobs, self)
        self._looked_for_orphans = False
        """Tasks of an application that was killed were looked for."""
        self._live = LiveTasks()
        self._closing = False
        self._always = False
        """The answer to the question on closing is to be kept."""
        self.leaves = False
        """The window was closed so that tasks go on."""
        self._down = False
        self._bridge = Bridge(self)
        self._bridge.events.connect(self._events)
        self._unsubscribe: Callable[[], None] = services.runner.subscribe(self._bridge.listener)
        self.setWindowTitle("Agents Runner")
        self._lay_out()
        place(self, self._remembered.geometry)
        self._connect()
        self._recall()
        self.environments.reload()
        self.new_task.load_agents()
        self.tasks.reload()
        self.engine_watch.check()

    def _lay_out(self) -> None:
        self._sidebar = Sidebar(PAGES)
        self.environments = EnvironmentsPage(self._services, self.jobs, self.analyzer)
        self.new_task = NewTaskPage(self._services, self.jobs)
        self.tasks = TasksPage(self._services, self.jobs)
        self.task = TaskPage(self._services, self.jobs)
        self.images = ImagesPage(self._services, self.jobs)
        self.settings = SettingsPage(self._services, self.jobs)
        self._stack = QStackedWidget()
        for page in (self.environments, self.new_task, self.tasks, self.images, self.settings, self.task):
            self._stack.addWidget(page)
        self.engine_banner = Banner("engine-banner", "Try again")
        right = QWidget()
        inner = QVBoxLayout(right)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        holder = QVBoxLayout()
        holder.setContentsMargins(GRID * 2, GRID, GRID * 2, 0)
        holder.addWidget(self.engine_banner)
        self.problems_banner = ProblemsBanner(
            self._services.diagnostics, lambda: self.environments.shown_problems, self
        )
        holder.addWidget(self.problems_banner)
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
        self._sidebar.chosen.connect(self._show_page)
        self._sidebar.entered.connect(self.go)
        for number in range(len(PAGES)):
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number + 1}"), self)
            shortcut.setObjectName(str(number))
            shortcut.activated.connect(self._shortcut)
        self.environments.run_wanted.connect(self._run_wanted)
        self.environments.changed.connect(self._environments_changed)
        self.environments.test_requested.connect(self._test_requested)
        self.environments.test_all_requested.connect(self._test_all_requested)
        self.new_task.submitted.connect(self._submitted)
        self.new_task.mend.connect(self._mend)
        self.new_task.new_environment.connect(self._new_environment)
        self.tasks.opened.connect(self.open_task)
        self.tasks.new_task.connect(self._new_task)
        self.images.new_task.connect(self._new_task)
        self.settings.saved.connect(self._settings_saved)
        self.task.back.connect(self._back)
        self.task.submitted.connect(self._submitted)
        self.engine_banner.acted.connect(self.engine_watch.check)
        self.engine_watch.there.connect(self._engine_there)
        self.engine_watch.away.connect(self._engine_away)

    # -- what is remembered ------------------------------------------------------------------------

    def _recall(self) -> None:
        """Show the page that was left last, with what was selected on it."""
        past = self._remembered
        if past.environment:
            self.environments.select(past.environment)
        self.environments.form.show_tab(past.tab)
        self.tasks.select(past.task)
        self.go(PAGES.index(past.page) if past.page in PAGES else ENVIRONMENTS)
        self.new_task.select(past.last_used)

    def _state(self) -> WindowState:
        page = self._sidebar.current()
        return WindowState(
            geometry=described(self),
            page=PAGES[page] if 0 <= page < len(PAGES) else "",
            environment=self.environments.selected(),
            tab=self.environments.form.shown_tab(),
            task=self.tasks.selected(),
            last_used=self._remembered.last_used,
        )

    def _used(self, task: Task) -> None:
        """New tasks start in the environment that was used last, also after a kill."""
        if task.kind.is_test:
            return
        self.new_task.offer(task.environment_id)
        if task.environment_id != self._remembered.last_used:
            self._remembered = self._state().model_copy(update={"last_used": task.environment_id})
            self.jobs.run(lambda: self._memory.save(self._remembered), lambda _: None)

    def _remember(self) -> None:
        """On this thread: the window is about to go."""
        try:
            self._memory.save(self._state())
        except StoreError as error:
            log.warning("%s", error)

    # -- pages -------------------------------------------------------------------------------------

    @Slot(int)
    def _show_page(self, number: int) -> None:
        """Show a page and leave the focus where it is: arrow keys walk through the sidebar."""
        if number == NEW_TASK and self._stack.currentWidget() is self.environments:
            # Who comes from an environment means that one.
            self.new_task.select(self.environments.selected() or self.new_task.selected())
        self._stack.setCurrentIndex(number)
        if number == IMAGES:
            self.images.reload()
        elif number == SETTINGS:
            self.settings.reload()
        elif number == ENVIRONMENTS:
            self.environments.refresh_plan()
        elif number == NEW_TASK:
            self.environments.look_again()

    @Slot(int)
    def go(self, number: int) -> None:
        """Show a page by its number in the sidebar and give it the focus."""
        if self._sidebar.current() == number:
            self._show_page(number)
        self._sidebar.select(number)
        page = (self.environments, self.new_task, self.tasks, self.images, self.settings)[number]
        page.focus_first()

    @Slot()
    def _shortcut(self) -> None:
        sender: QObject | None = self.sender()
        if sender is not None:
            self.go(int(sender.objectName()))

    @Slot(str)
    def _run_wanted(self, environment_id: str) -> None:
        self.new_task.select(environment_id)
        self.go(NEW_TASK)

    def show_environment(self, environment_id: str) -> None:
        """Select it on its page and for a new task."""
        self.environments.select(environment_id)
        self.new_task.select(environment_id)

    @Slot(str, bool)
    def _test_requested(self, environment_id: str, fresh: bool) -> None:
        self.jobs.run(
            lambda: self._test(self._services.environments.get(environment_id), fresh=fresh),
            self._submitted,
            lambda error: self.environments.say(str(error)),
        )

    def _test(self, environment: Environment, *, fresh: bool = False) -> Task:
        return self._services.runner.submit(preflight_test(environment, fresh=fresh))

    @Slot()
    def _test_all_requested(self) -> None:
        """A test of every environment that has a script; each is a task in the list."""

        def submit() -> tuple[tuple[Task, ...], str]:
            begun: list[Task] = []
            problems: list[str] = []
            for one in self._services.environments.list().environments:
                if has_scripts(one):
                    try:
                        begun.append(self._test(one))
                    except AgentsRunnerError as error:
                        # One that cannot be planned does not keep the others from being tested.
                        problems.append(f"{one.name}: {error.message}")
            return tuple(begun), " ".join(problems)

        self.jobs.run(submit, self._all_submitted, lambda error: self.environments.say(str(error)))

    def _all_submitted(self, result: tuple[tuple[Task, ...], str]) -> None:
        tasks, problems = result
        for task in tasks:
            self._live.begin(task.id)
            self.tasks.add(task)
        self.environments.say(problems or ("" if tasks else "No environment has a script to test."))
        if tasks:
            self.go(TASKS)

    def settled(self) -> bool:
        """True while no background work is on its way."""
        return self.jobs.pending == 0 and self.task.log.settled() and self.environments.form.settled()

    @Slot()
    def _new_task(self) -> None:
        self.go(NEW_TASK)

    @Slot()
    def _new_environment(self) -> None:
        self.go(ENVIRONMENTS)
        self.environments.new()

    @Slot(str, object)
    def _mend(self, environment_id: str, error: InvalidInput) -> None:
        self.go(ENVIRONMENTS)
        self.environments.show_problem(environment_id, error)

    @Slot()
    def _settings_saved(self) -> None:
        """A person's own agents can be chosen at once."""
        self.new_task.load_agents()
        self.environments.load_agents()

    @Slot(object)
    def _environments_changed(self, environments: Sequence[Environment]) -> None:
        self.new_task.set_environments(environments)

    @Slot(object)
    def _submitted(self, task: Task) -> None:
        self._used(task)
        self._live.begin(task.id)
        self.tasks.add(task)
        self.open_task(task)

    @Slot(object)
    def open_task(self, task: Task) -> None:
        self._sidebar.select(TASKS, quietly=True)
        self._stack.setCurrentWidget(self.task)
        self.tasks.select(task.id)
        self.task.show_task(task, live_position=self._live.position(task.id))
        self.task.focus_first()

    @Slot()
    def _back(self) -> None:
        self.go(TASKS)

    # -- events and the engine -----------------------------------------------------------------------

    @Slot(object)
    def _events(self, events: Sequence[tuple[str, Event]]) -> None:
        self._live.take(events)
        self.tasks.take(events)
        shown = self.task.task_id
        mine = [event for task_id, event in events if task_id == shown]
        if mine:
            self.task.take(mine)
        if any(isinstance(event, TaskResult) for _, event in events):
            # What a task built is what the next start finds.
            self.environments.refresh_plan()

    @Slot(object)
    def _engine_there(self, info: EngineInfo) -> None:
        was_away = bool(self.engine_banner.text())
        self.engine_banner.show_text("")
        self._sidebar.show_engine(f"Engine {info.version}", "good")
        if not self._looked_for_orphans:
            self._looked_for_orphans = True
            self.jobs.run(lambda: self._services.runner.adopt_orphans(here=True), self._adopted)
        if was_away:
            self.environments.refresh_plan()
            if self._stack.currentWidget() is self.images:
                self.images.reload()

    def _adopted(self, taken: tuple[str, ...]) -> None:
        """Tasks of an application that was killed go on here."""
        if taken:
            self.tasks.reload()

    @Slot(str, str)
    def _engine_away(self, text: str, state: str) -> None:
        self.engine_banner.show_text(text)
        self._sidebar.show_engine(state, "error")

    # -- the end -----------------------------------------------------------------------------------

    def shut_down(self) -> None:
        """Nothing comes from the services any more; they themselves are closed by whoever made them."""
        if not self._down:
            self._down = True
            self._remember()
            self.engine_watch.stop()
            self._unsubscribe()
            self._bridge.close()
            self.task.desktop.shut_down()
            self.jobs.close()
            self.analyzer.close()

    def _close_all_the_same(self) -> None:
        self._closing = True
        self.close()

    def _keep_answer(self, always: bool) -> None:
        self._always = always

    def _close_and(self, answer: Literal["leave", "stop"]) -> None:
        """What was chosen for the tasks, now or from now on."""
        self.leaves = answer == "leave"
        if not self._always:
            self._close_all_the_same()
            return
        services = self._services

        def keep() -> None:
            settings = services.settings.load()
            services.settings.save(settings.model_copy(update={"on_close": answer}), settings)

        def not_kept(error: AgentsRunnerError) -> None:
            # It will be asked again: no reason to stay open now.
            log.warning("%s", error)
            self._close_all_the_same()

        self.jobs.run(keep, lambda _: self._close_all_the_same(), not_kept)

    def _ask_about_tasks(self, work: ActiveTasks, unsaved: Sequence[str]) -> None:
        self._always = False
        choose(
            self,
            "close",
            "Close",
            sentence(work, unsaved),
            explanation(work),
            (
                ("leave", "&Leave running", lambda: self._close_and("leave")),
                ("stop", "&Stop them", lambda: self._close_and("stop")),
                ("cancel", "&Cancel", lambda: None),
            ),
            escape="cancel",
            # What is typed would be lost.
            default="cancel" if unsaved else "leave",
            danger="stop",
            tick="&Do not ask again",
            on_tick=self._keep_answer,
        )

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._may_not_close():
            event.ignore()
            return
        self.shut_down()
        super().closeEvent(event)

    def _may_not_close(self) -> bool:
        """True if the person is asked first."""
        if self._closing or not self.isVisible():
            return False
        # An answered question stays a child until Qt's loop comes round.
        if any(box.isVisible() for box in self.findChildren(QMessageBox, "close-question")):
            return True
        unsaved, work = list(self.environments.edited_names()), self._services.runner.active_tasks()
        if self.settings.edited():
            unsaved.append("the settings")
        # A small file, read on this thread: the window is about to go.
        wish = self._services.settings.load().on_close if work else "ask"
        self.leaves = wish == "leave"
        if work and wish == "ask":
            self._ask_about_tasks(work, unsaved)
            return True
        if unsaved:
            text = only_unsaved(unsaved)
            ask(self, "close", "Close", text, yes="&Close", no="&Stay", on_yes=self._close_all_the_same)
        return bool(unsaved)


def run_window(
    services: Services,
    *,
    memory: Memory,
    environment_id: str = "",
    prompt: str = "",
    on_shown: Callable[[MainWindow], object] = lambda _window: None,
) -> int:
    """Show the window and run Qt's loop; returns the exit status. Tasks are left running if that was chosen.

    `memory` keeps what is to be found again at the next start.
    """
    app = application()
    # The one call on this thread: a small file, and the first picture must not change its colours.
    theme = Theme(app, services.settings.load().theme)
    theme.apply()
    window = MainWindow(services, memory)
    window.settings.theme_chosen.connect(theme.choose)
    if environment_id:
        window.show_environment(environment_id)
        window.go(ENVIRONMENTS)
    if prompt:
        window.new_task.prompt.setPlainText(prompt)
    window.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose)
    window.show()
    on_shown(window)
    keep_what_is_there()
    try:
        with interruptible(app):
            status = int(app.exec())
    finally:
        window.shut_down()
    # A signal finds nobody to ask: tasks are stopped unless the settings say otherwise.
    if window.leaves or (status and services.settings.load().on_close == "leave"):
        services.runner.detach_all(LEAVE_TASKS_S)
    return status
