"""How far each task's log has come through the live events, so that the file and they can be joined exactly."""

from __future__ import annotations

from collections.abc import Iterable

from agents_runner.core.events import AgentMessage, Event, LogLine, Notice, StateChanged, TaskResult, TaskState


def is_line(event: Event) -> bool:
    """True for an event that is also a line of the log file."""
    return isinstance(event, LogLine | Notice)


class LiveTasks:
    """Counts the lines of the tasks that are followed from their beginning."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    def begin(self, task_id: str) -> None:
        """This window started the task: all its events come here."""
        self._lines.setdefault(task_id, 0)

    def take(self, events: Iterable[tuple[str, Event]]) -> None:
        for task_id, event in events:
            if isinstance(event, StateChanged) and event.state is TaskState.PREPARING:
                self._lines.setdefault(task_id, 0)
            elif isinstance(event, TaskResult):
                self._lines.pop(task_id, None)
            elif is_line(event) and task_id in self._lines:
                self._lines[task_id] += 1

    def lines(self, task_id: str) -> int | None:
        """Lines of the log that have come so far; None where the events do not tell the whole story."""
        return self._lines.get(task_id)

    def running(self) -> tuple[str, ...]:
        """The tasks of this application that have not ended."""
        return tuple(self._lines)


class Joint:
    """Joins a log file and the live events behind it: what the file holds already is left out of the events."""

    def __init__(self, *, counted: int, in_file: int) -> None:
        """`counted` lines had come live before the first event that is handed in."""
        self._skip = in_file - counted
        self._dropping = True

    def fresh(self, events: Iterable[Event]) -> list[Event]:
        """The lines that the file did not hold, and the messages that came with them, in order."""
        found: list[Event] = []
        for event in events:
            if is_line(event):
                self._dropping = self._skip > 0
                self._skip -= self._dropping
            if not self._dropping and (is_line(event) or isinstance(event, AgentMessage)):
                found.append(event)
        return found
