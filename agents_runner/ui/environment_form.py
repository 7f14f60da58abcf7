"""The form of one environment: shows a `FormState`, tells when it changes, shows errors at their fields."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from agents_runner.core.environment import COLORS
from agents_runner.ui.form_state import FormState
from agents_runner.ui.models import color_dot
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Field, button, code_editor, exact_text, plain, row, same_lines

CACHED_TIP = "Slow and the same for every task: packages, tools, system configuration. Baked into an image once."
RUN_TIP = "Quick and of this task: variables, folders, refreshing the workspace. Runs at every start."
_KINDS = (("none", "None"), ("folder", "A folder of this machine"), ("git", "A fresh git clone for each task"))
_PULLS = (("missing", "If it is missing"), ("always", "Before every task"), ("never", "Never"))


def _line(name: str, placeholder: str = "") -> QLineEdit:
    made = QLineEdit()
    made.setObjectName(name)
    made.setPlaceholderText(placeholder)
    return made


def _combo(name: str, entries: Sequence[tuple[str, str]]) -> QComboBox:
    made = QComboBox()
    made.setObjectName(name)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(12)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for value, text in entries:
        made.addItem(text, value)
    return made


def _check(name: str, text: str, tip: str) -> QCheckBox:
    made = QCheckBox(text)
    made.setObjectName(name)
    made.setToolTip(tip)
    return made


class EnvironmentForm(QWidget):
    """`edited` comes with every change that a person makes, never while a state is shown."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("form-body")
        self._showing = False
        self._shown = FormState()
        self._make_editors()
        self._make_fields()
        self._lay_out()
        self._connect()

    # -- building ----------------------------------------------------------------------------------

    def _make_editors(self) -> None:
        self.name = _line("env-name", "For example the project's name")
        self.color = _combo("env-color", [(color, color.capitalize()) for color in COLORS])
        for number, color in enumerate(COLORS):
            self.color.setItemIcon(number, color_dot(color))
        self.base_image = _line("env-base-image", "debian:bookworm")
        self.agent = _combo("env-agent", [])
        self.kind = _combo("env-workspace-kind", _KINDS)
        self.path = _line("env-workspace-path", "/path/to/the/project")
        self.url = _line("env-workspace-url", "https://host/owner/repository.git")
        self.branch = _line("env-workspace-branch", "Branch (empty: the default)")
        self.cache_container = _check(
            "env-cache-container",
            "&Cache the environment layer",
            "Bake the cached preflight into an image, so that tasks start at once.",
        )
        self.desktop = _check("env-desktop", "&Desktop", "A screen inside the container for graphical programs.")
        self.cache_desktop = _check(
            "env-cache-desktop", "Cache the desktop &layer", "Bake the desktop's programs into an image of their own."
        )
        self.enabled = _check(
            "env-preflight-enabled", "Run pre&flight scripts", "Off: neither script runs; both texts stay."
        )
        self.cached = code_editor(
            "env-cached-preflight",
            CACHED_TIP,
            "apt-get update && apt-get install -y nodejs npm\n# step: NAME starts a new layer",
        )
        self.run = code_editor("env-run-preflight", RUN_TIP, "export NODE_ENV=development\nmkdir -p ~/cache")
        self.variables = code_editor(
            "env-variables", "One NAME=value a line, set in both scripts and for the agent.", "NAME=value"
        )
        self.mounts = code_editor("env-mounts", "One SOURCE:TARGET or SOURCE:TARGET:ro a line.", "/srv/data:/data:ro")
        self.ports = code_editor("env-ports", "One port a line; published on this machine only.", "3000\n8080:80")
        self.pull = _combo("env-pull", _PULLS)
        self.timeout = QSpinBox()
        self.timeout.setObjectName("env-build-timeout")
        self.timeout.setRange(1, 7 * 24 * 3600)
        self.timeout.setSuffix(" s")

    def _make_fields(self) -> None:
        browse = button("&Browse...", "env-browse")
        browse.clicked.connect(self._browse)
        self._fields = {
            "name": Field(self.name),
            "base_image": Field(self.base_image),
            "agent": Field(self.agent),
            "cached_preflight_script": Field(self.cached),
            "run_preflight_script": Field(self.run),
            "env_vars": Field(self.variables),
            "mounts": Field(self.mounts),
            "ports": Field(self.ports),
            "pull": Field(self.pull),
            "build_timeout_s": Field(self.timeout),
        }
        nowhere = plain("The agent starts in an empty folder.", "muted")
        self._folder_field = Field(self.path, extra=browse)
        git = QWidget()
        inner = QVBoxLayout(git)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(GRID)
        self._git_field = Field(self.url)
        inner.addWidget(self._git_field)
        inner.addWidget(self.branch)
        self._targets = (nowhere, self._folder_field, git)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(GRID * 2)
        form.setVerticalSpacing(GRID)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow("&Name", self._fields["name"])
        form.addRow("Base &image", self._fields["base_image"])
        form.addRow("&Agent", self._fields["agent"])
        form.addRow("&Workspace", self.kind)
        form.addRow("", self._target_box())
        self._tabs = QTabWidget()
        self._tabs.setObjectName("env-tabs")
        self._tabs.setMinimumHeight(220)
        for title, tip, names in (
            ("Cached preflight", CACHED_TIP, ("cached_preflight_script",)),
            ("Run preflight", RUN_TIP, ("run_preflight_script",)),
            ("Variables", "Set in both scripts and for the agent.", ("env_vars",)),
        ):
            number = self._tabs.addTab(self._tab(tip, names), title)
            self._tabs.setTabToolTip(number, tip)
        self._tabs.addTab(self._access_tab(), "Mounts and ports")
        self._tabs.addTab(self._advanced_tab(), "Advanced")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, GRID, 0)
        layout.setSpacing(GRID)
        layout.addLayout(form)
        layout.addLayout(row(self.cache_container))
        layout.addLayout(row(self.desktop, self.cache_desktop))
        layout.addWidget(self._tabs, 1)

    def _target_box(self) -> QWidget:
        """What belongs to the chosen kind of workspace; the others are hidden, their texts stay."""
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        for target in self._targets:
            layout.addWidget(target)
        self._show_target(0)
        return box

    @Slot(int)
    def _show_target(self, number: int) -> None:
        for position, target in enumerate(self._targets):
            target.setVisible(position == number)

    def _tab(self, tip: str, names: Sequence[str]) -> QWidget:
        tab = QWidget()
        layout = QVBoxLayout(tab)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(plain(tip, "muted", wrap=True))
        for name in names:
            layout.addWidget(self._fields[name], 1)
        return tab

    def _access_tab(self) -> QWidget:
        tab = QWidget()
        layout = QVBoxLayout(tab)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(plain("Mounts: folders of this machine inside the container.", "muted", wrap=True))
        layout.addWidget(self._fields["mounts"], 1)
        layout.addWidget(plain("Ports: of the container, published on this machine alone.", "muted", wrap=True))
        layout.addWidget(self._fields["ports"], 1)
        return tab

    def _advanced_tab(self) -> QWidget:
        tab = QWidget()
        form = QFormLayout(tab)
        form.setContentsMargins(GRID, GRID, GRID, GRID)
        form.setHorizontalSpacing(GRID * 2)
        form.setVerticalSpacing(GRID)
        form.addRow("", self.enabled)
        form.addRow("P&ull the base image", self._fields["pull"])
        form.addRow("Build &timeout", self._fields["build_timeout_s"])
        form.addRow("C&olour", self.color)
        return tab

    def _connect(self) -> None:
        for line in (self.name, self.base_image, self.path, self.url, self.branch):
            line.textEdited.connect(self._changed)
        for text in (self.cached, self.run, self.variables, self.mounts, self.ports):
            text.textChanged.connect(self._changed)
        for combo in (self.color, self.agent, self.kind, self.pull):
            combo.currentIndexChanged.connect(self._changed)
        for check in (self.cache_container, self.desktop, self.cache_desktop, self.enabled):
            check.toggled.connect(self._changed)
        self.timeout.valueChanged.connect(self._changed)
        self.kind.currentIndexChanged.connect(self._show_target)
        labels = {
            self.kind: "Workspace",
            self.path: "Workspace folder",
            self.url: "Repository",
            self.branch: "Branch",
            self.cached: "Cached preflight",
            self.run: "Run preflight",
            self.variables: "Variables",
            self.mounts: "Mounts",
            self.ports: "Ports",
        }
        for widget, label in labels.items():
            widget.setAccessibleName(label)

    # -- what the page uses -------------------------------------------------------------------------

    def set_agents(self, names: Sequence[str]) -> None:
        chosen = self.agent.currentData()
        self._showing = True
        self.agent.clear()
        for name in names:
            self.agent.addItem(name, name)
        if chosen:
            self._choose(self.agent, chosen)
        # Only now: filling the list again is no edit of a person's.
        self._showing = False

    def show_state(self, state: FormState) -> None:
        """Show these values; no `edited` comes of it."""
        self._showing = True
        self._shown = state
        self.name.setText(state.name)
        self.base_image.setText(state.base_image)
        self.path.setText(state.workspace_path)
        self.url.setText(state.workspace_url)
        self.branch.setText(state.workspace_branch)
        for combo, value in (
            (self.color, state.color),
            (self.agent, state.agent),
            (self.kind, state.workspace_kind),
            (self.pull, state.pull),
        ):
            self._choose(combo, value)
        for line in (self.name, self.base_image, self.path, self.url):
            line.setCursorPosition(0)
        self.cache_container.setChecked(state.cache_container_build)
        self.desktop.setChecked(state.headless_desktop_enabled)
        self.cache_desktop.setChecked(state.cache_desktop_build)
        self.enabled.setChecked(state.preflight_enabled)
        for editor, text in (
            (self.cached, state.cached_preflight_script),
            (self.run, state.run_preflight_script),
            (self.variables, state.variables),
            (self.mounts, state.mounts),
            (self.ports, state.ports),
        ):
            if exact_text(editor) != same_lines(text):
                editor.setPlainText(text)
        self.timeout.setValue(state.build_timeout_s)
        self._showing = False
        self.clear_errors()

    def state(self) -> FormState:
        return FormState(
            name=self.name.text(),
            color=self.color.currentData() or "emerald",
            base_image=self.base_image.text(),
            pull=self.pull.currentData() or "missing",
            agent=self.agent.currentData() or "codex",
            workspace_kind=self.kind.currentData() or "none",
            workspace_path=self.path.text(),
            workspace_url=self.url.text(),
            workspace_branch=self.branch.text(),
            headless_desktop_enabled=self.desktop.isChecked(),
            cache_desktop_build=self.cache_desktop.isChecked(),
            cache_container_build=self.cache_container.isChecked(),
            preflight_enabled=self.enabled.isChecked(),
            cached_preflight_script=self._text(self.cached, self._shown.cached_preflight_script),
            run_preflight_script=self._text(self.run, self._shown.run_preflight_script),
            variables=self._text(self.variables, self._shown.variables),
            mounts=self._text(self.mounts, self._shown.mounts),
            ports=self._text(self.ports, self._shown.ports),
            build_timeout_s=self.timeout.value(),
        )

    @staticmethod
    def _text(editor: QPlainTextEdit, shown: str) -> str:
        """What was shown, line ends included, unless a person changed it."""
        text = exact_text(editor)
        return shown if text == same_lines(shown) else text

    def clear_errors(self) -> None:
        for field in (*self._fields.values(), self._folder_field, self._git_field):
            field.show_error("")

    def show_error(self, name: str, text: str) -> bool:
        """Show a sentence at a field, bring the field to sight and focus it; False if there is no such field."""
        field = self._field(name)
        if field is None:
            return False
        field.show_error(text)
        for number in range(self._tabs.count()):
            tab = self._tabs.widget(number)
            if tab is not None and tab.isAncestorOf(field):
                self._tabs.setCurrentIndex(number)
        field.editor.setFocus()
        return True

    def _field(self, name: str) -> Field | None:
        head = name.partition(".")[0]
        if head == "workspace":
            return self._git_field if self.kind.currentData() == "git" else self._folder_field
        return self._fields.get(head)

    @staticmethod
    def _choose(combo: QComboBox, value: str) -> None:
        number = combo.findData(value)
        if number < 0:
            # A value of a file that this list does not have is shown, not silently changed.
            combo.addItem(value, value)
            number = combo.count() - 1
        combo.setCurrentIndex(number)

    @Slot()
    def _changed(self) -> None:
        if not self._showing:
            self.edited.emit()

    @Slot()
    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose the workspace", self.path.text())
        if folder:
            self.path.setText(folder)
            self._changed()
