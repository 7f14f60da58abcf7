"""The one window of these files, which shows itself when it is started a second time."""

from __future__ import annotations

from PySide6.QtCore import QFileSystemWatcher, QObject, Qt, QTimer, Slot

from agents_runner.store.one_window import WindowPlace
from agents_runner.ui.window import MainWindow


class ShownAgain(QObject):
    """Looks for others' requests as long as it lives; made by the process that has the place."""

    def __init__(self, place: WindowPlace, window: MainWindow) -> None:
        super().__init__(window)
        self._place, self._window = place, window
        self._watcher = QFileSystemWatcher([str(place.folder)], self)
        self._watcher.directoryChanged.connect(self._look)
        # What came between the lock and now.
        QTimer.singleShot(0, self._look)

    @Slot()
    def _look(self) -> None:
        for environment_id in self._place.requests():
            window = self._window
            window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
            window.show()
            window.raise_()
            window.activateWindow()
            if environment_id:
                window.show_environment(environment_id)
