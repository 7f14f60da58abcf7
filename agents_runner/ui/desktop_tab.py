"""The *Desktop* tab of a task: its screen as pictures, live in a process of its own, or in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QHideEvent, QImage, QShowEvent, QWindow
from PySide6.QtWidgets import QCheckBox, QFileDialog, QStackedWidget, QVBoxLayout, QWidget

from agents_runner.core.errors import AgentsRunnerError, NoDesktop, StoreError
from agents_runner.core.task import Task
from agents_runner.runner.services import DesktopPort
from agents_runner.ui import browser, live_process
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.screen import Screen
from agents_runner.ui.tokens import GRID
from agents_runner.ui.widgets import Banner, ElidedLabel, brief, button, plain, row, set_role, tip

PICTURE_MS = 1500
_TRIES_AT_END = 3
_WITH_EXTRA = "Show the screen live, here in the window"
_WITHOUT_EXTRA = (
    "Opens the system's browser. For a live view in this window install the extra: "
    "pip install 'agents-runner[desktop]'"
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture as it came (PNG) and as Qt paints it."""

    data: bytes
    image: QImage
    live: bool


class DesktopTab(QWidget):
    """Shows the screen of the task that it was given last; asks for pictures only while it can be seen."""

    def __init__(self, port: DesktopPort, jobs: Jobs) -> None:
        super().__init__()
        self._port = port
        self._jobs = jobs
        self._task: Task | None = None
        self._shown: Shown | None = None
        self._asking = False
        self._complete = False
        self._tries = _TRIES_AT_END
        self._embedded: QWidget | None = None
        self._has_extra = live_process.available()
        self._make()
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setInterval(PICTURE_MS)
        self._timer.timeout.connect(self._ask)
        self._live = live_process.LiveProcess(self)
        self._live.opened.connect(self._live_opened)
        self._live.ended.connect(self._live_ended)

    def _make(self) -> None:
        self._status = ElidedLabel(role="muted")
        self._status.setObjectName("desktop-status")
        self._trouble = Banner("desktop-trouble", "&Reconnect", lines=2)
        self._trouble.acted.connect(self._live_clicked)
        self._empty = plain(role="muted", wrap=True)
        self._empty.setObjectName("desktop-empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setContentsMargins(GRID * 4, GRID, GRID * 4, GRID)
        self._screen = Screen("desktop-screen")
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._screen)
        hint = _WITH_EXTRA if self._has_extra else _WITHOUT_EXTRA
        self._live_button = button("&Live view", "desktop-live", hint=hint)
        self._live_button.clicked.connect(self._live_clicked)
        self._open = button("&Open in browser", "desktop-open", hint="Work on the screen in the system's browser")
        self._open.clicked.connect(self._open_clicked)
        self._view_only = QCheckBox("&View only")
        self._view_only.setObjectName("desktop-view-only")
        self._view_only.setToolTip(tip("Look without keys and clicks; holds for what is opened from now on"))
        self._save = button(
            "Save screens&hot ...", "desktop-save", hint="Save the picture that is shown as a PNG file"
        )
        self._save.clicked.connect(self._save_clicked)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.setSpacing(GRID)
        layout.addLayout(row(self._live_button, self._open, self._view_only, self._save))
        layout.addWidget(self._trouble)
        layout.addWidget(self._status)
        layout.addWidget(self._stack, 1)

    # -- the task ----------------------------------------------------------------------------------

    def show_task(self, task: Task) -> None:
        """Another task, or the same one as it is now."""
        before, self._task = self._task, task
        if before is None or before.id != task.id:
            self._forget()
        elif task.state.final and not before.state.final:
            self._end_live()
        self._refresh()
        if before is None or before.id != task.id or before.state.final != task.state.final:
            self._ask()

    def shut_down(self) -> None:
        """Nothing is asked any more, and the live view goes with the window."""
        self._timer.stop()
        self._end_live()

    def _forget(self) -> None:
        self._end_live()
        self._shown = None
        self._complete = False
        self._tries = _TRIES_AT_END
        self._screen.show_image(QImage())
        self._trouble.show_text("")
        self._say("")
        self._empty.setText("Waiting for the first picture of the screen ...")

    def _refresh(self) -> None:
        reachable = self._task is not None and not self._task.state.final
        self._live_button.setEnabled(reachable)
        self._live_button.setText("End &live view" if self._live.running() else "&Live view")
        self._open.setEnabled(reachable)
        self._view_only.setEnabled(reachable)
        self._save.setEnabled(self._shown is not None)
        if self._embedded is not None:
            self._stack.setCurrentWidget(self._embedded)
        else:
            self._stack.setCurrentWidget(self._empty if self._shown is None else self._screen)

    # -- pictures ----------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()
        self._ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()

    @Slot()
    def _ask(self) -> None:
        task = self._task
        if task is None or self._asking or self._complete or self._embedded is not None:
            return
        if not self.isVisible() or self.window().isMinimized():
            return
        self._asking = True
        port, last = self._port, self._shown
        self._jobs.run(
            lambda: _picture(port, task.id, last),
            lambda shown: self._came(task, shown),
            lambda error: self._missing(task, error),
        )

    def _came(self, task: Task, shown: Shown) -> None:
        self._asking = False
        if self._task is None or self._task.id != task.id:
            self._ask()
            return
        if self._shown is None or shown.image is not self._shown.image:
            self._screen.show_image(shown.image)
        self._shown = shown
        self._complete = not shown.live
        if shown.live:
            self._say("The screen as it is now.")
        else:
            self._say("The task has ended; this is the last picture of its screen.")
        self._refresh()

    def _missing(self, task: Task, error: AgentsRunnerError) -> None:
        self._asking = False
        if self._task is None or self._task.id != task.id:
            self._ask()
            return
        if task.state.final and isinstance(error, NoDesktop):
            # The record of the end may come a moment after the word of it.
            self._tries -= 1
            self._complete = self._tries <= 0
        if self._shown is None:
            self._say("")
            self._empty.setText(brief(str(error)))
        else:
            self._say(f"An older picture: {error}", role="busy")
        self._refresh()

    def _say(self, text: str, role: str = "muted") -> None:
        set_role(self._status, role)
        self._status.set_text(text)
        self._status.setVisible(bool(text))

    # -- actions -----------------------------------------------------------------------------------

    def _tell(self, sentence: str, *, reconnect: bool = False) -> None:
        self._trouble.show_text(sentence, action=reconnect)

    def _fail(self, error: AgentsRunnerError) -> None:
        self._tell(str(error))

    @Slot()
    def _open_clicked(self) -> None:
        if self._task is None:
            return
        port, task_id, view_only = self._port, self._task.id, self._view_only.isChecked()
        self._tell("")
        self._jobs.run(
            lambda: browser.ticket(port.address(task_id, view_only=view_only).url), self._open_ticket, self._fail
        )

    def _open_ticket(self, ticket: str) -> None:
        if not browser.open_url(ticket):
            self._tell("The system has no browser to open it with. `agents-runner tasks desktop` prints the address.")

    @Slot()
    def _live_clicked(self) -> None:
        if self._task is None or self._task.state.final:
            return
        if not self._has_extra:
            self._open_clicked()
            return
        if self._live.running():
            self._end_live()
            self._say("")
            self._refresh()
            self._ask()
            return
        port, task_id, view_only = self._port, self._task.id, self._view_only.isChecked()
        self._tell("")
        self._jobs.run(
            lambda: port.address(task_id, view_only=view_only).url,
            lambda url: self._start_live(task_id, url),
            lambda error: self._tell(str(error), reconnect=True),
        )

    def _start_live(self, task_id: str, url: str) -> None:
        if self._task is not None and self._task.id == task_id and not self._task.state.final:
            self._end_live()
            self._say("The live view opens ...")
            self._live.start(url, f"Desktop of task {task_id}")
            self._refresh()

    @Slot(int)
    def _live_opened(self, window: int) -> None:
        if window:
            # The window belongs to the other process: its end leaves an empty place here, nothing worse.
            self._embedded = QWidget.createWindowContainer(QWindow.fromWinId(window), self)
            self._embedded.setObjectName("desktop-embedded")
            self._embedded.setAccessibleName("Live view of the task's screen")
            self._stack.addWidget(self._embedded)
            self._say("Live.")
            self._refresh()
            self._embedded.setFocus()
        else:
            self._say("The live view is in a window of its own.")

    @Slot(str)
    def _live_ended(self, sentence: str) -> None:
        self._drop_embedded()
        self._tell(sentence, reconnect=True)
        self._refresh()
        self._ask()

    def _end_live(self) -> None:
        self._live.stop()
        self._drop_embedded()

    def _drop_embedded(self) -> None:
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            self._stack.removeWidget(embedded)
            embedded.deleteLater()

    @Slot()
    def _save_clicked(self) -> None:
        if self._task is None or self._shown is None:
            return
        # What is saved is what was seen, however long the choice of a name takes.
        data = self._shown.data
        dialog = QFileDialog(self, "Save the screenshot", f"{self._task.id}.png", "PNG pictures (*.png)")
        dialog.setObjectName("desktop-save-dialog")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("png")
        dialog.fileSelected.connect(lambda path: self._write(Path(path), data))
        dialog.open()

    def _write(self, path: Path, data: bytes) -> None:
        self._tell("")
        self._jobs.run(lambda: _save(path, data), lambda _: self._tell(f"Saved as {path}."), self._fail)


def _picture(port: DesktopPort, task_id: str, last: Shown | None) -> Shown:
    """On a job's thread; the same bytes are not decoded twice."""
    came = port.picture(task_id)
    if last is not None and last.data == came.data:
        return Shown(data=came.data, image=last.image, live=came.live)
    image = QImage.fromData(came.data)
    if image.isNull():
        raise NoDesktop("The picture of the screen cannot be read.")
    return Shown(data=came.data, image=image, live=came.live)


def _save(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        reason = error.strerror or "the disk refuses"
        raise StoreError(f"The screenshot cannot be saved as {path}: {reason}.", "Choose another file.") from error
