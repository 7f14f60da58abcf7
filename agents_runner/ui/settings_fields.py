"""One row of the settings page: an editor of the right kind, its explanation, and its error."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QSizePolicy, QWidget

from agents_runner.core.setting_rows import SettingRow
from agents_runner.core.setting_values import choices_of, kind_of
from agents_runner.ui.environment_editors import combo
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Field, plain

_NUMBER_WIDTH = GRID * 16
_CHOICE_WIDTH = GRID * 36


def widget_name(name: str) -> str:
    return f"setting-{name.replace('.', '-').replace('_', '-')}"


class SettingField(Field):
    """`edited` comes with what a person does. Its value is a text, as `core.setting_values` reads it."""

    edited = Signal()

    def __init__(self, row: SettingRow, wheel: QObject) -> None:
        self.row = row
        editor = _editor(row)
        # Takes the free space, so that a short editor stays at the left.
        unit = plain(row.unit, "muted")
        unit.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        super().__init__(editor, row.label, extra=None if editor.maximumWidth() > GRID * 1000 else unit)
        self.meaning: QLabel = plain(row.meaning, "muted", wrap=True)
        self.meaning.setObjectName(f"{editor.objectName()}-meaning")
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.meaning)
        self._listen(editor, wheel)
        self._explain()

    def _listen(self, editor: QWidget, wheel: QObject) -> None:
        if isinstance(editor, QLineEdit):
            editor.textEdited.connect(self._changed)
        elif isinstance(editor, QCheckBox):
            editor.toggled.connect(self._changed)
        elif isinstance(editor, QComboBox):
            editor.installEventFilter(wheel)
            editor.currentIndexChanged.connect(self._changed)

    def text(self) -> str:
        editor = self.editor
        if isinstance(editor, QCheckBox):
            return "true" if editor.isChecked() else "false"
        if isinstance(editor, QComboBox):
            return str(editor.currentData())
        assert isinstance(editor, QLineEdit)
        return editor.text()

    def show_text(self, text: str) -> None:
        """Show a value; no `edited` comes of it."""
        if self.text() != text:
            editor = self.editor
            editor.blockSignals(True)
            if isinstance(editor, QCheckBox):
                editor.setChecked(text == "true")
            elif isinstance(editor, QComboBox):
                editor.setCurrentIndex(editor.findData(text))
            elif isinstance(editor, QLineEdit):
                editor.setText(text)
                editor.setCursorPosition(0)
            editor.blockSignals(False)
        self.show_error("")
        self._explain()

    def show_error(self, text: str) -> None:
        super().show_error(text)
        if not text:
            self.editor.setAccessibleDescription(self.meaning.text() if hasattr(self, "meaning") else "")

    def _explain(self) -> None:
        """What the chosen value means stands beside what the setting means."""
        chosen = next((one.text for one in self.row.choices if one.value == self.text()), "")
        self.meaning.setText(f"{chosen} {self.row.meaning}".strip())
        self.editor.setAccessibleDescription(self.meaning.text())

    @Slot()
    def _changed(self) -> None:
        self.show_error("")
        self._explain()
        self.edited.emit()


def _editor(row: SettingRow) -> QWidget:
    kind, name = kind_of(row.name), widget_name(row.name)
    if kind is bool:
        check = QCheckBox(row.label)
        check.setObjectName(name)
        check.setMaximumWidth(check.sizeHint().width() + GRID * 4)
        return check
    if values := choices_of(row.name):
        labels = {one.value: one.label for one in row.choices}
        box = combo(name, [(value, labels.get(value, value)) for value in values])
        box.setMaximumWidth(_CHOICE_WIDTH)
        return box
    line = QLineEdit()
    line.setObjectName(name)
    line.setPlaceholderText(row.empty)
    if kind in (int, float):
        line.setMaximumWidth(_NUMBER_WIDTH)
    return line
