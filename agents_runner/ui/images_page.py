"""Cached images, and cleaning them after a look at what goes."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QPlainTextEdit,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import LayerDone
from agents_runner.runner.services import CachedImage, CleanReport, CleanRequest, Services
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.models import ImageTable, size_text
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import (
    Banner,
    ElidedLabel,
    EmptyPage,
    button,
    code_editor,
    fit_columns,
    fit_columns_to_rows,
    page_layout,
    plain,
    row,
    table_view,
)


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def report_text(report: CleanReport) -> str:
    """What goes and what stays, a line each."""
    lines = [f"Goes: {_images(len(report.removed))}"]
    lines += [f"  {tag}" for tag in report.removed] or ["  nothing"]
    lines += ["", f"Stays: {_images(len(report.kept))}"]
    lines += [f"  {one.tag}\n      {one.why}" for one in report.kept] or ["  nothing"]
    return "\n".join(lines)


class CleanDialog(QDialog):
    """Lists what a clean-up would do; accepted means do it.

    `others_wanted` asks for a look with or without what other installations made; `show_report` answers.
    """

    others_wanted = Signal(bool)

    def __init__(self, report: CleanReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("clean-dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Clean cached images")
        self.resize(720, 420)
        self._freed = plain("", "heading", wrap=True)
        self._freed.setObjectName("clean-freed")
        self._text: QPlainTextEdit = code_editor("clean-report", "")
        self._text.setReadOnly(True)
        self._text.setAccessibleName("What goes and what stays")
        self.others = QCheckBox("Also what &other installations made")
        self.others.setObjectName("clean-others")
        self.others.setToolTip("Other people's on this engine, or of a data folder that is gone")
        self.others.setVisible(any(one.others for one in report.kept))
        self.others.toggled.connect(self._toggled)
        buttons = QDialogButtonBox()
        self._go = go = button("&Clean", "confirm-clean", "danger")
        stay = button("Ca&ncel", "cancel-clean")
        stay.setDefault(True)
        buttons.addButton(go, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(stay, QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID * 2, GRID * 2, GRID * 2, GRID * 2)
        layout.setSpacing(GRID)
        layout.addWidget(self._freed)
        layout.addWidget(
            plain("The next task of an environment whose image goes builds it again.", "muted", wrap=True)
        )
        layout.addWidget(self._text, 1)
        layout.addWidget(self.others)
        layout.addWidget(buttons)
        self.show_report(report)
        stay.setFocus()

    def show_report(self, report: CleanReport) -> None:
        self._freed.setText(self._sentence(report))
        self._text.setPlainText(report_text(report))
        self._go.setEnabled(bool(report.removed))

    def show_failure(self, error: AgentsRunnerError) -> None:
        self._freed.setText(str(error))

    @Slot(bool)
    def _toggled(self, others: bool) -> None:
        # Nothing can be confirmed that was not shown.
        self._go.setEnabled(False)
        self._freed.setText("Looking ...")
        self.others_wanted.emit(others)

    @staticmethod
    def _sentence(report: CleanReport) -> str:
        if not report.removed:
            return "There is nothing to remove."
        freed = size_text(report.freed_bytes)
        return f"{_images(len(report.removed))} will be removed, which frees {freed} on the engine's disk."


class ImagesPage(QWidget):
    """The table of our images."""

    new_task = Signal()

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._reloads = Latest(jobs)
        self._previews = Latest(jobs)
        self._dialog: CleanDialog | None = None
        self.model = ImageTable()
        self._lay_out()

    def _lay_out(self) -> None:
        self.view = table_view("image-list", "Cached images")
        self.view.setModel(self.model)
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        samples = (
            "",
            "env tools",
            "999 MiB",
            "999 MiB",
            "23 h",
            "59 min ago",
            "A project",
            "In use",
            "Hits",
            "59 min",
        )
        fit_columns(self.view, samples, stretch=0)
        self.view.selectionModel().currentRowChanged.connect(self._selected)
        self._detail = ElidedLabel(role="muted")
        self._detail.setObjectName("image-detail")
        self._banner = Banner("images-banner")
        self._empty = EmptyPage(
            "images-empty", "The first task of a cached environment makes images. There are none yet.", "&New task"
        )
        self._empty.acted.connect(self.new_task)
        self._said = plain(role="good")
        self._said.setObjectName("clean-said")
        self._clean = button(
            "&Clean cached images...", "clean-images", hint="Shows what goes before anything is removed"
        )
        self._clean.clicked.connect(self.clean)
        self._rebuild = button(
            "&Rebuild now",
            "rebuild-image",
            hint="Builds the layers of the selected image's environments anew; until then tasks use the present ones",
        )
        self._rebuild.setEnabled(False)
        self._rebuild.clicked.connect(self.rebuild)
        self._rebuilding = False
        refresh = button("Re&fresh", "refresh-images")
        refresh.clicked.connect(self.reload)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty)
        layout = page_layout(self)
        layout.addWidget(plain("Cached images", "title"))
        layout.addWidget(self._banner)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self._detail)
        layout.addLayout(row(self._clean, self._rebuild, refresh, self._said))

    def focus_first(self) -> None:
        self._clean.setFocus()

    @Slot()
    def reload(self) -> None:
        self._reloads.run(self._services.images.list, self._loaded, self._failed)

    def _loaded(self, images: Sequence[CachedImage]) -> None:
        self._banner.show_text("")
        if self.model.rows != list(images):
            self.model.set_rows(images)
            fit_columns_to_rows(self.view, stretch=0)
            self._rebuild.setEnabled(False)
            self._detail.set_text("Select an image to see all of its name." if images else "")
        self._stack.setCurrentIndex(0 if images else 1)

    def _failed(self, error: AgentsRunnerError) -> None:
        self._clean.setEnabled(True)
        self._said.setText("")
        self._banner.show_text(str(error))

    @Slot(QModelIndex)
    def _selected(self, index: QModelIndex) -> None:
        """The whole of what the table has no room for."""
        image = self.model.rows[index.row()] if index.isValid() else None
        self._rebuild.setEnabled(image is not None and bool(image.environments) and not self._rebuilding)
        if image is not None:
            used = f"  ·  used by {', '.join(image.environments)}" if image.environments else ""
            shared = f"  ·  {size_text(image.shared_size)} shared with the image below it"
            self._detail.set_text(f"{image.tag}{used}{shared}")

    @Slot()
    def rebuild(self) -> None:
        """Build anew what the selected image belongs to; the old image serves until the new one is whole."""
        index = self.view.currentIndex()
        if not index.isValid() or self._rebuilding:
            return
        names = self.model.rows[index.row()].environments
        self._rebuilding = True
        self._rebuild.setEnabled(False)
        self._banner.show_text("")
        self._said.setText(f"Rebuilding {', '.join(names)} ...")
        self._jobs.run(lambda: self._build(names), self._rebuilt, self._rebuild_failed)

    def _build(self, names: Sequence[str]) -> int:
        """On a job's thread; how many layers were built."""
        known = {one.name: one for one in self._services.environments.list().environments}
        count = 0
        for name in names:
            if name in known:
                events = self._services.images.build(known[name], force=True)
                count += sum(isinstance(event, LayerDone) and event.result == "built" for event in events)
        return count

    def _rebuilt(self, count: int) -> None:
        self._rebuilding = False
        self._said.setText(f"{'1 layer' if count == 1 else f'{count} layers'} rebuilt.")
        self._selected(self.view.currentIndex())
        self.reload()

    def _rebuild_failed(self, error: AgentsRunnerError) -> None:
        self._rebuilding = False
        self._said.setText("")
        self._banner.show_text(f"{error} The present image stays in use.")
        self._selected(self.view.currentIndex())

    @Slot()
    def clean(self) -> None:
        self._clean.setEnabled(False)
        self._said.setText("Looking ...")
        self._jobs.run(lambda: self._services.images.clean(CleanRequest(dry_run=True)), self._previewed, self._failed)

    def _previewed(self, report: CleanReport) -> None:
        self._banner.show_text("")
        self._said.setText("")
        self._dialog = CleanDialog(report, self)
        self._dialog.accepted.connect(self._confirmed)
        self._dialog.rejected.connect(self._cancelled)
        self._dialog.others_wanted.connect(self._look_again)
        self._dialog.open()

    @Slot(bool)
    def _look_again(self, others: bool) -> None:
        self._previews.run(
            lambda: self._services.images.clean(CleanRequest(dry_run=True, others=others)),
            self._looked,
            self._look_failed,
        )

    def _looked(self, report: CleanReport) -> None:
        if self._dialog is not None:
            self._dialog.show_report(report)

    def _look_failed(self, error: AgentsRunnerError) -> None:
        if self._dialog is not None:
            self._dialog.show_failure(error)

    @Slot()
    def _cancelled(self) -> None:
        self._dialog = None
        self._clean.setEnabled(True)
        self._clean.setFocus()

    @Slot()
    def _confirmed(self) -> None:
        others = self._dialog is not None and self._dialog.others.isChecked()
        request = CleanRequest(dry_run=False, others=others)
        self._dialog = None
        self._said.setText("Cleaning ...")
        self._jobs.run(lambda: self._services.images.clean(request), self._cleaned, self._failed)

    def _cleaned(self, report: CleanReport) -> None:
        kept = f", {len(report.kept)} kept" if report.kept else ""
        freed = size_text(report.freed_bytes)
        self._said.setText(f"{_images(len(report.removed))} removed, {freed} freed{kept}.")
        self._clean.setEnabled(True)
        self.reload()
