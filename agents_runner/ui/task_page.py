"""One task: its state, its phases and their times, what the person should know, the live log, Stop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPlainTextEdit, QTabWidget, QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LogLine,
    Notice,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StateChanged,
    TaskResult,
)
from agents_runner.core.task import PhaseRecord, Task
from agents_runner.runner.agent_events import messages_in
from agents_runner.runner.services import Services
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.log_view import LogView, shown_text
from agents_runner.ui.models import state_text
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, ElidedLabel, button, code_editor, page_layout, plain, row

Lines = Sequence[tuple[str, str]]
_TICK_MS = 500
_RETRY_MS = 150


class TaskPage(QWidget):
    """Shows the task that it was given last; `back` goes to the list, `again` asks for the same task once more."""

    back = Signal()
    again = Signal(str, str, str)

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._task: Task | None = None
        self._began: dict[str, float] = {}
        self._early: list[tuple[int, tuple[str, str]]] = []
        self._next = 0
        self._shown = -1
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)

    def _lay_out(self) -> None:
        self._title = ElidedLabel(role="title")
        self._state = plain()
        self._state.setObjectName("task-state")
        self._facts = ElidedLabel(role="muted")
        self._notice = Banner("task-notice")
        self._failure = QFrame()
        self._failure.setObjectName("task-failure")
        self._failure.setProperty("role", "failure")
        self._failure_text = plain(role="error", wrap=True)
        self._failure_text.setObjectName("task-error")
        inner = QVBoxLayout(self._failure)
        inner.setContentsMargins(GRID * 2, GRID, GRID * 2, GRID)
        inner.addWidget(self._failure_text)
        self._phases = QGridLayout()
        self._phases.setHorizontalSpacing(GRID * 3)
        self._phases.setVerticalSpacing(GRID // 2)
        self._cells: list[QLabel] = []
        self.log = LogView()
        self._messages: QPlainTextEdit = code_editor("task-messages", "", "What the agent says appears here.")
        self._messages.setReadOnly(True)
        self._messages.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self._tabs = QTabWidget()
        self._tabs.addTab(self.log.widget, "Log")
        self._tabs.addTab(self._messages, "Agent")
        self._back = button("&Back to tasks", "task-back")
        self._back.clicked.connect(self.back)
        self._stop = button("&Stop", "stop-task", "danger", "Stop this task")
        self._stop.clicked.connect(self._stop_clicked)
        self._again = button("Run a&gain", "run-again")
        self._again.clicked.connect(self._again_clicked)
        self._copy = button("&Copy log", "copy-log")
        self._copy.clicked.connect(self._copy_clicked)
        layout = page_layout(self)
        layout.addWidget(self._title)
        layout.addLayout(row(self._state))
        layout.addWidget(self._facts)
        layout.addWidget(self._notice)
        layout.addWidget(self._failure)
        layout.addLayout(self._phases)
        layout.addWidget(self._tabs, 1)
        layout.addLayout(row(self._stop, self._again, self._copy, self._back, stretch_at=2))

    # -- showing -----------------------------------------------------------------------------------

    @property
    def task_id(self) -> str:
        return self._task.id if self._task else ""

    def show_task(self, task: Task, seen: int = 0) -> None:
        """Show a task from its record; its events go on from there.

        `seen` is how many of its lines the window was told of before. A live line and a line of the log file are
        matched by their number, so that none is missed and none comes twice, however the two overlap.
        """
        self._task = task
        self._began = {record.phase: time.monotonic() for record in task.phases if record.seconds is None}
        self.log.clear()
        self._messages.clear()
        self._next, self._shown, self._early = seen, -1, []
        self._load(task.id, seen)
        self._refresh()
        self._stop.setFocus()

    def _load(self, task_id: str, seen: int) -> None:
        self._jobs.run(
            lambda: self._story(task_id), lambda story: self._loaded(task_id, seen, story), self._unreadable
        )

    def _story(self, task_id: str) -> tuple[Task, Lines, list[str]]:
        task, lines = self._services.tasks.get(task_id), self._services.tasks.log(task_id)
        return task, lines, [_spoken(message) for message in messages_in(task.agent, lines)]

    def _loaded(self, task_id: str, seen: int, story: tuple[Task, Lines, list[str]]) -> None:
        if self._task is None or self._task.id != task_id or self._shown >= 0:
            return
        recorded, lines, messages = story
        if len(lines) < seen and not recorded.state.final:
            # The last lines are on their way to the file still.
            QTimer.singleShot(_RETRY_MS, self, lambda: self._load(task_id, seen))
            return
        if recorded.state.final or not self._task.state.final:
            self._task = recorded
        self._shown = len(lines)
        self.log.append([*lines, *(line for number, line in self._early if number >= self._shown)])
        self._early = []
        for message in messages:
            self._messages.appendPlainText(message)
        self._refresh()

    def _unreadable(self, error: AgentsRunnerError) -> None:
        self._shown = max(0, self._shown)
        self._notice.show_text(str(error))

    def take(self, events: Sequence[Event]) -> None:
        """Events of this very task, in order."""
        lines: list[tuple[int, tuple[str, str]]] = []
        for event in events:
            line = line_of(event)
            if line is not None:
                lines.append((self._next, line))
                self._next += 1
            if isinstance(event, AgentMessage):
                # Those of lines that the file held already were read from there.
                if 0 <= self._shown < self._next:
                    self._messages.appendPlainText(_spoken(event))
            elif not isinstance(event, LogLine):
                self._apply(event)
        if self._shown < 0:
            self._early += lines
        else:
            self.log.append([line for number, line in lines if number >= self._shown])
        self._refresh()

    def _apply(self, event: Event) -> None:
        task = self._task
        if task is None:
            return
        match event:
            case StateChanged():
                self._task = replace(task, state=event.state, started=task.started or time.time())
            case PhaseStarted():
                # The record may have been read after this event was sent.
                if all(one.phase != event.phase for one in task.phases):
                    self._began[event.phase] = time.monotonic()
                    self._task = replace(task, phases=(*task.phases, PhaseRecord(phase=event.phase)))
            case PhaseFinished():
                done = PhaseRecord(phase=event.phase, seconds=event.seconds, ok=event.ok, cache=event.cache)
                phases = [done if one.phase == event.phase else one for one in task.phases]
                self._task = replace(task, phases=tuple(phases))
            case Notice():
                self._task = replace(task, notices=(*task.notices, f"{event.message} {event.hint}".strip()))
            case Progress():
                self._facts.set_text(event.text)
            case TaskResult():
                self._task = replace(
                    task,
                    state=event.state,
                    exit_code=event.exit_code,
                    image=event.image,
                    error=event.error,
                    hint=event.hint,
                    finished=time.time(),
                )

    def _refresh(self) -> None:
        task = self._task
        if task is None:
            return
        self._title.set_text(f"{task.environment_name}: {task.prompt}")
        self._state.setText(state_text(task.state))
        facts = [f"task {task.id}", f"agent {task.agent}"]
        facts += [f"exit code {task.exit_code}"] if task.exit_code is not None else []
        facts += [f"image {task.image}"] if task.image else []
        self._facts.set_text("  ·  ".join(facts))
        self._notice.show_text("\n".join(dict.fromkeys(task.notices)))
        self._failure_text.setText(f"{task.error} {task.hint}".strip())
        self._failure.setVisible(bool(task.error))
        self._stop.setEnabled(not task.state.final)
        self._again.setEnabled(task.state.final)
        self._show_phases(task)
        if any(one.seconds is None for one in task.phases) and not task.state.final:
            self._timer.start()
        else:
            self._timer.stop()

    def _show_phases(self, task: Task) -> None:
        texts = []
        for one in task.phases:
            seconds = one.seconds if one.seconds is not None else time.monotonic() - self._began.get(one.phase, 0)
            word = "running" if one.seconds is None else "failed" if one.ok is False and not one.cache else ""
            word = one.cache or word
            texts += [one.phase.value, f"{seconds:.2f} s" if one.seconds is not None else f"{seconds:.0f} s", word]
        while len(self._cells) < len(texts):
            number = len(self._cells)
            cell = plain(role="muted" if number % 3 == 0 else "")
            self._cells.append(cell)
            # Three cells a phase, two phases beside each other.
            phase, part = divmod(number, 3)
            self._phases.addWidget(cell, phase // 2, (phase % 2) * 3 + part)
            self._phases.setColumnStretch(6, 1)
        for number, cell in enumerate(self._cells):
            cell.setText(texts[number] if number < len(texts) else "")

    @Slot()
    def _tick(self) -> None:
        if self._task is not None:
            self._show_phases(self._task)

    # -- actions -----------------------------------------------------------------------------------

    @Slot()
    def _stop_clicked(self) -> None:
        if self._task is None or self._task.state.final:
            return
        task_id = self._task.id
        self._stop.setEnabled(False)
        self._facts.set_text("Stopping ...")
        self._jobs.run(lambda: self._services.runner.stop(task_id), lambda _: None, self._unreadable)

    @Slot()
    def _again_clicked(self) -> None:
        if self._task is None:
            return
        task = self._task
        self._jobs.run(
            lambda: self._services.tasks.prompt(task.id),
            lambda prompt: self.again.emit(task.environment_id, task.agent, prompt),
            self._unreadable,
        )

    @Slot()
    def _copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self.log.widget.toPlainText())


def line_of(event: Event) -> tuple[str, str] | None:
    """The line of the log that an event is written as, None for events that are none."""
    if isinstance(event, LogLine):
        return event.stream, event.line
    if isinstance(event, Notice):
        return "system", f"{event.message} {event.hint}".strip()
    return None


def _spoken(message: AgentMessage) -> str:
    return f"{message.kind}: " + "\n".join(shown_text(line) for line in message.text.split("\n"))
