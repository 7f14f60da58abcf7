"""One task: its state, its phases and their times, what the person should know, the live log, Stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QTabWidget, QWidget

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LogLine,
    Notice,
    PhaseFinished,
    Progress,
    TaskResult,
    TaskState,
)
from agents_runner.core.task import Task, applied
from agents_runner.runner.services import Services
from agents_runner.runner.tasks.agent_events import messages_in
from agents_runner.runner.tasks.test_preflight import request_again
from agents_runner.ui.desktop_tab import DesktopTab
from agents_runner.ui.failure import FailurePanel
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.live import Joint
from agents_runner.ui.log_view import MAX_LINES, NO_OUTPUT, LogView, shown_paragraphs, shown_text
from agents_runner.ui.models import profile_warning, state_role, state_text
from agents_runner.ui.phase_grid import PhaseGrid
from agents_runner.ui.reader import Reader, ReaderTab
from agents_runner.ui.task_story import later
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import (
    Banner,
    ElidedLabel,
    FittingArea,
    button,
    page_layout,
    plain,
    row,
    set_role,
    set_up_code,
    tip,
)

Lines = tuple[tuple[str, str], ...]
NO_MESSAGES = "What the agent says appears here."
STOPPED = "Stopped. Run again starts the same once more."
_POLL_MS = 1000
_FLUSH_TRIES = 20
_FLUSH_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the files tell of a task: its record, the newest lines of its log and what the agent said in them.

    `position` is where the log goes on, in bytes.
    """

    task: Task
    lines: Lines
    position: int
    messages: tuple[AgentMessage, ...] = ()


