"""A task's desktop on its page: a picture that renews itself, the live view, the browser, and what is kept of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QProcess, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import (
    QDesktopServices,
    QGuiApplication,
    QHideEvent,
    QImage,
    QPainter,
    QPaintEvent,
    QShowEvent,
    QWindow,
)
from PySide6.QtWidgets import QCheckBox, QFileDialog, QStackedWidget, QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError, StoreError
from agents_runner.core.task import Task
from agents_runner.runner.services import DesktopAddress, Picture, Services
from agents_runner.ui import live_view
from agents_runner.ui.jobs import Jobs, Latest
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import ElidedLabel, brief, button, plain, row

POLL_MS = 1500
"""Milliseconds between two pictures while the tab is looked at."""
_EXTRA = "Needs the extra `agents-runner[desktop]`; without it the desktop opens in the browser."


class PictureView(QWidget):
    """A picture, as large as fits, in its own proportions; without one a sentence in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("desktop-picture")
        self.setAccessibleName("Picture of the desktop")
        self.setMinimumHeight(GRID * 12)
        self.image = QImage()
        self._says = plain("", "muted", wrap=True)
        self._says.setObjectName("desktop-empty")
        self._says.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.addWidget(self._says)

    def show_image(self, image: QImage) -> None:
        self.image = image
        self._says.hide()
        self.update()

    def show_text(self, text: str) -> None:
        self.image = QImage()
        self._says.setText(brief(text))
        self._says.show()
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self.image.isNull():
            return
        size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        smooth = Qt.TransformationMode.SmoothTransformation
        painter.drawImage(left, top, self.image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, smooth))
        painter.end()


