"""The editors of an environment's form, made of the rows in `core.environment_rows`, with their stable names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPlainTextEdit, QSizePolicy, QWidget

from agents_runner.core.environment_rows import BY_NAME, WORKSPACE_KINDS, EnvironmentRow, Kind
from agents_runner.core.setting_rows import Choice
from agents_runner.ui.form_state import FORM_ROWS, FormState
from agents_runner.ui.models import color_dot
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.widgets import QuietWheel, button, code_editor, exact_text, tip

CACHED_TIP = BY_NAME["cached_preflight_script"].text
RUN_TIP = BY_NAME["run_preflight_script"].text
SINGLE_TIP = "Everything in one script, run at every task start; Auto-split finds out what can be cached."
Widget = TypeVar("Widget", bound=QWidget)
SMALL_TEXT = 72
"""Height in pixels of an editor for a few lines."""
MAX_ENTRIES = 14
"""Entries of a drop-down list that are seen at once; more of them scroll."""


def _line(name: str, placeholder: str = "", hint: str = "") -> QLineEdit:
    made = QLineEdit()
    made.setObjectName(name)
    made.setPlaceholderText(placeholder)
    made.setToolTip(tip(hint))
    return made


def combo(name: str, entries: Sequence[tuple[str, str]] = ()) -> QComboBox:
    """A list to choose from that is never wider than the place it has."""
    made = QComboBox()
    made.setObjectName(name)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(8)
    made.setMaxVisibleItems(MAX_ENTRIES)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for value, text in entries:
        made.addItem(text, value)
    return made


def choose(box: QComboBox, value: str) -> None:
    """Choose a value; one of a file that the list does not have is shown, not silently changed."""
    number = box.findData(value)
    if number < 0:
        box.addItem(value, value)
        number = box.count() - 1
    box.setCurrentIndex(number)


def _check(row: EnvironmentRow) -> QCheckBox:
    made = QCheckBox(row.label)
    made.setObjectName(row.widget)
    made.setToolTip(tip(row.meaning))
    return made


def _choice(row: EnvironmentRow) -> QComboBox:
    made = combo(row.widget, _entries(row.choices))
    if row.name == "color":
        for number, choice in enumerate(row.choices):
            made.setItemIcon(number, color_dot(choice.value))
    else:
        made.setToolTip(tip(row.meaning))
    return made


def _entries(choices: Sequence[Choice]) -> list[tuple[str, str]]:
    return [(choice.value, choice.label) for choice in choices]


def _editor(row: EnvironmentRow) -> QWidget:
    match row.kind:
        case Kind.SWITCH:
            return _check(row)
        case Kind.CHOICE:
            return _choice(row)
        case Kind.SCRIPT:
            return ScriptEditor(row.widget, row.meaning, row.placeholder)
        case Kind.LIST | Kind.PAIRS:
            text = code_editor(row.widget, row.meaning, row.placeholder)
            if row.kind is Kind.LIST:
                text.setFixedHeight(SMALL_TEXT)
            return text
        case _:
            return _line(row.widget, row.placeholder, row.meaning)


class EnvironmentEditors:
    """The widgets, by their rows' names; the form lays them out. Only the workspace has several."""

    def __init__(self, parent: QWidget) -> None:
        self._widgets = {row.name: _editor(row) for row in FORM_ROWS}
        self._held: dict[str, str] = {}
        self.kind = combo(BY_NAME["workspace"].widget, _entries(WORKSPACE_KINDS))
        self.path = _line("env-workspace-path", "/path/to/the/project")
        self.browse = button("&Browse...", "env-workspace-browse")
        self.url = _line("env-workspace-url", "https://host/owner/repository.git")
        self.branch = _line("env-workspace-branch", "Branch (empty: the default)")
        quiet = QuietWheel(parent)
        for widget in (*self._widgets.values(), self.kind):
            if isinstance(widget, QComboBox):
                widget.installEventFilter(quiet)

    def __getitem__(self, name: str) -> QWidget:
        return self._widgets[name]

    def line(self, name: str) -> QLineEdit:
        """The editor of a field of one line. Raises TypeError where it is another kind."""
        return _as(QLineEdit, self._widgets[name])

    def switch(self, name: str) -> QCheckBox:
        """The editor of a switch. Raises TypeError where it is another kind."""
        return _as(QCheckBox, self._widgets[name])

    def choice(self, name: str) -> QComboBox:
        """The editor of a choice. Raises TypeError where it is another kind."""
        return _as(QComboBox, self._widgets[name])

    def script(self, name: str) -> ScriptEditor:
        """The editor of a script. Raises TypeError where it is another kind."""
        return _as(ScriptEditor, self._widgets[name])

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have `changed`, a slot, called after every change that a person makes."""
        for widget in (*self._widgets.values(), self.path, self.url, self.branch, self.kind):
            match widget:
                case QLineEdit():
                    widget.textEdited.connect(changed)
                case QComboBox():
                    widget.currentIndexChanged.connect(changed)
                case QCheckBox():
                    widget.toggled.connect(changed)
                case QPlainTextEdit():
                    widget.textChanged.connect(changed)

    def show_state(self, state: FormState, old: FormState) -> None:
        """Show a state in place of `old`; what is shown already stays, with its cursor."""
        for name, widget in self._widgets.items():
            value = state.values[name]
            match widget:
                case QCheckBox():
                    widget.setChecked(value is True)
                case QComboBox():
                    choose(widget, str(value))
                case QLineEdit():
                    _show_line(widget, str(value))
                case QPlainTextEdit():
                    self._show_text(name, widget, str(value), old.text(name))
        choose(self.kind, state.workspace_kind)
        _show_line(self.path, state.workspace_path)
        _show_line(self.url, state.workspace_url)
        _show_line(self.branch, state.workspace_branch)

    def state(self, shown: FormState) -> FormState:
        """What the editors hold; texts that a person did not change are as `shown` has them, line ends included."""
        return FormState(
            values={name: self.value(name, shown.values[name]) for name in self._widgets},
            workspace_kind=self.kind.currentData(),
            workspace_path=self.path.text(),
            workspace_url=self.url.text(),
            workspace_branch=self.branch.text(),
            secrets=shown.secrets,
            preflight_script=shown.preflight_script,
        )

    def value(self, name: str, shown: str | bool) -> str | bool:
        """What one editor holds, or `shown` where a person did not change it."""
        match self._widgets[name]:
            case QCheckBox() as box:
                return box.isChecked()
            case QComboBox() as choice:
                return choice.currentData() or shown
            case QLineEdit() as line:
                return line.text()
            case QPlainTextEdit() as editor:
                text = _exact(editor)
                return shown if text == self._held.get(name) else text
            case widget:
                raise TypeError(f"{widget.objectName()} holds no value")

    def _show_text(self, name: str, editor: QPlainTextEdit, text: str, old: str) -> None:
        now = _exact(editor)
        if now != text and (text != old or now != self._held.get(name)):
            editor.setPlainText(text)
        # What the editor makes of the text (line ends, say), to know later whether a person changed it.
        self._held[name] = _exact(editor)


def _as(kind: type[Widget], widget: QWidget) -> Widget:
    if not isinstance(widget, kind):
        raise TypeError(f"{widget.objectName()} is no {kind.__name__}")
    return widget


def _show_line(line: QLineEdit, text: str) -> None:
    if line.text() != text:
        line.setText(text)
        line.setCursorPosition(0)


def _exact(editor: QPlainTextEdit) -> str:
    return editor.text() if isinstance(editor, ScriptEditor) else exact_text(editor)