class TaskPage(QWidget):
    """Shows the task that it was given last; `back` goes to the list, `submitted` carries a task run again."""

    back = Signal()
    submitted = Signal(object)

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._polls = Latest(jobs)
        self._task: Task | None = None
        self._followed = False
        self._early: list[Event] | None = None
        self._position = 0
        self._joint = Joint(shown=0)
        self._stop_asked = ""
        self._passing = False
        self._make()
        self._lay_out()
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._poll.timeout.connect(self._ask)
        QShortcut(QKeySequence("Escape"), self).activated.connect(self._escape)
        QShortcut(QKeySequence("Ctrl+."), self).activated.connect(self._stop_clicked)

    def _make(self) -> None:
        self._title = ElidedLabel(role="title")
        self.state = plain()
        self.state.setObjectName("task-state")
        self._profile = plain("", "badge-warn")
        self._profile.setObjectName("task-profile")
        self._profile.setToolTip(tip("The agent of this task may use sudo: with it it can do what root can."))
        self._facts = ElidedLabel(role="muted")
        self._facts.setObjectName("task-facts")
        self._image = ElidedLabel(role="muted")
        self._image.setObjectName("task-image")
        self._said = ElidedLabel(role="muted")
        self._said.setObjectName("task-said")
        self._trouble = Banner("task-trouble")
        self.notice = Banner("task-notice", lines=3)
        self.failure = FailurePanel()
        self.phases = PhaseGrid()
        self.log = LogView()
        self.messages = Reader()
        set_up_code(self.messages, "task-messages", "", NO_MESSAGES)
        self.messages.setReadOnly(True)
        self.messages.setAccessibleName("Agent")
        self.messages.setMaximumBlockCount(MAX_LINES)
        self.messages.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("task-tabs")
        self.tabs.setMinimumHeight(GRID * 16)
        self._readers = (ReaderTab(self.log), ReaderTab(self.messages))
        for tab, title in zip(self._readers, ("Log", "Agent"), strict=True):
            self.tabs.addTab(tab, title)
        self.desktop = DesktopTab(self._services.desktop, self._jobs)
        self.tabs.addTab(self.desktop, "Desktop")
        self._back = button("&Back to tasks", "task-back", hint="Back to the list (Escape)")
        self._back.clicked.connect(self.back)
        self.stop = button("&Stop", "stop-task", "danger", "Stop this task, whatever it is doing (Ctrl+.)")
        self.stop.clicked.connect(self._stop_clicked)
        self.again = button("Run a&gain", "run-again", hint="Start another task with the same prompt")
        self.again.clicked.connect(self._again_clicked)
        self._copy = button("&Copy log", "copy-log", hint="Copy the whole log, without marks and colours")
        self._copy.clicked.connect(self._copy_clicked)

    def _lay_out(self) -> None:
        layout = page_layout(self)
        layout.addWidget(self._title)
        layout.addLayout(row(self.state, self._profile, self._facts, grows=2))
        layout.addWidget(self._image)
        layout.addWidget(self._trouble)
        layout.addWidget(FittingArea(self.notice, self.failure, self.phases))
        layout.addWidget(self.tabs, 1)
        layout.addLayout(row(self.stop, self.again, self._copy, self._said, self._back, grows=3))

    # -- showing -----------------------------------------------------------------------------------

    @property
    def task_id(self) -> str:
        return self._task.id if self._task else ""

    def show_task(self, task: Task, *, live_position: int | None) -> None:
        """Show a task from its record; its log came live up to that byte, None: its events do not come here."""
        self._task = task
        self._followed = live_position is not None
        # Live lines wait until those that are in the file are shown, so that none is missed or comes twice.
        self._early = []
        for tab in self._readers:
            tab.find_bar.hide()
        self.log.clear_lines()
        self.messages.clear()
        self.failure.forget()
        self._say("")
        self._trouble.show_text("")
        self._ask_story(live_position or 0)
        self.tabs.setCurrentIndex(0)
        self._refresh()

    def focus_first(self) -> None:
        """The focus goes where the keys of a person who types on do nothing, least of all stop the task."""
        self.log.setFocus()

    @Slot()
    def _escape(self) -> None:
        """Close what is open on the page, else the page."""
        for tab in self._readers:
            if tab.find_bar.isVisible():
                tab.find_bar.close_bar()
                return
        self.back.emit()

    def _ask_story(self, reached: int) -> None:
        if self._task is None:
            return
        task = self._task
        self._jobs.run(
            lambda: self._story(task, reached), lambda story: self._loaded(task.id, story), self._unreadable
        )

    def _story(self, task: Task, reached: int) -> Story:
        """On a job's thread: the file may be a moment behind the events."""
        record = self._services.tasks.get(task.id)
        lines, position = self._newest_lines(task.id, 0)
        for _ in range(_FLUSH_TRIES):
            if position >= reached:
                break
            self._services.system.wait(_FLUSH_S)
            more, position = self._newest_lines(task.id, position)
            lines += more
        return _story_of(record, lines, position)

    def _newest_lines(self, task_id: str, position: int) -> tuple[Lines, int]:
        """The log's newest lines behind a position, and where it goes on; a long log comes in parts."""
        newest: Lines = ()
        while True:
            part, position = self._services.tasks.log_from(task_id, position)
            if not part:
                return newest, position
            newest = (newest + part)[-MAX_LINES:]

    def _loaded(self, task_id: str, story: Story) -> None:
        if self._task is None or self._task.id != task_id or self._early is None:
            return
        early, self._early = self._early, None
        self._task = story.task
        for event in early:
            self._task = applied(self._task, event, time.time())
        self._show(story.lines, story.messages)
        self._joint = Joint(shown=story.position)
        if self._followed:
            self._take_lines(self._joint.fresh(early))
        self._position = story.position
        if not self._followed and not self._task.state.final:
            self._poll.start()
        self._refresh()

    def _unreadable(self, error: AgentsRunnerError) -> None:
        self._trouble.show_text(str(error))
        self._refresh()

    def take(self, events: Sequence[Event]) -> None:
        """Events of this very task, in order."""
        if self._task is None:
            return
        for event in events:
            if isinstance(event, Progress):
                self._say(event.text, passing=True)
            elif isinstance(event, PhaseFinished) and self._passing:
                self._say("")
            elif isinstance(event, TaskResult):
                self.failure.remember(event.tail)
            self._task = applied(self._task, event, time.time())
        if self._early is not None:
            self._early.extend(events)
        elif self._followed:
            self._take_lines(self._joint.fresh(events))
        self._refresh()

    def _take_lines(self, events: Sequence[Event]) -> None:
        lines: list[tuple[str, str]] = []
        messages: list[AgentMessage] = []
        for event in events:
            if isinstance(event, LogLine):
                lines.append((event.stream, event.line))
            elif isinstance(event, Notice):
                lines.append(("system", event.text))
            elif isinstance(event, AgentMessage):
                messages.append(event)
        self._show(tuple(lines), messages)

    def _show(self, lines: Lines, messages: Sequence[AgentMessage]) -> None:
        self.log.append_lines(lines)
        self.failure.see(lines)
        if messages:
            self.messages.appendPlainText("\n".join(f"{one.kind}: {shown_paragraphs(one.text)}" for one in messages))

    # -- a task that another process runs --------------------------------------------------------------

    @Slot()
    def _ask(self) -> None:
        if self._task is None or self._followed or not self.isVisible():
            return
        task, position = self._task, self._position
        self._polls.run(
            lambda: self._more(task, position), lambda story: self._grown(task.id, position, story), self._unreadable
        )

    def _more(self, task: Task, position: int) -> Story:
        record = self._services.tasks.get(task.id)
        return _story_of(record, *self._newest_lines(task.id, position))

    def _grown(self, task_id: str, position: int, story: Story) -> None:
        if self._task is None or self._task.id != task_id or self._position != position or self._followed:
            return
        self._task = later(self._task, story.task)
        self._position = story.position
        self._show(story.lines, story.messages)
        self._refresh()

    def _refresh(self) -> None:
        task = self._task
        if task is None:
            return
        self._title.set_text(task.prompt or task.id)
        self.state.setText(state_text(task.state))
        set_role(self.state, state_role(task.state))
        facts = [f"environment {task.environment_name}", f"agent {task.agent or 'none'}", f"task {task.id}"]
        if task.exit_code is not None and task.state is not TaskState.CANCELLED:
            facts.append(f"exit code {task.exit_code}")
        self._facts.set_text("  ·  ".join(facts))
        self._profile.setText(profile_warning(task.profile))
        self._profile.setVisible(bool(self._profile.text()))
        self._image.set_text(f"image {task.image}")
        self._image.setVisible(bool(task.image))
        self.notice.show_text("\n".join(dict.fromkeys(task.notices)))
        self.failure.show_task(task)
        self.log.setPlaceholderText("This task printed nothing." if task.state.final else NO_OUTPUT)
        self.messages.setPlaceholderText(
            "The agent reported nothing. What it printed is in the log." if task.state.final else NO_MESSAGES
        )
        self._enable(self.stop, not task.state.final and self._stop_asked != task.id)
        self._enable(self.again, task.state.final)
        self.phases.show_task(task)
        self.desktop.show_task(task)
        if task.state.final:
            self._poll.stop()
            stopped = self._stop_asked == task.id and task.state is TaskState.CANCELLED
            self._stop_asked = ""
            if stopped:
                self._say(STOPPED)
            elif self._passing:
                self._say("")

    def _enable(self, button: QPushButton, on: bool) -> None:
        """Switch a button; one that is switched off hands its focus to the log first.

        Qt would give it to the next button, where a key that was meant for this one does something else.
        """
        if not on and button.hasFocus():
            self.focus_first()
        button.setEnabled(on)

    def _say(self, text: str, *, passing: bool = False) -> None:
        """Beside the buttons; what is `passing` goes with the phase or the task."""
        self._passing = passing
        self._said.set_text(text)

    # -- actions -----------------------------------------------------------------------------------

    @Slot()
    def _stop_clicked(self) -> None:
        if self._task is None or self._task.state.final:
            return
        task_id = self._stop_asked = self._task.id
        self._enable(self.stop, False)
        self._say("Stopping ...", passing=True)
        self._jobs.run(lambda: self._services.runner.stop(task_id), lambda _: None, self._not_stopped)

    def _not_stopped(self, error: AgentsRunnerError) -> None:
        self._stop_asked = ""
        self._unreadable(error)

    @Slot()
    def _again_clicked(self) -> None:
        if self._task is None:
            return
        self._enable(self.again, False)
        task = self._task
        self._jobs.run(lambda: self._submit_again(task), self.submitted.emit, self._unreadable)

    def _submit_again(self, task: Task) -> Task:
        prompt = self._services.tasks.prompt(task.id)
        return self._services.runner.submit(request_again(task, prompt))

    @Slot()
    def _copy_clicked(self) -> None:
        if self._task is not None:
            task_id = self._task.id
            self._jobs.run(lambda: self._whole_log(task_id), self._copied, self._unreadable)

    def _whole_log(self, task_id: str) -> tuple[int, str]:
        lines = self._services.tasks.log(task_id)
        return len(lines), "".join(f"{shown_text(line)}\n" for _, line in lines)

    def _copied(self, log: tuple[int, str]) -> None:
        count, text = log
        QGuiApplication.clipboard().setText(text)
        self._say(f"{count:,} lines copied.")


def _story_of(task: Task, lines: Lines, position: int) -> Story:
    newest = lines[-MAX_LINES:]
    messages = tuple(messages_in(task.agent, newest))
    return Story(task=task, lines=newest, position=position, messages=messages)
