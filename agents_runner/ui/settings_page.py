"""Settings: what holds for the whole application, made of the table in `core.setting_rows`."""

from __future__ import annotations

from itertools import groupby

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.core.setting_rows import ROWS
from agents_runner.core.setting_values import kind_of, read_setting, setting_text, with_agents, with_settings
from agents_runner.core.settings import CustomAgent, Settings
from agents_runner.runner.services import Services
from agents_runner.ui.agents_editor import AgentsEditor, Lines, agent_lines
from agents_runner.ui.application import application
from agents_runner.ui.environment_form import scrolled
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.settings_fields import SettingField
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, Field, QuietWheel, button, page_layout, plain, row

_WIDTH = GRID * 104
_EDITOR_HEIGHT = 30


class SettingsPage(QWidget):
    """Shows what the file holds whenever it is opened; what was typed and not saved stays."""

    theme_chosen = Signal(str)
    """The theme to wear now: as soon as it is chosen, and the saved one again after Revert."""
    saved = Signal()

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._there: Settings | None = None
        self._saving = False
        wheel = QuietWheel(self)
        self._fields = {one.name: SettingField(one, wheel) for one in ROWS}
        self._agents = AgentsEditor()
        self._lay_out()
        self._agents.edited.connect(self._edited)
        for field in self._fields.values():
            field.edited.connect(self._edited)
        self._fields["theme"].edited.connect(self._theme)
        self._form.setEnabled(False)
        application().focusChanged.connect(self._keep_in_sight)
        QShortcut(QKeySequence.StandardKey.Save, self).activated.connect(self.save)

    def _lay_out(self) -> None:
        self._form = QWidget()
        form = QGridLayout(self._form)
        form.setContentsMargins(0, 0, GRID, GRID)
        form.setHorizontalSpacing(GRID * 2)
        form.setVerticalSpacing(GRID * 2)
        form.setColumnStretch(1, 1)
        for group, rows in groupby(ROWS, key=lambda one: one.group):
            form.addWidget(_heading(group), form.rowCount(), 0, 1, 2)
            for one in rows:
                number = form.rowCount()
                label = plain("" if kind_of(one.name) is bool else one.label)
                label.setFixedHeight(_EDITOR_HEIGHT)
                form.addWidget(label, number, 0, Qt.AlignmentFlag.AlignTop)
                form.addWidget(self._fields[one.name], number, 1, Qt.AlignmentFlag.AlignTop)
        form.addWidget(_heading("Agents of your own"), form.rowCount(), 0, 1, 2)
        form.addWidget(self._agents, form.rowCount(), 0, 1, 2)
        self._scroll = scrolled(_Column(self._form))
        # What was added or said may have pushed the editor in use out of sight.
        self._scroll.verticalScrollBar().rangeChanged.connect(self._keep_in_sight)
        self._banner = Banner("settings-banner")
        self._said = plain(role="good")
        self._said.setObjectName("settings-said")
        self._save = button("&Save", "save-settings", "primary", "Save (Ctrl+S)")
        self._save.clicked.connect(self.save)
        self._revert = button("Re&vert", "revert-settings", hint="Back to what was saved")
        self._revert.clicked.connect(self.revert)
        layout = page_layout(self)
        layout.addWidget(plain("Settings", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(self._scroll, 1)
        layout.addLayout(row(self._save, self._said, self._revert, grows=1))
        self._buttons()

    # -- showing -----------------------------------------------------------------------------------

    def reload(self) -> None:
        self._said.setText("")
        self._jobs.run(self._services.settings.load, self._loaded, self._failed)

    def focus_first(self) -> None:
        if self._form.isEnabled():
            self._fields["theme"].editor.setFocus()

    def edited(self) -> bool:
        return bool(self._changes()) or self._agents_changed()

    def _loaded(self, settings: Settings) -> None:
        if self._saving:
            return
        changed, lines = dict(self._changes()), self._agents.lines() if self._agents_changed() else None
        errors = {name for name in changed if self._fields[name].error.text()}
        self._show(settings, changed, lines, keep=errors)

    def _show(
        self, settings: Settings, typed: dict[str, str], lines: Lines | None, *, keep: set[str] | None = None
    ) -> None:
        """These settings, but for what was typed over them."""
        first, self._there = self._there is None, settings
        for name, field in self._fields.items():
            if name not in (keep or ()):
                field.show_text(typed.get(name, setting_text(settings, name)))
        if lines is None:
            self._agents.show_lines(agent_lines(settings.agents))
        if first:
            focus = self.isAncestorOf(self.window().focusWidget() or self)
            self._form.setEnabled(True)
            if focus and self.isVisible():
                self.focus_first()
        self._banner.show_text("")
        self._buttons()

    def _failed(self, error: AgentsRunnerError) -> None:
        self._saving = False
        self._banner.show_text(str(error))
        self._buttons()

    def _buttons(self) -> None:
        edited = self.edited() and not self._saving
        self._save.setEnabled(edited)
        self._revert.setEnabled(edited)

    def _changes(self) -> tuple[tuple[str, str], ...]:
        there = self._there
        if there is None:
            return ()
        texts = ((name, field.text()) for name, field in self._fields.items())
        return tuple((name, text) for name, text in texts if text != setting_text(there, name))

    def _agents_changed(self) -> bool:
        return self._there is not None and self._agents.lines() != agent_lines(self._there.agents)

    @Slot()
    def _edited(self) -> None:
        self._said.setText("")
        self._buttons()

    @Slot()
    def _keep_in_sight(self) -> None:
        """The editor in use, with its error and explanation."""
        editor = self.window().focusWidget()
        if editor is not None and self._form.isAncestorOf(editor):
            field = editor.parentWidget()
            self._scroll.ensureWidgetVisible(field if isinstance(field, Field) else editor, 0, GRID)

    @Slot()
    def _theme(self) -> None:
        self.theme_chosen.emit(self._fields["theme"].text())

    # -- saving ------------------------------------------------------------------------------------

    @Slot()
    def revert(self) -> None:
        if self._there is not None and not self._saving:
            self._show(self._there, {}, None)
            self._theme()
            self.focus_first()

    @Slot()
    def save(self) -> None:
        """Check everything, then write what was changed onto what the file holds by then."""
        there = self._there
        if there is None or self._saving or not self.edited():
            return
        changes = self._changes()
        wrong: QWidget | None = None
        for name, text in changes:
            field = self._fields[name]
            try:
                read_setting(name, text, field.row.label)
            except InvalidInput as error:
                field.show_error(f"{error.message} {error.hint}")
                wrong = wrong or field.editor
        agents: dict[str, CustomAgent] | None = None
        if self._agents_changed():
            agents, bad = self._agents.read(there.agents)
            wrong = wrong or bad
        if wrong is not None:
            wrong.setFocus()
            self._keep_in_sight()
            return
        self._saving = True
        self._buttons()
        self._jobs.run(lambda: self._write(changes, agents), self._written, self._failed)

    def _write(self, changes: tuple[tuple[str, str], ...], agents: dict[str, CustomAgent] | None) -> Settings:
        base = self._services.settings.load()
        settings = with_settings(base, changes)
        if agents is not None:
            settings = with_agents(settings, agents)
        self._services.settings.save(settings, base)
        return settings

    def _written(self, settings: Settings) -> None:
        # What was typed while it was written is still there, and still to be saved.
        before, self._there = self._there or settings, settings
        self._saving = False
        self._after_write(before, settings)
        self._said.setText("Saved." if not self.edited() else "")
        self._banner.show_text("")
        self._buttons()
        self.saved.emit()

    def _after_write(self, before: Settings, written: Settings) -> None:
        """Show what somebody else changed meanwhile, and values as they are written."""
        for name, field in self._fields.items():
            now = setting_text(written, name)
            if field.text() == setting_text(before, name) or _read_as(name, field.text(), written) == now:
                field.show_text(now)
        agents = agent_lines(written.agents)
        if _typed(self._agents.lines()) == _typed(agents):
            self._agents.show_lines(agents)


class _Column(QWidget):
    """As wide as lines of text are easy to read, at most. By a margin: labels that wrap do not know a maximum."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        layout = self._inner = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(content)
        layout.addStretch(1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._inner.setContentsMargins(0, 0, max(0, event.size().width() - _WIDTH), 0)


def _heading(text: str) -> QLabel:
    made = plain(text, "heading")
    made.setContentsMargins(0, GRID, 0, 0)
    return made


def _read_as(name: str, text: str, settings: Settings) -> str | None:
    """The text as it is written once it is read; None for what cannot be read."""
    try:
        return setting_text(with_settings(settings, [(name, text)]), name)
    except InvalidInput:
        return None


def _typed(lines: Lines) -> list[tuple[str, str]]:
    return [(name.strip(), " ".join(command.split())) for _, name, command in lines]
