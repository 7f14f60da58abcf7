"""The form of one environment: shows a `FormState`, tells when it changes, shows errors at their fields."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.environment_editors import VARIABLES_TIP, EnvironmentEditors
from agents_runner.ui.form_state import FormState
from agents_runner.ui.preflight_page import PreflightPage
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.secrets_editor import SECRETS_TIP, SecretsEditor
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, Field, exact_text, plain, row, set_role, tip

_LINES = {
    "name": "name",
    "base_image": "base_image",
    "path": "workspace_path",
    "url": "workspace_url",
    "branch": "workspace_branch",
    "timeout": "build_timeout_s",
    "run_limit": "run_preflight_timeout_s",
    "task_limit": "task_timeout_s",
    "cpus": "cpus",
    "memory": "memory_mb",
}
_TEXTS = {
    "cached": "cached_preflight_script",
    "run": "run_preflight_script",
    "variables": "variables",
    "mounts": "mounts",
    "ports": "ports",
}
_COMBOS = {"color": "color", "agent": "agent", "kind": "workspace_kind", "pull": "pull"}
_CHECKS = {
    "cache_container": "cache_container_build",
    "desktop": "headless_desktop_enabled",
    "cache_desktop": "cache_desktop_build",
    "enabled": "preflight_enabled",
    "package_caches": "package_caches",
}
"""Each editor's name and what it edits of the state."""


