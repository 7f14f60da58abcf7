"""Light or dark: as the settings say, else as the desktop has it, and along when that changes."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from agents_runner.ui.tokens import DARK, LIGHT, Tokens, palette, style_sheet


def current_tokens() -> Tokens:
    """The tokens that the application wears now, told by its palette."""
    dark = QGuiApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128
    return DARK if dark else LIGHT


class Theme(QObject):
    """Keeps the application's palette and style sheet in step with `choice` (system, light, dark)."""

    def __init__(self, app: QApplication, choice: str) -> None:
        super().__init__(app)
        self._app = app
        self._choice = choice
        app.styleHints().colorSchemeChanged.connect(self._changed)

    def tokens(self) -> Tokens:
        if self._choice == "system":
            dark = self._app.styleHints().colorScheme() == Qt.ColorScheme.Dark
        else:
            dark = self._choice == "dark"
        return DARK if dark else LIGHT

    def apply(self) -> None:
        tokens = self.tokens()
        self._app.setPalette(palette(tokens))
        self._app.setStyleSheet(style_sheet(tokens))

    @Slot(str)
    def choose(self, choice: str) -> None:
        """Wear another one from now on."""
        if choice != self._choice:
            self._choice = choice
            self.apply()

    @Slot(Qt.ColorScheme)
    def _changed(self, _scheme: Qt.ColorScheme) -> None:
        if self._choice == "system":
            self.apply()
