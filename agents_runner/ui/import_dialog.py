"""What a folder offers to fill an environment from: a report, the proposed texts, and nothing before Apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QDialog, QTabWidget, QVBoxLayout, QWidget

from agents_runner.runner.services import ImportOffer
from agents_runner.ui.environment_editors import combo
from agents_runner.ui.form_state import FormState, with_fields
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import button, code_editor, plain, row

_SCRIPTS = (("cached_preflight_script", "Cached preflight"), ("run_preflight_script", "Run preflight"))


def offer_text(offers: Sequence[ImportOffer]) -> str:
    """The sentence of the offer; "" if there is nothing."""
    if not offers:
        return ""
    titles = [offer.title for offer in offers]
    listed = titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
    return f"Found {listed} in this folder."


def values_text(fields: Mapping[str, Any]) -> str:
    """The fields that are no scripts, a line each."""
    lines: list[str] = []
    for name, value in fields.items():
        if name in dict(_SCRIPTS):
            continue
        if isinstance(value, Mapping):
            lines += [f"{name}.{key} = {one}" for key, one in value.items()]
        elif isinstance(value, list | tuple):
            lines += [f"{name}: {one}" for one in value]
        else:
            lines.append(f"{name} = {value}")
    return "\n".join(lines)


class ImportDialog(QDialog):
    """`applied` carries the form's state with the chosen offer in it."""

    applied = Signal(object)

    def __init__(self, offers: Sequence[ImportOffer], state: FormState, parent: QWidget) -> None:
        super().__init__(parent)
        self._offers = tuple(offers)
        self._state = state
        self.setObjectName("import-dialog")
        self.setWindowTitle("Import")
        self.resize(760, 540)
        self.choice = combo("import-choice", [(str(number), one.title) for number, one in enumerate(offers)])
        self.choice.setAccessibleName("What to import")
        self.choice.setVisible(len(self._offers) > 1)
        self.report = code_editor("import-report", "What is taken over, and what could not be.")
        self.report.setReadOnly(True)
        self.report.setAccessibleName("Report")
        self.report.setLineWrapMode(self.report.LineWrapMode.WidgetWidth)
        self.report.setFixedHeight(GRID * 15)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("import-tabs")
        self.scripts = {name: ScriptEditor(f"import-{name.partition('_')[0]}", "") for name, _ in _SCRIPTS}
        self.values = code_editor("import-values", "")
        for (name, title), editor in zip(_SCRIPTS, self.scripts.values(), strict=True):
            editor.setReadOnly(True)
            editor.setAccessibleName(title)
            self.tabs.addTab(self.scripts[name], title)
        self.values.setReadOnly(True)
        self.values.setAccessibleName("Other values")
        self.tabs.addTab(self.values, "Other values")
        go = button("&Apply", "import-apply", "primary", "Fill the form; nothing is saved yet.")
        go.setDefault(True)
        stay = button("Cancel", "import-cancel")
        go.clicked.connect(self._accept)
        stay.clicked.connect(self.reject)
        self.choice.currentIndexChanged.connect(self._show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID * 2, GRID * 2, GRID * 2)
        layout.setSpacing(GRID)
        layout.addWidget(
            plain("Look at what would be filled in. Scripts are added to what is there.", "heading", wrap=True)
        )
        layout.addWidget(self.choice)
        layout.addWidget(self.report)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(plain("Revert takes it back as long as it is not saved.", "muted", wrap=True))
        layout.addLayout(row(QWidget(), stay, go, grows=0))
        self._show()
        go.setFocus()

    def _offer(self) -> ImportOffer:
        return self._offers[max(0, self.choice.currentIndex())]

    @Slot()
    def _show(self) -> None:
        offer = self._offer()
        left = with_fields(self._state, offer.fields, offer.title)[1]
        report = [*offer.report, *(f"{name} has no place in this form and is left out." for name in left)]
        self.report.setPlainText("\n".join(report) or "Everything is taken over.")
        for number, (name, _) in enumerate(_SCRIPTS):
            text = str(offer.fields.get(name, ""))
            self.scripts[name].setPlainText(text)
            self.tabs.setTabVisible(number, bool(text.strip()))
        values = values_text(offer.fields)
        self.values.setPlainText(values)
        self.tabs.setTabVisible(2, bool(values))

    @Slot()
    def _accept(self) -> None:
        offer = self._offer()
        self.applied.emit(with_fields(self._state, offer.fields, offer.title)[0])
        self.accept()
