"""Lists and tables as models: environments, tasks, cached images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import humanize
from PySide6.QtCore import QAbstractListModel, QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QPixmap

from agents_runner.core.environment import Environment
from agents_runner.core.events import TaskState
from agents_runner.core.task import Task
from agents_runner.runner.services import CachedImage

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
COLORS = {
    "emerald": "#10a36f",
    "violet": "#8b5cf6",
    "sky": "#0ea5e9",
    "amber": "#d97706",
    "rose": "#e11d48",
    "slate": "#64748b",
    "teal": "#0d9488",
    "indigo": "#6366f1",
    "orange": "#ea580c",
    "lime": "#65a30d",
}
GLYPHS = {
    TaskState.QUEUED: "○",
    TaskState.PREPARING: "◔",
    TaskState.BUILDING: "◑",
    TaskState.STARTING: "◕",
    TaskState.RUNNING: "●",
    TaskState.SUCCEEDED: "✓",
    TaskState.FAILED: "✗",
    TaskState.CANCELLED: "–",
}


def color_dot(name: str) -> QPixmap:
    """A square of the environment's colour."""
    dot = QPixmap(12, 12)
    dot.fill(QColor(COLORS.get(name, name)))
    return dot


def state_text(state: TaskState) -> str:
    return f"{GLYPHS[state]} {state.value}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An environment in the list; `edited` marks unsaved changes."""

    id: str
    name: str
    color: str
    detail: str
    edited: bool = False


class EnvironmentList(QAbstractListModel):
    """Environments by name."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []

    def set_rows(self, rows: Sequence[Row]) -> None:
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def update_row(self, row_id: str, change: Callable[[Row], Row]) -> None:
        for number, row in enumerate(self._rows):
            if row.id == row_id and change(row) != row:
                self._rows[number] = change(row)
                index = self.index(number)
                self.dataChanged.emit(index, index)

    def row_id(self, number: int) -> str:
        return self._rows[number].id if 0 <= number < len(self._rows) else ""

    def number(self, row_id: str) -> int:
        return next((number for number, row in enumerate(self._rows) if row.id == row_id), -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role == Role.DisplayRole:
            return f"{row.name}{'  •' if row.edited else ''}"
        if role == Role.ToolTipRole:
            return f"{row.name}\n{row.detail}{' (not saved yet)' if row.edited else ''}"
        if role == Role.DecorationRole:
            return color_dot(row.color)
        return None


def environment_row(environment: Environment, *, edited: bool) -> Row:
    cached = "cached" if environment.cache_container_build else "not cached"
    detail = f"{environment.base_image}, {environment.agent}, {cached}"
    return Row(id=environment.id, name=environment.name, color=environment.color, detail=detail, edited=edited)


class Table(QAbstractTableModel):
    """Rows of texts made by one function a column; subclasses give the columns."""

    columns: Sequence[tuple[str, Callable[[Any], str]]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Any] = []

    def set_rows(self, rows: Sequence[Any]) -> None:
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Role.DisplayRole and section < len(self.columns):
            return self.columns[section][0]
        return None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid() or role not in (Role.DisplayRole, Role.ToolTipRole):
            return None
        return self.columns[index.column()][1](self.rows[index.row()])


def ago(seconds: float | None) -> str:
    """How long ago, in words; "" for never."""
    return humanize.naturaltime(max(0.0, time.time() - seconds)) if seconds else ""


def duration(task: Task) -> str:
    if task.started is None:
        return ""
    return f"{(task.finished or time.time()) - task.started:.1f} s"


class TaskTable(Table):
    """Tasks, newest first."""

    columns = (
        ("State", lambda task: state_text(task.state)),
        ("Environment", lambda task: task.environment_name),
        ("Agent", lambda task: task.agent),
        ("Prompt", lambda task: task.prompt),
        ("Started", lambda task: ago(task.created)),
        ("Took", duration),
    )

    def put(self, task: Task) -> None:
        """Show a task as it is now, without touching the other rows."""
        for number, old in enumerate(self.rows):
            if old.id == task.id:
                self.rows[number] = task
                self.dataChanged.emit(self.index(number, 0), self.index(number, len(self.columns) - 1))
                return
        self.beginInsertRows(QModelIndex(), 0, 0)
        self.rows.insert(0, task)
        self.endInsertRows()

    def set_state(self, task_id: str, state: TaskState) -> None:
        for task in self.rows:
            if task.id == task_id:
                self.put(replace(task, state=state, started=task.started or time.time()))
                return

    def task_id(self, number: int) -> str:
        return str(self.rows[number].id) if 0 <= number < len(self.rows) else ""


def size_text(size: int) -> str:
    return humanize.naturalsize(size, binary=True)


class ImageTable(Table):
    """Cached images, newest first."""

    columns = (
        ("Image", lambda image: image.tag),
        ("Layer", lambda image: f"{image.kind} {image.step}".strip()),
        ("Size", lambda image: size_text(image.size)),
        ("Own", lambda image: size_text(image.own_size)),
        ("Built", lambda image: ago(image.created)),
        ("Last use", lambda image: ago(image.last_used) or "never"),
        ("Used by", lambda image: ", ".join(image.environments) or "no environment"),
        ("In use", lambda image: "yes" if image.in_use else "no"),
    )
    rows: list[CachedImage]
