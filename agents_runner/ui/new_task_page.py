"""New task: an environment, an agent, a prompt, Run."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QComboBox, QFormLayout, QPlainTextEdit, QWidget

from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.core.task import Task
from agents_runner.runner.services import Services, TaskRequest
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.models import color_dot
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, Field, button, exact_text, page_layout, plain, row

OWN = ""


class NewTaskPage(QWidget):
    """`submitted` carries the task that was just recorded."""

    submitted = Signal(object)

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._environments: dict[str, Environment] = {}
        self._lay_out()
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self).activated.connect(self.run)

    def _lay_out(self) -> None:
        self.environment = QComboBox()
        self.environment.setObjectName("task-environment")
        self.environment.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.environment.currentIndexChanged.connect(self._chosen)
        self.agent = QComboBox()
        self.agent.setObjectName("task-agent")
        self.prompt = QPlainTextEdit()
        self.prompt.setObjectName("task-prompt")
        self.prompt.setPlaceholderText("What is the agent to do?")
        self.prompt.setTabChangesFocus(True)
        self.prompt.setAccessibleName("Prompt")
        self._fields = {
            "environment": Field(self.environment),
            "agent": Field(self.agent),
            "prompt": Field(self.prompt),
        }
        self._banner = Banner("new-task-banner")
        form = QFormLayout()
        form.setHorizontalSpacing(GRID * 2)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow("&Environment", self._fields["environment"])
        form.addRow("&Agent", self._fields["agent"])
        form.addRow("&Prompt", self._fields["prompt"])
        self._run = button("&Run", "run-task", "primary", "Run (Ctrl+Return)")
        self._run.clicked.connect(self.run)
        layout = page_layout(self)
        layout.addWidget(plain("New task", "title"))
        layout.addWidget(self._banner)
        layout.addLayout(form, 1)
        layout.addLayout(row(self._run, plain("Ctrl+Return starts it as well.", "muted")))

    def set_environments(self, environments: Sequence[Environment]) -> None:
        chosen = self.environment.currentData()
        self._environments = {environment.id: environment for environment in environments}
        self.environment.blockSignals(True)
        self.environment.clear()
        for environment in environments:
            self.environment.addItem(color_dot(environment.color), environment.name, environment.id)
        self.environment.blockSignals(False)
        self.select(chosen or "")
        self._chosen()
        self._jobs.run(self._services.agents, self._set_agents)

    def _set_agents(self, names: Sequence[str]) -> None:
        chosen = self.agent.currentData()
        self.agent.clear()
        self.agent.addItem("", OWN)
        for name in names:
            self.agent.addItem(name, name)
        self.agent.setCurrentIndex(max(0, self.agent.findData(chosen)))
        self._chosen()

    def select(self, environment_id: str) -> None:
        number = self.environment.findData(environment_id)
        self.environment.setCurrentIndex(max(0, number) if self.environment.count() else -1)

    @Slot()
    def _chosen(self) -> None:
        environment = self._environments.get(self.environment.currentData() or "")
        if self.agent.count():
            own = environment.agent if environment else ""
            self.agent.setItemText(0, f"The environment's ({own})" if own else "The environment's")

    @Slot()
    def run(self) -> None:
        for field in self._fields.values():
            field.show_error("")
        self._banner.show_text("")
        environment_id = self.environment.currentData()
        if not environment_id:
            self._wrong(InvalidInput("There is no environment yet.", "Make one first.", field="environment"))
            return
        prompt = exact_text(self.prompt)
        if not prompt.strip():
            self._wrong(InvalidInput("The prompt is empty.", "Say what the agent is to do.", field="prompt"))
            return
        request = TaskRequest(environment_id=environment_id, prompt=prompt, agent=self.agent.currentData() or "")
        self._run.setEnabled(False)
        self._jobs.run(lambda: self._services.runner.submit(request), self._submitted, self._refused)

    def _submitted(self, task: Task) -> None:
        self._run.setEnabled(True)
        self.submitted.emit(task)

    def _refused(self, error: AgentsRunnerError) -> None:
        self._run.setEnabled(True)
        self._wrong(error)

    def _wrong(self, error: AgentsRunnerError) -> None:
        name = error.field.partition(".")[0] if isinstance(error, InvalidInput) else ""
        field = self._fields.get(name)
        if field is not None:
            field.show_error(str(error))
            field.editor.setFocus()
        else:
            # The environment's own fields are on its page; the sentence names what is wrong.
            self._banner.show_text(str(error))
