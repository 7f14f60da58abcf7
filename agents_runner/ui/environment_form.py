"""The form of one environment: shows a `FormState`, tells when it changes, shows errors at their fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from agents_runner.core.environment_rows import BY_NAME, EnvironmentRow, Kind, Page, rows_of
from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.environment_editors import EnvironmentEditors, choose
from agents_runner.ui.form_state import FORM_ROWS, FormState
from agents_runner.ui.preflight_page import PreflightPage
from agents_runner.ui.profile_note import ProfileNote
from agents_runner.ui.secrets_editor import SECRETS_TIP, SecretsEditor
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, Field, plain, row, set_role, tip

_TARGETS = (("folder", "F&older", "folder"), ("git", "Re&pository", "git"), ("branch", "Branc&h", "git"))
"""The workspace's own fields: name, label, and of which kind of workspace they are."""
_TIPS = {
    Page.GENERAL: "What the environment is made of.",
    Page.PREFLIGHT: "The scripts that set a task's container up.",
    Page.VARIABLES: BY_NAME["env_vars"].text,
    Page.SECRETS: SECRETS_TIP,
    Page.ADVANCED: "Mounts, ports, limits, and when the base image is pulled.",
}


class EnvironmentForm(QWidget):
    """`edited` comes with every change that a person makes, never while a state is shown."""

    edited = Signal()
    folder_chosen = Signal(str)
    """A person chose or typed the workspace's folder; "" where the workspace is none."""

    def __init__(self, analyzer: Analyzer) -> None:
        super().__init__()
        self._showing = False
        self._shown = FormState()
        self._key = ""
        self.editors = EnvironmentEditors(self)
        self.secrets = SecretsEditor()
        self.profile = ProfileNote(self.editors.choice("profile"))
        self._fields = self._make_fields()
        self.preflight = PreflightPage(self.editors, self._fields, analyzer, self.state)
        self.offer = Banner("import-offer", "Import...")
        set_role(self.offer, "offer")
        self._lay_out()
        self._connect()

    # -- building ----------------------------------------------------------------------------------

    def _make_fields(self) -> dict[str, Field]:
        edit = self.editors
        fields = {row.name: Field(edit[row.name], _title(row)) for row in FORM_ROWS if row.kind is not Kind.SWITCH}
        return fields | {
            "folder": Field(edit.path, "Workspace folder", extra=edit.browse),
            "git": Field(edit.url, "Repository"),
            "branch": Field(edit.branch, "Branch"),
            "secrets": Field(self.secrets, BY_NAME["secrets"].title),
        }

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(GRID)
        label = plain(BY_NAME["name"].label)
        label.setBuddy(self.editors["name"])
        label.setFixedHeight(30)
        top.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self._fields["name"], 1, Qt.AlignmentFlag.AlignTop)
        self._fields["color"].setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        top.addWidget(self._fields["color"], 0, Qt.AlignmentFlag.AlignTop)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("env-tabs")
        self.tabs.setUsesScrollButtons(True)
        for page, widget in (
            (Page.GENERAL, self._general_tab()),
            (Page.PREFLIGHT, self.preflight),
            (Page.VARIABLES, self._tab(f"One NAME=value a line. {_TIPS[Page.VARIABLES]}", "env_vars")),
            (Page.SECRETS, self._tab(SECRETS_TIP, "secrets")),
            (Page.ADVANCED, scrolled(self._rows(Page.ADVANCED)[0])),
        ):
            number = self.tabs.addTab(widget, page)
            self.tabs.setTabToolTip(number, tip(_TIPS[page]))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addLayout(top)
        layout.addWidget(self.tabs, 1)

    def _general_tab(self) -> QWidget:
        body, self._general = self._rows(Page.GENERAL)
        self._show_target()
        return scrolled(body)

    def _rows(self, page: Page) -> tuple[QWidget, QFormLayout]:
        """The fields of a page, a line each, in the table's order."""
        body = QWidget()
        form = _form(body)
        line: QHBoxLayout | None = None
        for one in rows_of(page):
            if one.kind is Kind.WORKSPACE:
                self._add_workspace(form, one)
            elif one.beside and line is not None:
                line.insertWidget(line.count() - 1, self._widget(one))
            elif one.kind is Kind.SWITCH:
                line = row(self._widget(one))
                form.addRow(one.heading, line)
            else:
                form.addRow(_label(one), self._widget(one))
                if one.name == "profile":
                    form.addRow("", self.profile)
        return body, form

    def _widget(self, one: EnvironmentRow) -> QWidget:
        """What stands for a field: its editor, with a place for an error where there can be one."""
        field = self._fields.get(one.name)
        if field is None:
            return self.editors[one.name]
        if one.kind is Kind.LIST:
            field.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        return field

    def _add_workspace(self, form: QFormLayout, one: EnvironmentRow) -> None:
        form.addRow(one.label, self.editors.kind)
        self.editors.kind.setAccessibleName(one.title)
        for name, label, _ in _TARGETS:
            form.addRow(label, self._fields[name])
        form.addRow(self.offer)

    @Slot()
    def _show_target(self) -> None:
        """Only what belongs to the chosen kind of workspace is shown; the other texts stay."""
        kind = self.editors.kind.currentData()
        for name, _, wanted in _TARGETS:
            self._general.setRowVisible(self._fields[name], kind == wanted)

    def _tab(self, text: str, name: str) -> QWidget:
        tab = QWidget()
        layout = QVBoxLayout(tab)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addWidget(plain(text, "muted", wrap=True))
        layout.addWidget(self._fields[name], 1)
        return tab

    def _connect(self) -> None:
        edit = self.editors
        edit.on_change(self._changed)
        self.secrets.edited.connect(self._changed)
        self.profile.chosen.connect(self._changed)
        edit.kind.currentIndexChanged.connect(self._show_target)
        edit.browse.clicked.connect(self._browse)
        edit.switch("cache_container_build").toggled.connect(self._caching_toggled)
        self._folder_timer = QTimer(self)
        self._folder_timer.setSingleShot(True)
        self._folder_timer.setInterval(400)
        self._folder_timer.timeout.connect(self._folder_typed)
        edit.path.textEdited.connect(self._folder_timer.start)
        edit.kind.activated.connect(self._folder_timer.start)

    # -- what the page uses -------------------------------------------------------------------------

    def set_agents(self, names: Sequence[str]) -> None:
        agent = self.editors.choice("agent")
        chosen = agent.currentData()
        self._showing = True
        agent.clear()
        for name in names:
            agent.addItem(name, name)
        if chosen:
            choose(agent, chosen)
        self._showing = False

    def first_agent(self) -> str:
        return self.editors.choice("agent").itemData(0) or "codex"

    def show_state(self, state: FormState, key: str = "") -> None:
        """Show these values, of the environment `key`; no `edited` comes of it, and what is shown already stays."""
        self._showing = True
        old, self._shown = self._shown, state
        self.editors.show_state(state, old)
        self.secrets.show_grants(state.secrets)
        self.profile.show_from_before(state.profile_from_before)
        self._showing = False
        self.clear_errors()
        self._folder_timer.stop()
        if key != self._key:
            self._key = key
            self.offer.show_text("")
        self.preflight.show_state(state, key)

    def show_tab(self, title: str) -> None:
        """Open the tab of this title, if there is one."""
        titles = [self.tabs.tabText(number) for number in range(self.tabs.count())]
        if title in titles:
            self.tabs.setCurrentIndex(titles.index(title))

    def shown_tab(self) -> str:
        """The open tab's title."""
        return self.tabs.tabText(self.tabs.currentIndex())

    def settled(self) -> bool:
        """True while nothing is waited for."""
        return not self._folder_timer.isActive() and (not self.preflight.isVisible() or self.preflight.settled())

    def change_to(self, state: FormState) -> None:
        """Change the values as a person would: `edited` comes, and scripts can be undone."""
        for one in rows_of(Page.PREFLIGHT):
            if self.editors.value(one.name, self._shown.text(one.name)) != state.text(one.name):
                self.editors.script(one.name).replace_text(state.text(one.name))
        key = self._key
        self.show_state(state, key)
        self.edited.emit()

    def state(self) -> FormState:
        state = self.editors.state(self._shown)
        return replace(state, secrets=self.secrets.grants(), profile_from_before=self.profile.from_before())

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
            self._forgive(self.sender())
            self.edited.emit()
            self.preflight.refresh(self.state())

    def _forgive(self, editor: QObject | None) -> None:
        """What was wrong with a field's old value says nothing about the one that is being typed."""
        for field in self._fields.values():
            if field.editor is editor and field.error.text():
                field.show_error("")

    def still_wrong(self, name: str) -> bool:
        """False once a person has changed the field of this problem."""
        field = self._field(name)
        return field is None or bool(field.error.text())

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


def _title(one: EnvironmentRow) -> str:
    return f"{one.title} in {one.unit_words}" if one.unit else one.title


def _label(one: EnvironmentRow) -> str:
    return f"{one.label} ({one.unit})" if one.unit else one.label


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
