"""Agents of one's own: a line for each, with its name and its command."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from agents_runner.core.errors import InvalidInput
from agents_runner.core.setting_rows import AGENTS_TEXT
from agents_runner.core.setting_values import command_line, read_agent
from agents_runner.core.settings import CustomAgent
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Field, button, plain, row

Lines = tuple[tuple[str, str, str], ...]
"""The name that an agent had ("" for a new one), and its name and command as typed."""


class _Line(QWidget):
    def __init__(self, number: int, was: str, name: str, command: str) -> None:
        super().__init__()
        self.was = was
        self.name, self.command = QLineEdit(name), QLineEdit(command)
        self.name.setObjectName(f"agent-name-{number}")
        self.name.setPlaceholderText("Name")
        self.command.setObjectName(f"agent-command-{number}")
        self.command.setPlaceholderText("mytool --file {prompt_file}")
        self.command.setCursorPosition(0)
        self.name_field = Field(self.name, f"Name of agent {number + 1}")
        self.command_field = Field(self.command, f"Command of agent {number + 1}")
        self.remove = button("Remove", f"agent-remove-{number}")
        self.remove.setAccessibleName(f"Remove agent {name or number + 1}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        for one, stretch in ((self.name_field, 1), (self.command_field, 3)):
            box = QVBoxLayout()
            box.addWidget(one)
            box.addStretch(1)
            layout.addLayout(box, stretch)
        side = QVBoxLayout()
        side.addWidget(self.remove)
        side.addStretch(1)
        layout.addLayout(side)

    def values(self) -> tuple[str, str, str]:
        return (self.was, self.name.text(), self.command.text())


class AgentsEditor(QWidget):
    """`edited` comes with what a person does, never while agents are shown."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[_Line] = []
        self._rows = QVBoxLayout()
        self._rows.setSpacing(GRID)
        self._add = button("&Add an agent", "agent-add")
        self._add.clicked.connect(self._added)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(plain(AGENTS_TEXT, "muted", wrap=True))
        layout.addLayout(self._rows)
        layout.addLayout(row(self._add))

    def lines(self) -> Lines:
        return tuple(line.values() for line in self._lines)

    def show_lines(self, lines: Lines) -> None:
        """Show these; what is shown already stays as it is, but for its errors."""
        if lines != self.lines():
            while self._lines:
                self._take(self._lines[-1])
            for line in lines:
                self._append(*line)
        for one in self._lines:
            one.name_field.show_error("")
            one.command_field.show_error("")

    def read(self, before: Mapping[str, CustomAgent]) -> tuple[dict[str, CustomAgent], QWidget | None]:
        """The agents, and the first editor that holds what cannot be used; each has its sentence then."""
        found: dict[str, CustomAgent] = {}
        wrong: QWidget | None = None
        for line in self._lines:
            name = line.name.text().strip()
            sentence = "" if name else "The agent needs a name."
            if name in found:
                sentence = f"There is another agent {name!r}."
            line.name_field.show_error(sentence)
            line.command_field.show_error("")
            try:
                found[name] = read_agent(name, line.command.text(), before.get(line.was))
            except InvalidInput as error:
                line.command_field.show_error(f"{error.message} {error.hint}")
                wrong = wrong or (line.name if sentence else line.command)
            if sentence:
                wrong = wrong or line.name
        return found, wrong

    def _append(self, was: str, name: str, command: str) -> _Line:
        line = _Line(len(self._lines), was, name, command)
        for edit, field in ((line.name, line.name_field), (line.command, line.command_field)):
            edit.textEdited.connect(partial(self._typed, field))
        line.remove.clicked.connect(partial(self._removed, line))
        self._lines.append(line)
        self._rows.addWidget(line)
        before = self._lines[-2].remove if len(self._lines) > 1 else None
        if before is not None:
            QWidget.setTabOrder(before, line.name)
        for first, second in ((line.name, line.command), (line.command, line.remove), (line.remove, self._add)):
            QWidget.setTabOrder(first, second)
        return line

    def _take(self, line: _Line) -> None:
        self._lines.remove(line)
        self._rows.removeWidget(line)
        line.hide()
        line.deleteLater()

    def _typed(self, field: Field, _text: str) -> None:
        field.show_error("")
        self.edited.emit()

    def _removed(self, line: _Line, _checked: bool = False) -> None:
        self._take(line)
        self._add.setFocus()
        self.edited.emit()

    @Slot()
    def _added(self) -> None:
        self._append("", "", "").name.setFocus()
        self.edited.emit()


def agent_lines(agents: Mapping[str, CustomAgent]) -> Lines:
    return tuple((name, name, command_line(agent)) for name, agent in agents.items())
