"""New task: an environment, an agent, a prompt, Run."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFormLayout, QPlainTextEdit, QStackedWidget, QVBoxLayout, QWidget

from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.core.task import Task
from agents_runner.runner.services import Services, TaskRequest
from agents_runner.ui.environment_editors import combo
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.models import color_dot
from agents_runner.ui.recent_prompts import RecentPrompts, replace_text
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, EmptyPage, Field, button, exact_text, page_layout, plain, row

OWN = ""
"""The first entry of the agents: the environment's own."""


class NewTaskPage(QWidget):
    """`submitted` carries the task that was just recorded, `mend` an environment's id and what is wrong with it."""

    submitted = Signal(object)
    mend = Signal(str, object)
    new_environment = Signal()

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._environments: dict[str, Environment] = {}
        self._wanted = ""
        self._broken: tuple[str, InvalidInput] | None = None
        self._lay_out()
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self).activated.connect(self.run)

    def _lay_out(self) -> None:
        self.environment = combo("task-environment")
        self.environment.currentIndexChanged.connect(self._chosen)
        self.agent = combo("task-agent")
        self.agent.addItem("The environment's", OWN)
        self.prompt = QPlainTextEdit()
        self.prompt.setObjectName("task-prompt")
        self.prompt.setPlaceholderText("What is the agent to do? (The arrow up brings back the last prompts.)")
        self.prompt.setTabChangesFocus(True)
        self._recent = RecentPrompts(self.prompt, self._services, self._jobs)
        self._fields = {
            "environment": Field(self.environment, "Environment"),
            "agent": Field(self.agent, "Agent"),
            "prompt": Field(self.prompt, "Prompt"),
        }
        self._banner = Banner("new-task-banner", "&Open the environment")
        self._banner.acted.connect(self._mend)
        self._empty = EmptyPage(
            "new-task-empty", "A task runs in an environment. There is none yet.", "&New environment"
        )
        self._empty.acted.connect(self.new_environment)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._form())
        self._stack.addWidget(self._empty)
        layout = page_layout(self)
        layout.addWidget(plain("New task", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(self._stack, 1)

    def _form(self) -> QWidget:
        body = QWidget()
        form = QFormLayout()
        form.setHorizontalSpacing(GRID * 2)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow("&Environment", self._fields["environment"])
        form.addRow("&Agent", self._fields["agent"])
        form.addRow("&Prompt", self._fields["prompt"])
        self._run = button("&Run", "run-task", "primary", "Run (Ctrl+Return)")
        self._run.clicked.connect(self.run)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addLayout(form, 1)
        layout.addLayout(row(self._run, plain("Ctrl+Return starts it as well.", "muted")))
        return body

    def load_agents(self) -> None:
        self._jobs.run(self._services.settings.agents, self._set_agents)

    def set_environments(self, environments: Sequence[Environment]) -> None:
        chosen = self._wanted or self.environment.currentData() or ""
        self._environments = {environment.id: environment for environment in environments}
        self.environment.blockSignals(True)
        self.environment.clear()
        for environment in environments:
            self.environment.addItem(color_dot(environment.color), environment.name, environment.id)
        self.environment.blockSignals(False)
        self.select(chosen)
        self._chosen()
        self._stack.setCurrentIndex(0 if environments or exact_text(self.prompt) else 1)

    def _set_agents(self, names: Sequence[str]) -> None:
        chosen = self.agent.currentData()
        while self.agent.count() > 1:
            self.agent.removeItem(1)
        for name in names:
            self.agent.addItem(name, name)
        self.agent.setCurrentIndex(max(0, self.agent.findData(chosen)))

    def select(self, environment_id: str) -> None:
        """Choose it now, or as soon as it is known."""
        number = self.environment.findData(environment_id)
        self._wanted = "" if number >= 0 else environment_id
        if number >= 0:
            self.environment.setCurrentIndex(number)

    def selected(self) -> str:
        """The id of the chosen environment, or of the one that is to be chosen once it is known."""
        return self._wanted or self.environment.currentData() or ""

    def offer(self, environment_id: str) -> None:
        """Choose it for the next prompt; one that is being written keeps its environment."""
        if not exact_text(self.prompt).strip():
            self.select(environment_id)

    def focus_first(self) -> None:
        self._recent.load()
        (self.prompt if self._stack.currentIndex() == 0 else self._empty.act).setFocus()

    @Slot()
    def _chosen(self) -> None:
        environment = self._environments.get(self.environment.currentData() or "")
        own = environment.agent if environment else ""
        self.agent.setItemText(0, f"The environment's ({own})" if own else "The environment's")
        self.environment.setToolTip("")

    @Slot()
    def run(self) -> None:
        if not self._run.isEnabled():
            return
        for field in self._fields.values():
            field.show_error("")
        self._banner.show_text("")
        environment_id = self.environment.currentData() or ""
        if not environment_id:
            self._wrong("", InvalidInput("There is no environment yet.", "Make one first.", field="environment"))
            return
        prompt = exact_text(self.prompt)
        if not prompt.strip():
            self._wrong("", InvalidInput("The prompt is empty.", "Say what the agent is to do.", field="prompt"))
            return
        request = TaskRequest(environment_id=environment_id, prompt=prompt, agent=self.agent.currentData() or "")
        self._under_way(True)
        self._jobs.run(
            lambda: self._services.runner.submit(request),
            self._submitted,
            lambda error: self._wrong(environment_id, error),
        )

    def _under_way(self, on: bool) -> None:
        """A prompt that is being handed over cannot be changed: what is typed meanwhile would become a part of it."""
        if on:
            # Before Run is switched off, which would hand the focus to whatever comes next.
            self.prompt.setFocus()
        self.prompt.setReadOnly(on)
        self._run.setEnabled(not on)

    def _submitted(self, task: Task) -> None:
        self._under_way(False)
        self._recent.add(exact_text(self.prompt))
        replace_text(self.prompt, "")
        self.submitted.emit(task)

    def _wrong(self, environment_id: str, error: AgentsRunnerError) -> None:
        self._under_way(False)
        name = error.field.partition(".")[0] if isinstance(error, InvalidInput) else ""
        field = self._fields.get(name)
        if field is not None:
            field.show_error(str(error))
            field.editor.setFocus()
            return
        # The environment's own fields are on its page: the banner's button goes there.
        self._broken = (environment_id, error) if isinstance(error, InvalidInput) and name else None
        self._banner.show_text(str(error), action=self._broken is not None)

    @Slot()
    def _mend(self) -> None:
        if self._broken is not None:
            self._banner.show_text("")
            self.mend.emit(*self._broken)
