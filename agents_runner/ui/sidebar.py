"""The side of the window: the application's name, the pages, and whether the engine is there."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QListWidget, QListWidgetItem, QVBoxLayout

from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import ElidedLabel, plain, set_role, tip


class Sidebar(QFrame):
    """`chosen` carries a page's number; `entered` too, where a click means that the person will work in it."""

    chosen = Signal(int)
    entered = Signal(int)

    def __init__(self, pages: Sequence[str]) -> None:
        super().__init__()
        self.setObjectName("side")
        self.setFixedWidth(GRID * 20)
        name = plain("Agents Runner")
        name.setObjectName("app-name")
        self.list = QListWidget()
        self.list.setObjectName("sidebar")
        self.list.setAccessibleName("Pages")
        for number, page in enumerate(pages, start=1):
            item = QListWidgetItem(page)
            item.setToolTip(tip(f"{page} (Ctrl+{number})"))
            self.list.addItem(item)
        self.list.currentRowChanged.connect(self.chosen)
        self.list.itemClicked.connect(self._clicked)
        self._engine = ElidedLabel(role="muted")
        self._engine.setObjectName("engine-state")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 1, 0)
        layout.setSpacing(0)
        layout.addWidget(name)
        layout.addWidget(self.list, 1)
        # Margins, not padding: the label elides to the width that it has.
        holder = QVBoxLayout()
        holder.setContentsMargins(GRID * 2, GRID, GRID, GRID * 2)
        holder.addWidget(self._engine)
        layout.addLayout(holder)

    def select(self, number: int, *, quietly: bool = False) -> None:
        """Mark a page; `quietly` without `chosen`, where it is not the page itself that is shown."""
        self.list.blockSignals(quietly)
        self.list.setCurrentRow(number)
        self.list.blockSignals(False)

    def current(self) -> int:
        return self.list.currentRow()

    def show_engine(self, text: str, role: str) -> None:
        set_role(self._engine, role)
        self._engine.set_text(text)

    @Slot(QListWidgetItem)
    def _clicked(self, item: QListWidgetItem) -> None:
        self.entered.emit(self.list.row(item))