class DesktopTab(QWidget):
    """Asks for pictures only while somebody looks; `open_url` and `has_live_view` can be replaced in tests."""

    def __init__(self, services: Services, jobs: Jobs) -> None:
        super().__init__()
        self._services = services
        self._jobs = jobs
        self._pictures = Latest(jobs)
        self._task: Task | None = None
        self._data = b""
        self._away = ""
        """What was said while no picture came; it goes with the next one."""
        self._process: QProcess | None = None
        self._container: QWidget | None = None
        self.open_url: Callable[[str], bool] = lambda url: QDesktopServices.openUrl(QUrl(url))
        self.live_command: list[str] = [sys.executable, "-m", "agents_runner.ui.live_view"]
        self.picture = PictureView()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.picture)
        self.says = ElidedLabel(role="muted")
        self.says.setObjectName("desktop-said")
        self.view_only = QCheckBox("&View only")
        self.view_only.setObjectName("desktop-view-only")
        self.view_only.setToolTip("Look without being able to click or type")
        self.live = button("Li&ve view", "desktop-live", hint="The desktop itself, in this window")
        self.live.clicked.connect(self._live_clicked)
        self.browser = button("Open in &browser", "desktop-browser", hint="The desktop itself, in your browser")
        self.browser.clicked.connect(self._browser_clicked)
        self.save = button("Save scree&nshot...", "desktop-save", hint="The picture that is shown, as a PNG file")
        self.save.clicked.connect(self._save_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(self._stack, 1)
        layout.addLayout(row(self.live, self.browser, self.view_only, self.save, self.says, grows=4))
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._ask)
        self.has_live_view: Callable[[], bool] = live_view.is_there

    # -- showing -----------------------------------------------------------------------------------

    def show_task(self, task: Task) -> None:
        """Another task, or the same one further on."""
        changed = self._task is None or self._task.id != task.id
        over = task.state.final and (changed or self._task is None or not self._task.state.final)
        self._task = task
        if changed:
            self.end_live()
            self._data = b""
            self.picture.show_text("No picture yet.")
            self.says.set_text("")
        if over:
            self.end_live()
        self._refresh()
        if self.isVisible() and (changed or over):
            self._ask()

    def _refresh(self) -> None:
        running = self._task is not None and not self._task.state.final
        for one in (self.browser, self.view_only):
            one.setEnabled(running)
        there = self.has_live_view()
        self.live.setEnabled(running)
        self.live.setText("End li&ve view" if self._process is not None else "Li&ve view")
        self.live.setToolTip("The desktop itself, in this window" if there else _EXTRA)
        self.save.setEnabled(bool(self._data))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()
        self._refresh()
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    @Slot()
    def _ask(self) -> None:
        """The next picture. A desktop that is not there yet, or was away, is simply asked for again."""
        if self._task is None or not self.isVisible() or self._process is not None:
            return
        if self._task.state.final:
            self._timer.stop()
        task_id = self._task.id
        self._pictures.run(
            lambda: self._services.desktop.picture(task_id),
            lambda picture: self._shown(task_id, picture),
            lambda error: self._missing(task_id, error),
        )

    def _shown(self, task_id: str, picture: Picture) -> None:
        if self._task is None or self._task.id != task_id:
            return
        image = QImage.fromData(picture.data)
        if image.isNull():
            return
        self._data = picture.data
        self.picture.show_image(image)
        if not picture.live:
            self.says.set_text("The last picture, from when the task ended.")
        elif self.says.whole_text() == self._away:
            self.says.set_text("")
        self._away = ""
        self._refresh()

    def _missing(self, task_id: str, error: AgentsRunnerError) -> None:
        if self._task is None or self._task.id != task_id:
            return
        if self._data:
            self._away = str(error)  # what was seen last stays
            self.says.set_text(self._away)
        else:
            self.picture.show_text(str(error))

    # -- actions -----------------------------------------------------------------------------------

    @Slot()
    def _browser_clicked(self) -> None:
        self._with_address(self._open)

    def _with_address(self, act: Callable[[DesktopAddress], None]) -> None:
        if self._task is None:
            return
        task_id, only = self._task.id, self.view_only.isChecked()
        self._jobs.run(
            lambda: self._services.desktop.address(task_id, view_only=only),
            act,
            lambda error: self.says.set_text(str(error)),
        )

    def _open(self, address: DesktopAddress) -> None:
        if not self.open_url(address.url):
            self.says.set_text("No browser could be opened. `agents-runner tasks desktop` prints the address.")

    @Slot()
    def _save_clicked(self) -> None:
        if self._task is None or not self._data:
            return
        data, name = self._data, f"desktop-{self._task.id}.png"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save screenshot", name, "Pictures (*.png)")
        if chosen:
            self.save_to(Path(chosen), data)

    def save_to(self, path: Path, data: bytes) -> None:
        """Write the picture on a thread; what stands in the way is one sentence."""

        def write() -> None:
            try:
                path.write_bytes(data)
            except OSError as error:
                raise StoreError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from error

        self._jobs.run(
            write,
            lambda _: self.says.set_text(f"Saved as {path}."),
            lambda error: self.says.set_text(str(error)),
        )

    # -- the live view -----------------------------------------------------------------------------

    @Slot()
    def _live_clicked(self) -> None:
        if self._process is not None:
            self.end_live()
            self._ask()
        elif self.has_live_view():
            self._with_address(self._begin_live)
        else:
            self._browser_clicked()

    def _begin_live(self, address: DesktopAddress) -> None:
        if self._process is not None or self._task is None:
            return
        process = QProcess(self)
        process.setProgram(self.live_command[0])
        process.setArguments(self.live_command[1:])
        process.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
        process.readyReadStandardOutput.connect(self._live_said)
        process.finished.connect(self._live_over)
        process.errorOccurred.connect(self._live_over)
        self._process = process
        process.start()
        said = {"url": address.url, "title": f"Desktop of task {self._task.id}"}
        process.write((json.dumps(said) + "\n").encode("ascii"))
        self.says.set_text("The live view is starting ...")
        self._refresh()

    @Slot()
    def _live_said(self) -> None:
        if self._process is None:
            return
        words = bytes(self._process.readAllStandardOutput().data()).decode("ascii", "replace").split()
        if words[:1] != ["window"] or len(words) < 2 or not words[1].isdigit():
            return
        self.says.set_text("")
        if QGuiApplication.platformName() != "xcb":
            self.picture.show_text("The live view is in a window of its own.")
            return
        foreign = QWindow.fromWinId(int(words[1]))
        if foreign is not None:
            self._container = QWidget.createWindowContainer(foreign, self)
            self._container.setObjectName("desktop-live-view")
            self._stack.addWidget(self._container)
            self._stack.setCurrentWidget(self._container)

    @Slot()
    def _live_over(self) -> None:
        if self._process is None:
            return
        self.end_live()
        self.says.set_text("The live view ended. Live view opens it again.")
        self._ask()

    def end_live(self) -> None:
        """End the live view's program, if there is one; the window stays as it is."""
        process, self._process = self._process, None
        container, self._container = self._container, None
        self._stack.setCurrentWidget(self.picture)
        if container is not None:
            self._stack.removeWidget(container)
            container.deleteLater()
        if process is not None:
            process.blockSignals(True)
            process.closeWriteChannel()
            process.kill()
            process.waitForFinished(1000)
            process.deleteLater()
        self._refresh()
