"""A script with everything around it: find, a check while it is typed, and the list of warnings."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.preflight.messages import CheckRequest, Finding
from agents_runner.ui.analyzer import Analyzer
from agents_runner.ui.find_bar import FindBar
from agents_runner.ui.finding_list import FindingList
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Field, plain, row, set_role

WAIT_MS = 300
"""A person who pauses that long is done with a word."""


def count_text(count: int) -> str:
    return "No warnings" if not count else "1 warning" if count == 1 else f"{count} warnings"


class ScriptPanel(QWidget):
    """`request` tells what to check now; it is asked while the panel is seen and only if something changed."""

    def __init__(self, field: Field, analyzer: Analyzer, request: Callable[[], CheckRequest]) -> None:
        super().__init__()
        assert isinstance(field.editor, ScriptEditor)
        self.editor: ScriptEditor = field.editor
        self.field = field
        self._analyzer = analyzer
        self._request = request
        self._checked: CheckRequest | None = None
        self._validating = False
        self._key = f"check {self.editor.objectName()}"
        name = self.editor.objectName()
        self.find_bar = FindBar(self.editor, self)
        self.list = FindingList(f"{name}-warnings")
        self.said = plain("", "muted")
        self.said.setObjectName(f"{name}-said")
        keys = plain("Ctrl+F finds, F8 goes to the next warning", "muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID // 2)
        layout.setSpacing(GRID // 2)
        layout.addWidget(field, 1)
        layout.addWidget(self.find_bar)
        layout.addWidget(self.list)
        layout.addLayout(row(self.said, QWidget(), keys, grows=1))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.check)
        self.editor.textChanged.connect(self.check_soon)
        self.list.chosen.connect(self.editor.go_to_line)
        shortcut = QShortcut(QKeySequence("F8"), self.editor)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.next_warning)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.list.model_.rows

    def settled(self) -> bool:
        """True while nothing is waited for."""
        return not self._timer.isActive() and not self._validating and self.editor.colors.settled()

    @Slot()
    def check_soon(self) -> None:
        """Check once nothing was typed for a moment."""
        self._timer.start()

    @Slot()
    def check(self) -> None:
        """Check now, unless nobody looks or the same was checked before."""
        self._timer.stop()
        if not self.isVisible():
            return
        request = self._request()
        if request == self._checked:
            return
        self._checked = request
        self._validating = False
        self._analyzer.drop(f"{self._key} with programs")
        if not request.text.strip():
            self._analyzer.drop(self._key)
            self._show((), "")
            return
        self._analyzer.check(
            self._key, request, lambda found, _programs: self._show(found, count_text(len(found))), self._failed
        )

    def validate(self, request: CheckRequest, on_done: Callable[[int, tuple[str, ...]], None]) -> None:
        """Check with other programs as well; `on_done` gets the number of warnings and who looked."""
        self._timer.stop()
        self._analyzer.drop(self._key)
        self._validating = True
        self.said.setText("Checking...")

        def done(found: tuple[Finding, ...], programs: tuple[str, ...]) -> None:
            self._validating = False
            self._checked = self._request()
            who = " and ".join(programs)
            self._show(found, f"{count_text(len(found))}{f', {who} looked as well' if who else ''}")
            on_done(len(found), programs)

        def failed(error: AgentsRunnerError) -> None:
            self._validating = False
            self._failed(error)
            on_done(len(self.findings), ())

        self._analyzer.check(f"{self._key} with programs", request, done, failed)

    def show_again(self) -> None:
        """Another script is shown: what was found in the last one goes at once."""
        self._checked = None
        self._validating = False
        self._analyzer.drop(self._key)
        self._analyzer.drop(f"{self._key} with programs")
        self._show((), "")
        self.check_soon()

    def _show(self, findings: tuple[Finding, ...], said: str) -> None:
        self.editor.show_findings(findings)
        self.list.show_findings(findings)
        set_role(self.said, "muted")
        self.said.setText(said)

    def _failed(self, error: AgentsRunnerError) -> None:
        self._show((), str(error))
        set_role(self.said, "error")

    @Slot()
    def next_warning(self) -> None:
        """Go to the next line with a warning, around the end."""
        lines = self.editor.marked_lines()
        if lines:
            here = self.editor.textCursor().blockNumber() + 1
            self.editor.go_to_line(next((line for line in lines if line > here), lines[0]))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.check_soon()
