"""The secrets of an environment: a table of names and who sees them, and a way to set values that shows none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from agents_runner.core.environment import Environment
from agents_runner.core.errors import AgentsRunnerError, InvalidInput, StoreError
from agents_runner.core.secret_stages import DEFAULT_STAGES, STAGES
from agents_runner.core.secrets import SecretGrant
from agents_runner.runner.services import Services, ShownSecret
from agents_runner.ui.dialogs import ask
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Field, button, plain, row, set_up_table, tip

SECRETS_TIP = (
    "Values are kept outside of the environment's file. A chosen stage finds each as a file below /run/secrets, "
    "and as a variable of that name where that is ticked."
)
_COLUMNS = ("Name", "Cached", "Run", "Agent", "Variable", "Value")
_TIPS = (
    "Of the file and of the variable.",
    "The cached preflight sees it, in builds and at task start.",
    "The run preflight sees it.",
    "The agent sees it.",
    "Those stages also get it as a variable.",
    "Whether there is a value; it is never shown.",
)
_NAME, _VARIABLE, _VALUE = 0, 4, 5
_STAGE_COLUMNS = dict(enumerate(STAGES, start=1))
NOT_SAVED, LOOKING, UNKNOWN = "save first", "...", "not known"


class SecretsEditor(QWidget):
    """`edited` comes with every change of names and stages that a person makes; values are set at once."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("env-secrets")
        self._showing = False
        self._environment: Environment | None = None
        self._values: dict[str, str] = {}
        self._services: Services | None = None
        self._jobs: Jobs | None = None
        self._lookups: Latest | None = None
        self.table = self._make_table()
        self._add = button("Add", "add-secret")
        self._add.clicked.connect(self._add_clicked)
        self._remove = button("Re&move", "remove-secret", hint="The value goes when the environment is saved")
        self._remove.clicked.connect(self._remove_clicked)
        self._set = button("Set val&ue...", "set-secret")
        self._set.clicked.connect(self._set_clicked)
        self._said = plain(role="muted", wrap=True)
        self._said.setObjectName("env-secrets-said")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self.table, 1)
        layout.addLayout(row(self._add, self._remove, self._set))
        layout.addWidget(self._said)
        self.setFocusProxy(self.table)
        self._buttons()

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, len(_COLUMNS))
        set_up_table(table, "env-secrets-table", "Secrets")
        table.setHorizontalHeaderLabels(_COLUMNS)
        for column, text in enumerate(_TIPS):
            heading = table.horizontalHeaderItem(column)
            if heading is not None:
                heading.setToolTip(tip(text))
        triggers = QAbstractItemView.EditTrigger
        table.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed | triggers.AnyKeyPressed)
        header = table.horizontalHeader()
        header.setSectionResizeMode(header.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, header.ResizeMode.Stretch)
        table.itemChanged.connect(self._changed)
        table.currentCellChanged.connect(self._buttons)
        return table

    def use(self, services: Services, jobs: Jobs) -> None:
        """Where values are looked up and set; without it the table alone works."""
        self._services, self._jobs, self._lookups = services, jobs, Latest(jobs)

    # -- names and stages --------------------------------------------------------------------------

    def show_grants(self, grants: Sequence[SecretGrant]) -> None:
        """Show these; no `edited` comes of it, and what is shown already stays."""
        if tuple(grants) == self.grants() and self.table.rowCount() == len(grants):
            return
        self._showing = True
        self.table.setRowCount(0)
        for grant in grants:
            self._add_row(grant)
        self._showing = False
        self._show_values()
        self._buttons()

    def grants(self) -> tuple[SecretGrant, ...]:
        """What the table holds; rows without a name are none."""
        found = []
        for number in range(self.table.rowCount()):
            name = self._text(number, _NAME).strip()
            stages = tuple(stage for column, stage in _STAGE_COLUMNS.items() if self._is_checked(number, column))
            if name:
                found.append(SecretGrant(name=name, stages=stages, as_variable=self._is_checked(number, _VARIABLE)))
        return tuple(found)

    def _add_row(self, grant: SecretGrant) -> None:
        number = self.table.rowCount()
        self.table.insertRow(number)
        flags = Qt.ItemFlag
        plain_flags = flags.ItemIsEnabled | flags.ItemIsSelectable
        name = QTableWidgetItem(grant.name)
        name.setFlags(plain_flags | flags.ItemIsEditable)
        self.table.setItem(number, _NAME, name)
        ticks = {column: stage in grant.stages for column, stage in _STAGE_COLUMNS.items()}
        for column, on in {**ticks, _VARIABLE: grant.as_variable}.items():
            item = QTableWidgetItem()
            item.setFlags(plain_flags | flags.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            item.setToolTip(tip(_TIPS[column]))
            self.table.setItem(number, column, item)
        value = QTableWidgetItem()
        value.setFlags(plain_flags)
        self.table.setItem(number, _VALUE, value)

    def _text(self, number: int, column: int) -> str:
        item = self.table.item(number, column)
        return item.text() if item is not None else ""

    def _is_checked(self, number: int, column: int) -> bool:
        item = self.table.item(number, column)
        return item is not None and item.checkState() == Qt.CheckState.Checked

    @Slot()
    def _add_clicked(self) -> None:
        self._showing = True
        self._add_row(SecretGrant(name="", stages=DEFAULT_STAGES))
        self._showing = False
        number = self.table.rowCount() - 1
        self.table.setCurrentCell(number, _NAME)
        item = self.table.item(number, _NAME)
        if item is not None:
            self.table.editItem(item)

    @Slot()
    def _remove_clicked(self) -> None:
        if self.table.currentRow() >= 0:
            self.table.removeRow(self.table.currentRow())
            self._buttons()
            self.edited.emit()

    @Slot(QTableWidgetItem)
    def _changed(self, item: QTableWidgetItem) -> None:
        if self._showing or item.column() == _VALUE:
            return
        if item.column() == _NAME:
            self._show_values()
        self._buttons()
        self.edited.emit()

    # -- values ------------------------------------------------------------------------------------

    def show_saved(self, environment: Environment | None) -> None:
        """The environment as it is saved, None if it is not: only its secrets can be given values."""
        if environment is self._environment:
            self._buttons()
            return
        if environment is None or self._environment is None or environment.id != self._environment.id:
            self._values = {}
            self._said.setText("")
        self._environment = environment
        self._look_up()
        self._buttons()

    def _look_up(self) -> None:
        environment, services, lookups = self._environment, self._services, self._lookups
        if environment is None or not environment.secrets or services is None or lookups is None:
            self._show_values()
            return
        for name in environment.secrets:
            self._values.setdefault(name, LOOKING)
        self._show_values()

        def found(secrets: Sequence[ShownSecret]) -> None:
            if environment is self._environment:
                self._values = {one.name: "set" if one.has_value else "missing" for one in secrets}
                self._show_values()

        def failed(error: AgentsRunnerError) -> None:
            if environment is self._environment:
                self._values = dict.fromkeys(environment.secrets, UNKNOWN)
                self._show_values()
                self._said.setText(str(error))

        lookups.run(partial(services.secrets.list, environment.id), found, failed)

    def _saved_names(self) -> frozenset[str]:
        return frozenset(self._environment.secrets if self._environment is not None else ())

    def _show_values(self) -> None:
        saved = self._saved_names()
        self._showing = True
        for number in range(self.table.rowCount()):
            name = self._text(number, _NAME).strip()
            item = self.table.item(number, _VALUE)
            if item is not None:
                item.setText(self._values.get(name, LOOKING) if name in saved else NOT_SAVED)
        self._showing = False

    def _current_name(self) -> str:
        return self._text(self.table.currentRow(), _NAME).strip()

    @Slot()
    def _buttons(self) -> None:
        chosen = self.table.currentRow() >= 0
        ready = self._services is not None and self._current_name() in self._saved_names()
        self._remove.setEnabled(chosen)
        self._set.setEnabled(chosen and ready)
        self._set.setToolTip(tip("Type it, or read it from a file" if ready or not chosen else "Save first"))

    @Slot()
    def _set_clicked(self) -> None:
        name = self._current_name()
        dialog = ValueDialog(name, self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.given.connect(partial(self._keep, name))
        dialog.open()

    def _keep(self, name: str, value: str) -> None:
        environment, services, jobs = self._environment, self._services, self._jobs
        if environment is None or services is None or jobs is None:
            return
        self._said.setText("")
        jobs.run(
            partial(services.secrets.set, environment.id, name, value),
            lambda note: self._kept(environment, name, note),
            lambda error: self._not_kept(environment, name, value, error),
        )

    def _kept(self, environment: Environment, name: str, note: str) -> None:
        if environment is self._environment:
            self._values[name] = "set"
            self._show_values()
            self._said.setText(note)

    def _not_kept(self, environment: Environment, name: str, value: str, error: AgentsRunnerError) -> None:
        services, jobs = self._services, self._jobs
        if environment is not self._environment or services is None or jobs is None:
            return
        self._said.setText(str(error))
        if not isinstance(error, StoreError):
            return

        def to_file() -> None:
            settings = services.settings.load()
            if settings.secret_storage != "file":
                services.settings.save(settings.model_copy(update={"secret_storage": "file"}), settings)

        def choose_file() -> None:
            jobs.run(to_file, lambda _: self._keep(name, value), lambda failed: self._said.setText(str(failed)))

        def offer(storage: str) -> None:
            if storage == "keyring":
                text = (
                    f"{error.message}\n\nKeep the values of secrets in a private file of Agents Runner instead?\n"
                    "They are plain text in it; other users of this machine cannot read it."
                )
                ask(self, "secret-file", "Secrets", text, yes="Use a &file", no="Ca&ncel", on_yes=choose_file)

        jobs.run(lambda: services.settings.load().secret_storage, offer)


class ValueDialog(QDialog):
    """Asks for a value without showing it. `given` carries it, once."""

    given = Signal(str)

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("secret-dialog")
        self.setWindowTitle(f"Value of {name}")
        self._line = QLineEdit()
        self._line.setObjectName("secret-value")
        self._line.setEchoMode(QLineEdit.EchoMode.Password)
        self._line.setMinimumWidth(GRID * 45)
        self._field = Field(self._line, f"Value of {name}")
        keep = button("&Keep", "keep-secret", "primary")
        keep.setDefault(True)
        keep.clicked.connect(self._keep)
        file = button("From a &file...", "secret-from-file", hint="For keys of several lines")
        file.clicked.connect(self._from_file)
        cancel = button("Ca&ncel", "cancel-secret")
        cancel.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(GRID)
        layout.addWidget(plain("It is not shown again. Tasks that start from now on get it.", "muted", wrap=True))
        layout.addWidget(self._field)
        layout.addLayout(row(keep, file, cancel))

    @Slot()
    def _keep(self) -> None:
        value = self._line.text()
        if not value:
            self._field.show_error("There is no value yet.")
            return
        self._line.clear()
        self.given.emit(value)
        self.accept()

    @Slot()
    def _from_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Read the value from a file")
        if path:
            self.read_file(Path(path))

    def read_file(self, path: Path) -> None:
        """Take the file's text, without the end of a single line."""
        try:
            self._line.setText(value_of_file(path))
        except InvalidInput as error:
            self._field.show_error(str(error))


def value_of_file(path: Path) -> str:
    """A small text file's content; one line loses its line end. Raises InvalidInput."""
    try:
        if not path.is_file() or path.stat().st_size > 1_000_000:
            raise InvalidInput(f"{path.name} is no small file.", "Choose another.")
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.strerror}.", "Check its rights.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is no text.", "Encode it, with base64 for example.") from error
    line = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in line else line
