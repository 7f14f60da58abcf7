"""Below the choice of a profile: one sentence on what is chosen, and the offer of Standard where nobody chose yet."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from agents_runner.core.environment_rows import PROFILES
from agents_runner.core.profile import NEW_PROFILE, OFFER, OFFER_HINT, OLD_PROFILE
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, plain, tip


class ProfileNote(QWidget):
    """Follows the list `choice`. `chosen` comes when a person chooses, also what is chosen already."""

    chosen = Signal()

    def __init__(self, choice: QComboBox) -> None:
        super().__init__()
        self._choice = choice
        self._from_before = False
        for number, one in enumerate(PROFILES):
            choice.setItemData(number, tip(one.text), Qt.ItemDataRole.ToolTipRole)
        self._meaning = plain("", "muted", wrap=True)
        self._meaning.setObjectName("env-profile-meaning")
        self._offer = Banner("profile-offer", "Use Standar&d")
        choice.currentIndexChanged.connect(self._refresh)
        # Choosing Sudo once more is how a person keeps it: the list's index does not change by that.
        choice.activated.connect(self._activated)
        self._offer.acted.connect(self._use_standard)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID)
        layout.addWidget(self._meaning)
        layout.addWidget(self._offer)
        self._refresh()

    def show_from_before(self, from_before: bool) -> None:
        """Say whether the profile shown is the one of before there were any; the list is at its value already."""
        self._from_before = from_before
        self._refresh()

    def from_before(self) -> bool:
        """True while nobody has chosen a profile."""
        return self._from_before and self._choice.currentData() == OLD_PROFILE

    @Slot()
    def _refresh(self) -> None:
        value = self._choice.currentData()
        self._meaning.setText(next((one.text for one in PROFILES if one.value == value), ""))
        self._offer.show_text(f"{OFFER}\n{OFFER_HINT}" if self.from_before() else "")

    @Slot()
    def _activated(self) -> None:
        self.show_from_before(False)
        self.chosen.emit()

    @Slot()
    def _use_standard(self) -> None:
        self._choice.setCurrentIndex(self._choice.findData(NEW_PROFILE))
        self._activated()
