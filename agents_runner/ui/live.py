"""How far each task's log has come through the live events, so that the file and they can be joined exactly."""

from __future__ import annotations

from collections.abc import Iterable

from agents_runner.core.events import AgentMessage, Event, LogLine, Notice, StateChanged, TaskResult, TaskState


class LiveTasks:
    """Knows the tasks that are followed from their beginning, and where the last line of each ends in its log."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def begin(self, task_id: str) -> None:
        """This window started the task: all its events come here."""
        self._positions.setdefault(task_id, 0)

    def take(self, events: Iterable[tuple[str, Event]]) -> None:
        for task_id, event in events:
            if isinstance(event, StateChanged) and event.state is TaskState.PREPARING:
                self.begin(task_id)
            elif isinstance(event, TaskResult):
                self._positions.pop(task_id, None)
            elif isinstance(event, LogLine | Notice) and event.position is not None and task_id in self._positions:
                self._positions[task_id] = event.position

    def position(self, task_id: str) -> int | None:
        """Up to where the log has come, in bytes; None where the events do not tell the whole story."""
        return self._positions.get(task_id)

    def running(self) -> tuple[str, ...]:
        """The tasks of this application that have not ended."""
        return tuple(self._positions)


class Joint:
    """Joins a log file and the live events behind it: what the file holds already is left out of the events."""

    def __init__(self, *, shown: int) -> None:
        """The file is shown up to the byte `shown`."""
        self._shown = shown
        self._last = 0
        self._dropping = True

    def fresh(self, events: Iterable[Event]) -> list[Event]:
        """The lines that the file did not hold, and the messages that came with them, in order."""
        found: list[Event] = []
        for event in events:
            if isinstance(event, LogLine | Notice):
                self._dropping = self._is_shown(event.position)
            elif not isinstance(event, AgentMessage):
                continue
            if not self._dropping:
                found.append(event)
        return found

    def _is_shown(self, position: int | None) -> bool:
        """False for a line that the file has no room for: it is nowhere else."""
        if position is None:
            return False
        if position <= self._last:
            # Somebody removed the log, and it begins anew.
            self._shown = 0
        self._last = position
        return position <= self._shown
