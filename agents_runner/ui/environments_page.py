"""Environments: the list on the left, the form of the selected one on the right; nothing typed is ever lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QListView, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from agents_runner.core.checks import FieldProblem
from agents_runner.core.environment import Environment, new_environment_id
from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.runner.services import ImportOffer, Listing, Problem, Services
from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.dialogs import ask
from agents_runner.ui.environment_form import EnvironmentForm
from agents_runner.ui.environment_row import EnvironmentDelegate
from agents_runner.ui.form_state import FormState, from_environment, to_environment
from agents_runner.ui.import_dialog import ImportDialog, offer_text
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.models import EnvironmentList, Row, environment_row, profile_warning
from agents_runner.ui.plan_line import PlanLine
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, EmptyPage, button, page_layout, plain, row, tip

NEW_NAME = "New environment"
LOOK_AGAIN_MS = 5000
"""The files are read again this often while the page is seen: the command line may make environments as well."""
READ_ONLY = (
    "This environment was written by a newer version of Agents Runner: it can be run and duplicated, not changed."
)
Problems = tuple[FieldProblem, ...]


class EnvironmentsPage(QWidget):
    """`run_wanted` asks for a task of an environment; `changed` tells that the list is another."""

    run_wanted = Signal(str)
    changed = Signal(object)
    test_requested = Signal(str, bool)
    """An environment's id, and whether to test it fresh: without any cached image."""
    test_all_requested = Signal()
    """Every environment that has scripts is to be tested."""

    def __init__(self, services: Services, jobs: Jobs, analyzer: Analyzer) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._analyzer = analyzer
        self._discoveries = Latest(jobs)
        self._offers: tuple[ImportOffer, ...] = ()
        self._environments: dict[str, Environment] = {}
        self._read_only: frozenset[str] = frozenset()
        self._drafts: dict[str, FormState] = {}
        self._before_import: dict[str, FormState] = {}
        self._problems: dict[str, Problems] = {}
        self.shown_problems: tuple[Problem, ...] = ()
        """Problems of files that this page names."""
        self._current = ""
        self._select_after = ""
        self._notes: tuple[str, ...] = ()
        self._remarks: tuple[str, ...] = ()
        self._elsewhere: tuple[str, ...] = ()
        self._loaded_once = False
        self._listing: Listing | None = None
        self._reloads = 0
        self._looks = Latest(jobs)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_AGAIN_MS)
        self._timer.timeout.connect(self.look_again)
        self._lay_out()
        # Nothing can be typed before there is something to type it into.
        self.form.setEnabled(False)
        QShortcut(QKeySequence.StandardKey.Save, self).activated.connect(self.save)
        QShortcut(QKeySequence.StandardKey.New, self).activated.connect(self.new)

    def _lay_out(self) -> None:
        self._banner = Banner("environments-banner")
        self._empty = EmptyPage(
            "environments-empty",
            "An environment is a base image and two scripts that set it up. There is none yet.",
            "New &environment",
        )
        self._empty.acted.connect(self.new)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._right())
        self._stack.addWidget(self._empty)
        splitter = QSplitter()
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._left())
        splitter.addWidget(self._stack)
        splitter.setSizes([190, 720])
        splitter.setHandleWidth(GRID * 2)
        splitter.setStretchFactor(1, 1)
        layout = page_layout(self)
        layout.addWidget(plain("Environments", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(splitter, 1)

    def _left(self) -> QWidget:
        self._model = EnvironmentList()
        self.list = QListView()
        self.list.setObjectName("environment-list")
        self.list.setAccessibleName("Environments")
        self.list.setModel(self._model)
        self.list.setItemDelegate(EnvironmentDelegate(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.selectionModel().currentChanged.connect(self._selected)
        new = button("&New", "new-environment", hint="Make an environment (Ctrl+N)")
        new.clicked.connect(self.new)
        self._copy = button("&Duplicate", "duplicate-environment", hint="Make another one with the same values")
        self._copy.clicked.connect(self.duplicate)
        left = QWidget()
        left.setMinimumWidth(GRID * 22)
        layout = QVBoxLayout(left)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self.list, 1)
        layout.addLayout(row(new, self._copy))
        return left

    def _right(self) -> QWidget:
        self.form = EnvironmentForm(self._analyzer)
        self.form.edited.connect(self._edited)
        self.form.secrets.use(self._services, self._jobs)
        self.form.folder_chosen.connect(self._discover)
        self.form.offer.acted.connect(self._import)
        self.form.preflight.test_wanted.connect(self._test)
        self.form.preflight.test_all_wanted.connect(self.test_all_requested)
        self.plan = PlanLine(self._services, self._jobs)
        self._said = plain(role="good")
        self._said.setObjectName("env-said")
        self._save = button("&Save", "save-environment", "primary", "Save (Ctrl+S)")
        self._save.clicked.connect(self.save)
        self._run = button("&Run...", "run-environment")
        self._run.clicked.connect(self._run_clicked)
        self._revert = button(
            "Re&vert", "revert-environment", hint="Back to what was saved, or to what was there before an import"
        )
        self._revert.clicked.connect(self.revert)
        self._delete = button("D&elete", "delete-environment", "danger")
        self._delete.clicked.connect(self.delete)
        right = QWidget()
        layout = QVBoxLayout(right)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self.form, 1)
        layout.addWidget(self.plan)
        layout.addLayout(row(self._save, self._run, self._said, self._revert, self._delete, grows=2))
        return right

    # -- loading -----------------------------------------------------------------------------------

    def reload(self, select: str = "") -> None:
        self._select_after = select or self._select_after
        self._reloads += 1
        self.load_agents()
        self._jobs.run(self._services.environments.list, self._loaded, self._failed)

    @Slot()
    def look_again(self) -> None:
        """Take in what other processes did to the files; what is shown and typed stays, if they did nothing."""
        number = self._reloads

        def found(listing: Listing) -> None:
            # What was read before a save of ours would show the old values once more.
            if number == self._reloads and listing != self._listing:
                self._loaded(listing)

        self._looks.run(self._services.environments.list, found, lambda _error: None)

    def load_agents(self) -> None:
        self._jobs.run(self._services.settings.agents, self.form.set_agents)

    def _loaded(self, listing: Listing) -> None:
        self._loaded_once = True
        self._listing = listing
        self._environments = {environment.id: environment for environment in listing.environments}
        self._read_only = listing.read_only
        self.shown_problems = listing.problems
        problems = tuple(one.text for one in listing.problems)
        self._notes = problems + listing.notes
        wanted = self._select_after or self._current
        self._select_after = ""
        self._fill(wanted)
        self._show_banner()
        self.changed.emit(listing.environments)

    def _fill(self, wanted: str) -> None:
        """Show the list anew, with the wanted one selected, or the first."""
        rows = [
            environment_row(environment, edited=environment.id in self._drafts)
            for environment in self._environments.values()
        ]
        rows += [
            Row(
                id=key,
                name=draft.name or NEW_NAME,
                color=draft.text("color"),
                detail="new",
                warning=profile_warning(draft.text("profile")),
                edited=True,
            )
            for key, draft in self._drafts.items()
            if key not in self._environments
        ]
        self._model.set_rows(rows)
        number = max(0, self._model.number(wanted)) if rows else -1
        self.list.setCurrentIndex(self._model.index(number))
        self._show(self._model.row_id(number))

    def _failed(self, error: AgentsRunnerError) -> None:
        self._notes = (str(error),)
        self._show_banner()

    def say(self, sentence: str) -> None:
        """A sentence about the selected environment, until it is shown anew."""
        self._elsewhere = (sentence,)
        self._show_banner()

    def _show_banner(self) -> None:
        """What concerns no field: the files, the selected one's state, its other problems."""
        own = (READ_ONLY,) if self._current in self._read_only else ()
        self._banner.show_text("\n".join((*own, *self._elsewhere, *self._remarks, *self._notes)))

    def _ask_remarks(self) -> None:
        """What is worth knowing of the saved one that is shown: looking at its folder may take long."""
        self._remarks = ()
        shown = self._environments.get(self._current)
        if shown is not None:
            self._jobs.run(
                lambda: self._services.environments.remarks(shown),
                lambda remarks: self._remarked(shown.id, remarks),
                lambda _error: None,
            )

    def _remarked(self, environment_id: str, remarks: tuple[str, ...]) -> None:
        if environment_id == self._current:
            self._remarks = remarks
            self._show_banner()

    # -- selecting and editing -----------------------------------------------------------------------

    @Slot(QModelIndex, QModelIndex)
    def _selected(self, index: QModelIndex, _old: QModelIndex) -> None:
        chosen = self._model.row_id(index.row())
        if chosen and chosen != self._current:
            self._show(chosen)

    def _show(self, environment_id: str) -> None:
        if environment_id != self._current:
            self._said.setText("")
        self._current = environment_id
        self._stack.setCurrentIndex(0 if environment_id or not self._loaded_once else 1)
        self._copy.setEnabled(bool(environment_id))
        if not environment_id:
            return
        self.form.setEnabled(environment_id not in self._read_only)
        self.form.show_state(self._state(environment_id), environment_id)
        self._buttons()
        self._ask_remarks()
        self._show_problems()
        self.refresh_plan()

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
        color, warning = state.text("color"), profile_warning(state.text("profile"))
        self._model.update_row(
            self._current, lambda old: replace(old, name=name, color=color, warning=warning, edited=edited)
        )
        self._said.setText("")
        kept = tuple(one for one in self._problems.get(self._current, ()) if self.form.still_wrong(one.field))
        self._problems[self._current] = kept
        self._buttons()
        self.refresh_plan()

    def _buttons(self) -> None:
        edited = self._current in self._drafts
        saved = self._current in self._environments
        self._save.setEnabled(edited)
        self._revert.setEnabled(edited and (saved or self._current in self._before_import))
        self._run.setEnabled(saved and not edited)
        self._run.setToolTip(tip("Start a task in this environment" if saved and not edited else "Save it first"))
        self._delete.setEnabled(self._current not in self._read_only)
        self.form.secrets.show_saved(self._environments.get(self._current))
        self.form.preflight.set_testable(possible=self._services.runner.tests_scripts, ready=saved and not edited)

    def edited_names(self) -> list[str]:
        """Names of the environments with changes that are not saved."""
        return [draft.name or NEW_NAME for draft in self._drafts.values()]

    def select(self, environment_id: str) -> None:
        """Select it now, or as soon as the list is there."""
        number = self._model.number(environment_id)
        if number >= 0:
            self.list.setCurrentIndex(self._model.index(number))
        else:
            self._select_after = environment_id

    def selected(self) -> str:
        """The id of the saved environment that is shown, or that is to be shown once the list is there; else ""."""
        return self._select_after or (self._current if self._current in self._environments else "")

    def focus_first(self) -> None:
        (self.list if self._stack.currentIndex() == 0 else self._empty.act).setFocus()

    def refresh_plan(self) -> None:
        """Ask again what the next start of the selected one finds; it would not be true of what is not saved."""
        if self._current in self._drafts and self._current in self._environments:
            self.plan.show_edited()
            return
        self.plan.show_plan(self._environments.get(self._current))

    # -- actions -----------------------------------------------------------------------------------

    @Slot()
    def new(self) -> None:
        self._add(FormState.of(agent=self.form.first_agent()))

    @Slot()
    def duplicate(self) -> None:
        if self._current:
            state = self.form.state()
            self._add(state.with_values(name=f"{state.name} copy"))

    def _add(self, state: FormState) -> None:
        key = new_environment_id(state.name or "environment")
        self._drafts[key] = state
        self._fill(key)
        self.form.tabs.setCurrentIndex(0)
        self.form.editors.line("name").setFocus()
        self.form.editors.line("name").selectAll()

    @Slot()
    def revert(self) -> None:
        """Back to what was saved; of what never was, to what it was before an import."""
        before = self._before_import.pop(self._current, None)
        if self._current in self._environments:
            self._drafts.pop(self._current, None)
        elif before is not None:
            self._drafts[self._current] = before
        else:
            return
        self._problems.pop(self._current, None)
        self._fill(self._current)

    @Slot()
    def save(self) -> None:
        if self._current not in self._drafts:
            return
        key, draft = self._current, self._drafts[self._current]
        try:
            base = self._environments.get(key)
            environment = to_environment(draft, base, new_id=key)
        except InvalidInput as error:
            self._refused(key, (FieldProblem.of(error),))
            return
        if self._save.hasFocus():
            # Else it would go to the next button, and that may be Delete.
            self.list.setFocus()
        self._save.setEnabled(False)
        self._jobs.run(
            lambda: self._checked_and_saved(environment, base),
            lambda problems: self._saved(key, draft, problems),
            lambda error: self._not_saved(key, error),
        )

    def _checked_and_saved(self, environment: Environment, base: Environment | None) -> Problems:
        problems = self._services.environments.check(environment)
        if not problems:
            self._services.environments.save(environment, base)
        return problems

    def _saved(self, key: str, draft: FormState, problems: Problems) -> None:
        if problems:
            self._refused(key, problems)
            return
        self._problems.pop(key, None)
        self._before_import.pop(key, None)
        if self._drafts.get(key) == draft:
            del self._drafts[key]
        if key == self._current:
            self._said.setText("Saved")
        self.reload()

    def _not_saved(self, key: str, error: AgentsRunnerError) -> None:
        field = error.field if isinstance(error, InvalidInput) else ""
        self._refused(key, (FieldProblem(field=field, message=error.message, hint=error.hint),))

    def _refused(self, key: str, problems: Problems) -> None:
        """Kept until the next try; shown now, or when that environment is selected again."""
        self._problems[key] = problems
        if key == self._current:
            self._said.setText("")
            self._show_problems()
            self._buttons()

    def _show_problems(self) -> None:
        self.form.clear_errors()
        elsewhere = []
        # Backwards, so that the first field that is wrong has the focus in the end.
        for problem in reversed(self._problems.get(self._current, ())):
            if not self.form.show_error(problem.field, problem.text):
                elsewhere.append(problem.text)
        self._elsewhere = tuple(reversed(elsewhere))
        self._show_banner()

    def show_problem(self, environment_id: str, error: InvalidInput) -> None:
        """Select the environment and show what is wrong with it at its field."""
        self._problems[environment_id] = (FieldProblem.of(error),)
        self._current = ""
        self._fill(environment_id)

    @Slot()
    def delete(self) -> None:
        environment = self._environments.get(self._current)
        key = self._current
        if environment is not None:
            kept = "Its file is kept there; the values of its secrets are not."
            text = f"Move the environment {environment.name} to the trash?\n{kept}"
            ask(self, "delete", "Delete", text, yes="&Delete", no="Ca&ncel", on_yes=lambda: self._deleted(key))
        elif key:
            draft = self._drafts[key]
            text = f"Throw away the new environment {draft.name or NEW_NAME}?\nIt was never saved."
            ask(self, "delete", "Delete", text, yes="&Throw away", no="&Keep", on_yes=lambda: self._thrown_away(key))

    def _deleted(self, key: str) -> None:
        def gone(_: None) -> None:
            self._drafts.pop(key, None)
            self._problems.pop(key, None)
            self.reload()

        self._jobs.run(lambda: self._services.environments.delete(key), gone, self._failed)

    def _thrown_away(self, key: str) -> None:
        self._drafts.pop(key, None)
        self._problems.pop(key, None)
        self._fill("")

    # -- importing and testing ---------------------------------------------------------------------

    @Slot(str)
    def _discover(self, folder: str) -> None:
        """Look what the folder holds; only an offer comes of it."""
        self._offers = ()
        self.form.offer.show_text("")
        if not folder:
            return
        key = self._current

        def found(offers: Sequence[ImportOffer]) -> None:
            if key == self._current and folder == self.form.editors.path.text().strip():
                self._offers = tuple(offers)
                self.form.offer.show_text(offer_text(self._offers))

        self._discoveries.run(lambda: self._services.environments.discover(Path(folder)), found)

    @Slot()
    def _import(self) -> None:
        if self._offers:
            dialog = ImportDialog(self._offers, self.form.state(), self.window())
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.applied.connect(self._imported)
            dialog.open()

    @Slot(object)
    def _imported(self, state: FormState) -> None:
        self._offers = ()
        self.form.offer.show_text("")
        self._before_import[self._current] = self.form.state()
        self.form.change_to(state)

    @Slot(bool)
    def _test(self, fresh: bool) -> None:
        if self._current in self._environments and self._current not in self._drafts:
            self.test_requested.emit(self._current, fresh)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._loaded_once:
            self.look_again()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    @Slot()
    def _run_clicked(self) -> None:
        self.run_wanted.emit(self._current)
