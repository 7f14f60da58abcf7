"""What is wrong with the application's own files, above every page until the person has seen it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QWidget

from agents_runner.core.results import Problem
from agents_runner.runner.services import DiagnosticsPort
from agents_runner.ui.widgets import Banner

LOOK_MS = 1000
"""How often the list is looked at, in milliseconds; it is in memory."""


class ProblemsBanner(Banner):
    """Names each problem once; "Close" hides those that are shown, later ones appear again."""

    def __init__(
        self, diagnostics: DiagnosticsPort, shown_elsewhere: Callable[[], tuple[Problem, ...]], parent: QWidget
    ) -> None:
        """`shown_elsewhere` gives the problems that a page shows itself."""
        super().__init__("files-banner", "Close")
        self.setParent(parent)
        self._diagnostics = diagnostics
        self._shown_elsewhere = shown_elsewhere
        self._closed: frozenset[Problem] = frozenset()
        self._shown: tuple[Problem, ...] = ()
        self.acted.connect(self._close_these)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(LOOK_MS)

    @Slot()
    def look(self) -> None:
        """Show what was found since the last look."""
        elsewhere = {*self._shown_elsewhere(), *self._closed}
        found = tuple(one for one in self._diagnostics.problems() if one not in elsewhere)
        if found != self._shown:
            self._shown = found
            self.show_text("\n".join(one.text for one in found))

    @Slot()
    def _close_these(self) -> None:
        self._closed |= frozenset(self._shown)
        self.look()
