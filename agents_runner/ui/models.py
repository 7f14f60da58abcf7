"""Lists and tables as models: environments, tasks, cached images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import humanize
from PySide6.QtCore import QAbstractListModel, QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from agents_runner.core.environment import Environment
from agents_runner.core.events import Event, TaskState
from agents_runner.core.task import Task, applied
from agents_runner.runner.services import CachedImage
from agents_runner.ui.task_story import later
from agents_runner.ui.theme import current_tokens
from agents_runner.ui.widgets import tip

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
DETAIL_ROLE = int(Role.UserRole)
BADGE_ROLE = DETAIL_ROLE + 1
WARNING_ROLE = DETAIL_ROLE + 2
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
UNSAVED = "  •"
"""Behind the name of an environment with changes that are not saved."""
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
STATE_ROLES = {
    TaskState.QUEUED: "muted",
    TaskState.SUCCEEDED: "good",
    TaskState.FAILED: "error",
    TaskState.CANCELLED: "muted",
}
"""How a state looks in the style sheet's words; those that are not here are busy."""


def color_dot(name: str) -> QPixmap:
    """A dot of the environment's colour, drawn twice as large for fine screens."""
    dot = QPixmap(24, 24)
    dot.setDevicePixelRatio(2)
    dot.fill(Qt.GlobalColor.transparent)
    painter = QPainter(dot)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(COLORS.get(name, name)))
    painter.drawEllipse(1, 1, 10, 10)
    painter.end()
    return dot


def state_text(state: TaskState) -> str:
    return f"{GLYPHS[state]} {state.value}"


def state_role(state: TaskState) -> str:
    return STATE_ROLES.get(state, "busy")


def state_color(state: TaskState) -> QColor:
    tokens = current_tokens()
    return QColor(
        {"muted": tokens.muted, "good": tokens.good, "error": tokens.danger}.get(state_role(state), tokens.busy)
    )


@dataclass(frozen=True, kw_only=True)
class Row:
    """An environment in the list; `edited` marks unsaved changes."""

    id: str
    name: str
    color: str
    detail: str
    badge: str = ""
    warning: str = ""
    """A badge of what is to be careful with."""
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
        unsaved = (f", {row.warning}" if row.warning else "") + (", not saved" if row.edited else "")
        values: dict[int, Callable[[], Any]] = {
            Role.DisplayRole: lambda: f"{row.name}{UNSAVED if row.edited else ''}",
            Role.ToolTipRole: lambda: tip(f"{row.name}\n{row.detail}, {row.badge or 'not cached'}{unsaved}"),
            Role.AccessibleTextRole: lambda: f"{row.name}, {row.detail}, {row.badge or 'not cached'}{unsaved}",
            Role.DecorationRole: lambda: color_dot(row.color),
            DETAIL_ROLE: lambda: row.detail,
            BADGE_ROLE: lambda: row.badge,
            WARNING_ROLE: lambda: row.warning,
        }
        made = values.get(role)
        return made() if made else None


def profile_warning(profile: str) -> str:
    """The yellow badge of a profile; "" where there is nothing to be careful with."""
    return "Sudo" if profile == "sudo" else ""


def environment_row(environment: Environment, *, edited: bool) -> Row:
    return Row(
        id=environment.id,
        name=environment.name,
        color=environment.color,
        detail=environment.base_image,
        badge="cached" if environment.cache_container_build else "",
        warning=profile_warning(environment.profile),
        edited=edited,
    )


class Table(QAbstractTableModel):
    """Rows of texts made by one function a column; subclasses give the columns."""

    columns: Sequence[tuple[str, Callable[[Any], str]]] = ()
    to_right: frozenset[int] = frozenset()
    """Columns of numbers."""

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
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Role.DisplayRole:
            return self.columns[section][0]
        return self._alignment(section) if role == Role.TextAlignmentRole else None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        if role == Role.TextAlignmentRole:
            return self._alignment(index.column())
        if role not in (Role.DisplayRole, Role.ToolTipRole):
            return None
        text = self.columns[index.column()][1](self.rows[index.row()])
        return text if role == Role.DisplayRole else tip(text)

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignRight if column in self.to_right else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter


_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def ago(seconds: float | None) -> str:
    """How long ago, in few words; "" for never."""
    if not seconds:
        return ""
    passed = max(0.0, time.time() - seconds)
    for size, unit in _UNITS:
        if passed >= size:
            return f"{int(passed // size)} {unit} ago"
    return "just now"


def duration(task: Task) -> str:
    if task.started is None:
        return ""
    if task.finished is None:
        # A task whose process died has no end: nothing ticks for it.
        return "" if task.state.final else seconds_text(max(0.0, time.time() - task.started), whole=True)
    # The clock may have been set back in between.
    return seconds_text(max(0.0, task.finished - task.started))


def seconds_text(seconds: float, *, whole: bool = False) -> str:
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{seconds:.0f} s" if whole else f"{seconds:.1f} s"


TOOK = 5


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
    to_right = frozenset({TOOK})
    rows: list[Task]

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if role == Role.ForegroundRole and index.isValid() and index.column() == 0:
            return state_color(self.rows[index.row()].state)
        return super().data(index, role)

    def put(self, task: Task) -> None:
        """Show a task as it is now, without touching the other rows; what is known already is not undone."""
        for number, old in enumerate(self.rows):
            if old.id == task.id:
                if later(old, task) is task and old != task:
                    self.rows[number] = task
                    self._changed(number, 0, len(self.columns) - 1)
                return
        self.beginInsertRows(QModelIndex(), 0, 0)
        self.rows.insert(0, task)
        self.endInsertRows()

    def take(self, task_id: str, event: Event) -> None:
        """What an event changes of a task that is shown."""
        task = self.task(task_id)
        if task is not None:
            self.put(applied(task, event, time.time()))

    def tick(self, *, everything: bool) -> None:
        """Times have moved on: of the tasks that run, or of all."""
        for number, task in enumerate(self.rows):
            if everything or not task.state.final:
                self._changed(number, TOOK - 1, TOOK)

    def task(self, task_id: str) -> Task | None:
        return next((task for task in self.rows if task.id == task_id), None)

    def _changed(self, number: int, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(number, first), self.index(number, last))


def size_text(size: int) -> str:
    return humanize.naturalsize(size, binary=True, format="%.1f" if size >= 2**30 else "%.0f")


class ImageTable(Table):
    """Cached images, newest first."""

    columns = (
        # The kind stands in the next column, so that the telling part of the tag has the room.
        ("Image", lambda image: image.tag.partition(":")[2] or image.tag),
        ("Layer", lambda image: f"{image.kind} {image.step}".strip()),
        ("Size", lambda image: size_text(image.size)),
        ("Adds", lambda image: size_text(image.own_size)),
        ("Age", lambda image: ago(image.created).removesuffix(" ago")),
        ("Last use", lambda image: ago(image.last_used) or "never"),
        ("Used by", lambda image: ", ".join(image.environments) or "none"),
        ("In use", lambda image: "yes" if image.in_use else "no"),
        ("Hits", lambda image: str(image.hits)),
        ("Saved", lambda image: seconds_text(image.seconds_saved, whole=True) if image.seconds_saved else ""),
    )
    to_right = frozenset({2, 3, 8, 9})
    rows: list[CachedImage]

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if role == Role.ToolTipRole and index.isValid() and index.column() == 0:
            return tip(self.rows[index.row()].tag)
        return super().data(index, role)
