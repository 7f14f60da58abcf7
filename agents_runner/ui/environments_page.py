"""Environments: the list on the left, the form of the selected one on the right; nothing typed is ever lost."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QListView, QMessageBox, QScrollArea, QSplitter, QVBoxLayout, QWidget

from agents_runner.core.environment import Environment, new_environment_id
from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.runner.services import Listing, PlannedImage, Services
from agents_runner.ui.environment_form import EnvironmentForm
from agents_runner.ui.form_state import FormState, from_environment, to_environment
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.models import EnvironmentList, Row, environment_row
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, ElidedLabel, NarrowRows, button, page_layout, plain, row

NEW_NAME = "New environment"
Problems = tuple[tuple[str, str, str], ...]


class EnvironmentsPage(QWidget):
    """`run_wanted` asks for a task of an environment; `changed` tells that the list is another."""

    run_wanted = Signal(str)
    changed = Signal(object)

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._environments: dict[str, Environment] = {}
        self._drafts: dict[str, FormState] = {}
        self._current = ""
        self._select_after = ""
        self._plan_asked = 0
        self._lay_out()
        shortcut = QShortcut(QKeySequence.StandardKey.Save, self)
        shortcut.activated.connect(self.save)

    def _lay_out(self) -> None:
        self._model = EnvironmentList()
        self._list = QListView()
        self._list.setObjectName("environment-list")
        self._list.setAccessibleName("Environments")
        self._list.setModel(self._model)
        self._list.setItemDelegate(NarrowRows(self._list))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._list.selectionModel().currentChanged.connect(self._selected)
        self._banner = Banner("environments-banner")
        new = button("&New", "new-environment", tip="Make an environment (Ctrl+N)")
        new.setShortcut(QKeySequence.StandardKey.New)
        new.clicked.connect(self.new)
        self._copy = button("Dup&licate", "duplicate-environment")
        self._copy.clicked.connect(self.duplicate)
        left = QWidget()
        left_layout = QVBoxLayout(left)
        left_layout.setContentsMargins(0, 0, GRID, 0)
        left_layout.setSpacing(GRID)
        left_layout.addWidget(self._list, 1)
        left_layout.addLayout(row(new, self._copy))
        splitter = QSplitter()
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(left)
        splitter.addWidget(self._right())
        splitter.setSizes([220, 720])
        splitter.setHandleWidth(1)
        splitter.setStretchFactor(1, 1)
        layout = page_layout(self)
        layout.addWidget(plain("Environments", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(splitter, 1)

    def _right(self) -> QWidget:
        self.form = EnvironmentForm()
        self.form.edited.connect(self._edited)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.form)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._empty = plain(
            "No environment yet. Make one with New: a base image and two scripts.", "muted", wrap=True
        )
        self._plan = ElidedLabel(role="muted")
        self._plan.setObjectName("env-plan")
        self._said = plain(role="good")
        self._said.setObjectName("env-said")
        self._save = button("&Save", "save-environment", "primary", "Save (Ctrl+S)")
        self._save.clicked.connect(self.save)
        self._run = button("&Run...", "run-environment", tip="Start a task in this environment")
        self._run.clicked.connect(self._run_clicked)
        self._revert = button("Re&vert", "revert-environment", tip="Back to what was saved")
        self._revert.clicked.connect(self.revert)
        self._delete = button("D&elete", "delete-environment", "danger")
        self._delete.clicked.connect(self.delete)
        right = QWidget()
        layout = QVBoxLayout(right)
        layout.setContentsMargins(GRID, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self._empty)
        layout.addWidget(scroll, 1)
        layout.addWidget(self._plan)
        layout.addLayout(row(self._save, self._run, self._said, self._revert, self._delete, stretch_at=2))
        self._scroll = scroll
        return right

    # -- loading -----------------------------------------------------------------------------------

    def reload(self, select: str = "") -> None:
        self._select_after = select or self._select_after
        self._jobs.run(self._services.agents, self.form.set_agents)
        self._jobs.run(self._services.environments.list, self._loaded, self._failed)

    def _loaded(self, listing: Listing) -> None:
        self._environments = {environment.id: environment for environment in listing.environments}
        texts = [f"{one.message} {one.hint}" for one in listing.problems] + list(getattr(listing, "notes", ()))
        self._banner.show_text("\n".join(texts))
        wanted = self._select_after or self._current
        self._select_after = ""
        self._fill(wanted)
        self.changed.emit(listing.environments)

    def _fill(self, wanted: str) -> None:
        rows = [
            environment_row(environment, edited=environment.id in self._drafts)
            for environment in self._environments.values()
        ]
        rows += [
            Row(id=key, name=draft.name or NEW_NAME, color=draft.color, detail="new", edited=True)
            for key, draft in self._drafts.items()
            if key not in self._environments
        ]
        self._model.set_rows(rows)
        number = max(0, self._model.number(wanted)) if rows else -1
        if number >= 0:
            self._list.setCurrentIndex(self._model.index(number))
        self._show(self._model.row_id(number))

    def _failed(self, error: AgentsRunnerError) -> None:
        self._banner.show_text(str(error))

    # -- selecting and editing -----------------------------------------------------------------------

    @Slot(QModelIndex, QModelIndex)
    def _selected(self, index: QModelIndex, _old: QModelIndex) -> None:
        chosen = self._model.row_id(index.row())
        if chosen and chosen != self._current:
            self._show(chosen)

    def _show(self, environment_id: str) -> None:
        self._current = environment_id
        there = bool(environment_id)
        self._empty.setVisible(not there)
        for widget in (self._scroll, self._plan, self._save, self._run, self._revert, self._delete):
            widget.setVisible(there)
        self._copy.setEnabled(there)
        self._said.setText("")
        if there:
            self.form.show_state(self._state(environment_id))
            self._buttons()
            self._ask_plan()

    def _state(self, environment_id: str) -> FormState:
        draft = self._drafts.get(environment_id)
        return draft if draft is not None else from_environment(self._environments[environment_id])

    @Slot()
    def _edited(self) -> None:
        if not self._current:
            return
        state = self.form.state()
        saved = self._environments.get(self._current)
        if saved is not None and state == from_environment(saved):
            self._drafts.pop(self._current, None)
        else:
            self._drafts[self._current] = state
        edited = self._current in self._drafts
        name = state.name or NEW_NAME
        self._model.update_row(self._current, lambda old: replace(old, name=name, color=state.color, edited=edited))
        self._said.setText("")
        self._buttons()

    def _buttons(self) -> None:
        edited = self._current in self._drafts
        saved = self._current in self._environments
        self._save.setEnabled(edited)
        self._revert.setEnabled(edited and saved)
        self._run.setEnabled(saved and not edited)
        self._run.setToolTip("Start a task in this environment" if not edited else "Save it first")

    def edited_names(self) -> list[str]:
        """Names of the environments with changes that are not saved."""
        return [draft.name or NEW_NAME for draft in self._drafts.values()]

    # -- actions -----------------------------------------------------------------------------------

    @Slot()
    def new(self) -> None:
        self._add(FormState(agent=self.form.agent.itemData(0) or "codex"))

    @Slot()
    def duplicate(self) -> None:
        if self._current:
            state = self.form.state()
            self._add(replace(state, name=f"{state.name} copy"))

    def _add(self, state: FormState) -> None:
        key = new_environment_id(state.name or "environment")
        self._drafts[key] = state
        self._fill(key)
        self.form.name.setFocus()
        self.form.name.selectAll()

    @Slot()
    def revert(self) -> None:
        if self._current in self._environments:
            self._drafts.pop(self._current, None)
            self._fill(self._current)

    @Slot()
    def save(self) -> None:
        if self._current not in self._drafts:
            return
        self.form.clear_errors()
        key, draft = self._current, self._drafts[self._current]
        try:
            environment = to_environment(draft, self._environments.get(key), new_id=key)
        except InvalidInput as error:
            self._wrong(((error.field, error.message, error.hint),))
            return
        self._jobs.run(
            lambda: self._checked_and_saved(environment),
            lambda problems: self._saved(key, draft, problems),
            self._not_saved,
        )

    def _checked_and_saved(self, environment: Environment) -> Problems:
        problems = self._services.check_environment(environment)
        if not problems:
            self._services.environments.save(environment)
        return problems

    def _saved(self, key: str, draft: FormState, problems: Problems) -> None:
        if problems:
            self._wrong(problems)
            return
        if self._drafts.get(key) == draft:
            del self._drafts[key]
        self._said.setText("Saved")
        self.reload(key)

    def _not_saved(self, error: AgentsRunnerError) -> None:
        field = error.field if isinstance(error, InvalidInput) else ""
        self._wrong(((field, error.message, error.hint),))

    def _wrong(self, problems: Problems) -> None:
        elsewhere = []
        for field, message, hint in reversed(problems):
            text = f"{message} {hint}".strip()
            if not self.form.show_error(field, text):
                elsewhere.append(text)
        self._banner.show_text("\n".join(elsewhere))

    @Slot()
    def delete(self) -> None:
        environment = self._environments.get(self._current)
        if environment is not None:
            answer = QMessageBox.question(
                self, "Delete", f"Move the environment {environment.name} to the trash? Its file is kept there."
            )
            if answer != QMessageBox.StandardButton.Yes:
                return
            key = environment.id
            self._drafts.pop(key, None)
            self._jobs.run(lambda: self._services.environments.delete(key), lambda _: self.reload(), self._failed)
        elif self._current:
            self._drafts.pop(self._current, None)
            self._fill("")

    @Slot()
    def _run_clicked(self) -> None:
        self.run_wanted.emit(self._current)

    # -- the plan ----------------------------------------------------------------------------------

    def _ask_plan(self) -> None:
        environment = self._environments.get(self._current)
        self._plan_asked += 1
        asked = self._plan_asked
        if environment is None:
            self._plan.set_text("Not saved yet.")
            return
        self._plan.set_text("Looking at the cached images ...")
        self._jobs.run(
            lambda: self._services.images.plan(environment),
            lambda planned: self._planned(asked, environment, planned),
            lambda error: self._plan.set_text(str(error)) if asked == self._plan_asked else None,
        )

    def _planned(self, asked: int, environment: Environment, planned: PlannedImage) -> None:
        if asked != self._plan_asked:
            return
        missing = sum(state == "miss" for state in planned.states)
        if planned.notice:
            text = planned.notice
        elif not environment.cache_container_build:
            text = "Next start: caching is off, both scripts run at task start."
        elif not planned.states:
            text = "Next start: nothing to bake, the agent starts at once."
        elif missing:
            text = f"Next start: {missing} of {len(planned.states)} layers will be built."
        else:
            text = f"Next start: cached image ready ({planned.plan.image})."
        self._plan.set_text(text)

    def select(self, environment_id: str) -> None:
        number = self._model.number(environment_id)
        if number >= 0:
            self._list.selectionModel().setCurrentIndex(
                self._model.index(number), QItemSelectionModel.SelectionFlag.ClearAndSelect
            )
        else:
            self._select_after = environment_id
