"""Cached images, and cleaning them after a look at what goes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHeaderView, QPlainTextEdit, QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.runner.services import CachedImage, CleanReport, Services
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.models import ImageTable, size_text
from agents_runner.ui.tasks_page import table_view
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, button, code_editor, page_layout, plain, row


def report_text(report: CleanReport) -> str:
    """What goes and what stays, a line each."""
    lines = [f"To be removed ({len(report.removed)}):" if report.removed else "Nothing is to be removed."]
    lines += [f"  {tag}" for tag in report.removed]
    if report.kept:
        lines += ["", f"Kept ({len(report.kept)}):"]
        lines += [f"  {one.tag}\n      {one.why}" for one in report.kept]
    return "\n".join(lines)


class CleanDialog(QDialog):
    """Lists what a clean-up would do; accepted means do it."""

    def __init__(self, report: CleanReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("clean-dialog")
        self.setWindowTitle("Clean cached images")
        self.resize(720, 420)
        text: QPlainTextEdit = code_editor("clean-report", "")
        text.setReadOnly(True)
        text.setPlainText(report_text(report))
        buttons = QDialogButtonBox()
        go = button("&Clean", "confirm-clean", "danger")
        go.setEnabled(bool(report.removed))
        stay = button("Ca&ncel", "cancel-clean")
        buttons.addButton(go, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(stay, QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID * 2, GRID * 2, GRID * 2)
        layout.setSpacing(GRID)
        layout.addWidget(plain(f"{size_text(report.freed_bytes)} will be freed on the engine's disk.", wrap=True))
        layout.addWidget(text, 1)
        layout.addWidget(
            plain("The next task of an environment whose image goes builds it again.", "muted", wrap=True)
        )
        layout.addWidget(buttons)


class ImagesPage(QWidget):
    """The table of our images."""

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._dialog: CleanDialog | None = None
        self.model = ImageTable()
        self._view = table_view("image-list", "Cached images")
        self._view.setModel(self.model)
        self._view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        for column, width in enumerate((240, 100, 110, 110, 130, 130, 140, 80)):
            self._view.setColumnWidth(column, width)
        self._view.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._banner = Banner("images-banner")
        self._empty = plain(
            "No cached images yet. The first task of a cached environment makes them.", "muted", wrap=True
        )
        self._said = plain(role="good")
        self._said.setObjectName("clean-said")
        self._clean = button(
            "&Clean cached images...", "clean-images", tip="Shows what goes before anything is removed"
        )
        self._clean.clicked.connect(self._clean_clicked)
        refresh = button("Re&fresh", "refresh-images")
        refresh.clicked.connect(self.reload)
        layout = page_layout(self)
        layout.addWidget(plain("Cached images", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(self._empty)
        layout.addWidget(self._view, 1)
        layout.addLayout(row(self._clean, refresh, self._said))

    @Slot()
    def reload(self) -> None:
        self._jobs.run(self._services.images.list, self._loaded, self._failed)

    def _loaded(self, images: Sequence[CachedImage]) -> None:
        self._banner.show_text("")
        self.model.set_rows(images)
        self._empty.setVisible(not images)
        self._clean.setEnabled(True)

    def _failed(self, error: AgentsRunnerError) -> None:
        self._clean.setEnabled(True)
        self._said.setText("")
        self._banner.show_text(str(error))

    @Slot()
    def _clean_clicked(self) -> None:
        self._clean.setEnabled(False)
        self._said.setText("Looking ...")
        self._jobs.run(lambda: self._services.images.clean(dry_run=True), self._previewed, self._failed)

    def _previewed(self, report: CleanReport) -> None:
        self._said.setText("")
        self._dialog = CleanDialog(report, self)
        self._dialog.accepted.connect(self._confirmed)
        self._dialog.rejected.connect(self._cancelled)
        self._dialog.open()

    @Slot()
    def _cancelled(self) -> None:
        self._clean.setEnabled(True)

    @Slot()
    def _confirmed(self) -> None:
        self._said.setText("Cleaning ...")
        self._jobs.run(lambda: self._services.images.clean(dry_run=False), self._cleaned, self._failed)

    def _cleaned(self, report: CleanReport) -> None:
        self._said.setText(f"{len(report.removed)} images removed, {size_text(report.freed_bytes)} freed.")
        self.reload()
