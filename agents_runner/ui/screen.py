"""A picture that fills its place with its proportions kept."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from agents_runner.ui.tokens import GRID


class Screen(QWidget):
    """Shows a picture as large as it fits, never larger than it is."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("Screen of the task")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(GRID * 10, GRID * 8)
        self._image = QImage()
        self._scaled = QPixmap()

    def show_image(self, image: QImage) -> None:
        self._image = image
        self._scaled = QPixmap()
        self.update()

    def image(self) -> QImage:
        return self._image

    def sizeHint(self) -> QSize:
        return QSize(GRID * 80, GRID * 50)

    def shown_size(self) -> QSize:
        """In pixels of the screen."""
        room = self.size() * self.devicePixelRatioF()
        size = self._image.size()
        if size.width() <= room.width() and size.height() <= room.height():
            return size
        return size.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._image.isNull():
            return
        wanted = self.shown_size()
        if self._scaled.size() != wanted:
            scaled = self._image.scaled(
                wanted, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            self._scaled = QPixmap.fromImage(scaled)
        ratio = self.devicePixelRatioF()
        self._scaled.setDevicePixelRatio(ratio)
        free = self.size() - wanted / ratio
        painter = QPainter(self)
        painter.drawPixmap(QPoint(free.width() // 2, free.height() // 2), self._scaled)
        painter.end()