class EnvironmentForm(QWidget):
    """`edited` comes with every change that a person makes, never while a state is shown."""

    edited = Signal()
    folder_chosen = Signal(str)
    """A person chose or typed the workspace's folder; "" where the workspace is none."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self._showing = False
        self._shown = FormState()
        self._held: dict[str, str] = {}
        self._key = ""
        self.editors = EnvironmentEditors(self)
        self.secrets = SecretsEditor()
        self._fields = self._make_fields()
        self.preflight = PreflightPage(self.editors, self._fields, analyzer, self.state)
        self.offer = Banner("import-offer", "Import...")
        set_role(self.offer, "offer")
        self._lay_out()
        self._connect()

    # -- building ----------------------------------------------------------------------------------

    def _make_fields(self) -> dict[str, Field]:
        edit = self.editors
        return {
            "name": Field(edit.name, "Name"),
            "color": Field(edit.color, "Colour"),
            "base_image": Field(edit.base_image, "Base image"),
            "agent": Field(edit.agent, "Agent"),
            "folder": Field(edit.path, "Workspace folder", extra=edit.browse),
            "git": Field(edit.url, "Repository"),
            "branch": Field(edit.branch, "Branch"),
            "cached_preflight_script": Field(edit.cached, "Cached preflight"),
            "run_preflight_script": Field(edit.run, "Run preflight"),
            "env_vars": Field(edit.variables, "Variables"),
            "mounts": Field(edit.mounts, "Mounts"),
            "ports": Field(edit.ports, "Ports"),
            "pull": Field(edit.pull, "Pull the base image"),
            "build_timeout_s": Field(edit.timeout, "Build timeout"),
            "run_preflight_timeout_s": Field(edit.run_limit, "Run preflight limit"),
            "task_timeout_s": Field(edit.task_limit, "Task limit"),
            "secrets": Field(self.secrets, "Secrets"),
            "resources.cpus": Field(edit.cpus, "CPUs"),
            "resources.memory_mb": Field(edit.memory, "Memory in MiB"),
        }

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(GRID)
        label = plain("N&ame")
        label.setBuddy(self.editors.name)
        label.setFixedHeight(30)
        top.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self._fields["name"], 1, Qt.AlignmentFlag.AlignTop)
        self._fields["color"].setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        top.addWidget(self._fields["color"], 0, Qt.AlignmentFlag.AlignTop)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("env-tabs")
        self.tabs.setUsesScrollButtons(True)
        for title, hint, page in (
            ("General", "What the environment is made of.", self._general_tab()),
            ("Preflight", "The scripts that set a task's container up.", self.preflight),
            ("Variables", VARIABLES_TIP, self._tab(f"One NAME=value a line. {VARIABLES_TIP}", "env_vars")),
            ("Secrets", SECRETS_TIP, self._tab(SECRETS_TIP, "secrets")),
            ("Advanced", "Mounts, ports, limits, and when the base image is pulled.", self._advanced_tab()),
        ):
            number = self.tabs.addTab(page, title)
            self.tabs.setTabToolTip(number, tip(hint))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addLayout(top)
        layout.addWidget(self.tabs, 1)

    def _general_tab(self) -> QWidget:
        edit = self.editors
        body = QWidget()
        form = _form(body)
        form.addRow("Base &image", self._fields["base_image"])
        form.addRow("A&gent", self._fields["agent"])
        form.addRow("&Workspace", edit.kind)
        edit.kind.setAccessibleName("Workspace")
        for name, label in (("folder", "F&older"), ("git", "Re&pository"), ("branch", "Branc&h")):
            form.addRow(label, self._fields[name])
        form.addRow(self.offer)
        form.addRow("Start-up", edit.cache_container)
        form.addRow("", edit.enabled)
        form.addRow("", row(edit.desktop, edit.cache_desktop))
        self._general = form
        self._show_target()
        return scrolled(body)

    @Slot()
    def _show_target(self) -> None:
        """Only what belongs to the chosen kind of workspace is shown; the other texts stay."""
        kind = self.editors.kind.currentData()
        for name, wanted in (("folder", "folder"), ("git", "git"), ("branch", "git")):
            self._general.setRowVisible(self._fields[name], kind == wanted)

    def _tab(self, text: str, name: str) -> QWidget:
        tab = QWidget()
        layout = QVBoxLayout(tab)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(plain(text, "muted", wrap=True))
        layout.addWidget(self._fields[name], 1)
        return tab

    def _advanced_tab(self) -> QWidget:
        body = QWidget()
        form = _form(body)
        for name in ("mounts", "ports"):
            self._fields[name].setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        form.addRow("&Mounts", self._fields["mounts"])
        form.addRow("Por&ts", self._fields["ports"])
        form.addRow("P&ull the base image", self._fields["pull"])
        form.addRow("Build t&imeout (s)", self._fields["build_timeout_s"])
        form.addRow("", self.editors.package_caches)
        form.addRow("Run preflight limit (s)", self._fields["run_preflight_timeout_s"])
        form.addRow("Task limit (s)", self._fields["task_timeout_s"])
        form.addRow("CPUs", self._fields["resources.cpus"])
        form.addRow("Memory (MiB)", self._fields["resources.memory_mb"])
        return scrolled(body)

    def _connect(self) -> None:
        edit = self.editors
        for line in edit.lines():
            line.textEdited.connect(self._changed)
        for text in edit.texts():
            text.textChanged.connect(self._changed)
        for one in edit.combos():
            one.currentIndexChanged.connect(self._changed)
        for check in edit.checks():
            check.toggled.connect(self._changed)
        self.secrets.edited.connect(self._changed)
        edit.kind.currentIndexChanged.connect(self._show_target)
        edit.browse.clicked.connect(self._browse)
        edit.cache_container.toggled.connect(self._caching_toggled)
        self._folder_timer = QTimer(self)
        self._folder_timer.setSingleShot(True)
        self._folder_timer.setInterval(400)
        self._folder_timer.timeout.connect(self._folder_typed)
        edit.path.textEdited.connect(self._folder_timer.start)
        edit.kind.activated.connect(self._folder_timer.start)

    # -- what the page uses -------------------------------------------------------------------------

    def set_agents(self, names: Sequence[str]) -> None:
        agent = self.editors.agent
        chosen = agent.currentData()
        self._showing = True
        agent.clear()
        for name in names:
            agent.addItem(name, name)
        if chosen:
            _choose(agent, chosen)
        self._showing = False

    def first_agent(self) -> str:
        return self.editors.agent.itemData(0) or "codex"

    def show_state(self, state: FormState, key: str = "") -> None:
        """Show these values, of the environment `key`; no `edited` comes of it, and what is shown already stays."""
        self._showing = True
        old, self._shown = self._shown, state
        for name, field in _LINES.items():
            line: QLineEdit = getattr(self.editors, name)
            if line.text() != getattr(state, field):
                line.setText(getattr(state, field))
                line.setCursorPosition(0)
        for name, field in _COMBOS.items():
            _choose(getattr(self.editors, name), getattr(state, field))
        for name, field in _CHECKS.items():
            getattr(self.editors, name).setChecked(getattr(state, field))
        for name, field in _TEXTS.items():
            self._show_text(name, getattr(state, field), getattr(old, field))
        self.secrets.show_grants(state.secrets)
        self._showing = False
        self.clear_errors()
        self._folder_timer.stop()
        if key != self._key:
            self._key = key
            self.offer.show_text("")
        self.preflight.show_state(state, key)

    def settled(self) -> bool:
        """True while nothing is waited for."""
        return not self._folder_timer.isActive() and (not self.preflight.isVisible() or self.preflight.settled())

    def change_to(self, state: FormState) -> None:
        """Change the values as a person would: `edited` comes, and scripts can be undone."""
        for name in ("cached", "run"):
            editor: ScriptEditor = getattr(self.editors, name)
            if self._text(name, getattr(self._shown, _TEXTS[name])) != getattr(state, _TEXTS[name]):
                editor.replace_text(getattr(state, _TEXTS[name]))
        key = self._key
        self.show_state(state, key)
        self.edited.emit()

    def _show_text(self, name: str, text: str, old: str) -> None:
        """What a person did not change and is to be shown again stays, with its cursor."""
        editor: QPlainTextEdit = getattr(self.editors, name)
        now = _exact(editor)
        if now != text and (text != old or now != self._held.get(name)):
            editor.setPlainText(text)
        # What the editor makes of the text (line ends, say), to know later whether a person changed it.
        self._held[name] = _exact(editor)

    def state(self) -> FormState:
        values: dict[str, object] = {field: getattr(self.editors, name).text() for name, field in _LINES.items()}
        values |= {field: getattr(self.editors, name).currentData() for name, field in _COMBOS.items()}
        values |= {field: getattr(self.editors, name).isChecked() for name, field in _CHECKS.items()}
        values |= {field: self._text(name, getattr(self._shown, field)) for name, field in _TEXTS.items()}
        values["agent"] = values["agent"] or self._shown.agent
        values["preflight_script"] = self._shown.preflight_script
        values["secrets"] = self.secrets.grants()
        return FormState(**values)  # type: ignore[arg-type]

    def _text(self, name: str, shown: str) -> str:
        """What was shown, line ends included, unless a person changed it."""
        editor: QPlainTextEdit = getattr(self.editors, name)
        text = _exact(editor)
        return shown if text == self._held.get(name) else text

    def clear_errors(self) -> None:
        for field in self._fields.values():
            field.show_error("")

    def show_error(self, name: str, text: str) -> bool:
        """Show a sentence at a field, bring the field to sight and focus it; False if there is no such field."""
        field = self._field(name)
        if field is None:
            return False
        field.show_error(text)
        self.preflight.reveal(field)
        for number in range(self.tabs.count()):
            tab = self.tabs.widget(number)
            if tab is not None and tab.isAncestorOf(field):
                self.tabs.setCurrentIndex(number)
                if isinstance(tab, QScrollArea):
                    tab.ensureWidgetVisible(field)
        field.editor.setFocus()
        return True

    def _field(self, name: str) -> Field | None:
        head = name.partition(".")[0]
        if head == "workspace":
            head = "git" if self.editors.kind.currentData() == "git" else "folder"
        if head == "resources":
            return self._fields.get(name, self._fields["resources.memory_mb"])
        return self._fields.get(head)

    @Slot()
    def _changed(self) -> None:
        if not self._showing:
            self.edited.emit()
            self.preflight.refresh(self.state())

    @Slot(bool)
    def _caching_toggled(self, on: bool) -> None:
        if on and not self._showing:
            self.preflight.caching_switched_on()

    @Slot()
    def _folder_typed(self) -> None:
        self._folder_timer.stop()
        folder = self.editors.kind.currentData() == "folder"
        self.folder_chosen.emit(self.editors.path.text().strip() if folder else "")

    @Slot()
    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose the workspace", self.editors.path.text())
        if folder:
            self.editors.path.setText(folder)
            self._changed()
            self._folder_typed()


def _exact(editor: QPlainTextEdit) -> str:
    return editor.text() if isinstance(editor, ScriptEditor) else exact_text(editor)


def _form(parent: QWidget) -> QFormLayout:
    form = QFormLayout(parent)
    form.setContentsMargins(GRID, GRID, GRID, GRID)
    form.setHorizontalSpacing(GRID * 2)
    form.setVerticalSpacing(GRID)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return form


def scrolled(body: QWidget) -> QScrollArea:
    """Errors below their fields may need more height than there is."""
    body.setObjectName("scrolled-body")
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setWidget(body)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return scroll


def _choose(combo: QComboBox, value: str) -> None:
    number = combo.findData(value)
    if number < 0:
        # A value of a file that this list does not have is shown, not silently changed.
        combo.addItem(value, value)
        number = combo.count() - 1
    combo.setCurrentIndex(number)
