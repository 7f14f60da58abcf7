"""A flood of output is bounded: past a limit lines are counted instead of kept, but for the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from agents_runner.core.events import Event, LogLine, Notice, PhaseFinished, TaskResult

LAST_LINES = 1000
LAST_CHARACTERS = 1_000_000
MB = 1_000_000


def limited(events: Iterable[Event], limit_mb: int, *, already: int = 0) -> Iterator[Event]:
    """Let `limit_mb` of a task's output through; `already` bytes of it are recorded.

    What is dropped is said when it begins, and counted at the end of its phase, before the phase's last lines.
    """
    dropped = _Dropped()
    left = limit_mb * MB - already
    said = False
    for event in events:
        if isinstance(event, LogLine) and event.stream != "system":
            size = len(event.line) + 3
            if size > left:
                left = 0  # no smaller one gets past it: what is kept is one piece
                dropped.add(event)
                if not said:
                    said = True
                    yield Notice(
                        message=f"The task has printed {limit_mb} MB; from here on lines are dropped, but for each "
                        f"phase's last {LAST_LINES}.",
                        hint="The limit is max_log_mb in the settings.",
                    )
                continue
            left -= size
        elif isinstance(event, PhaseFinished | TaskResult):
            yield from dropped.told()
        yield event


class _Dropped:
    """Lines of one phase that were dropped; the last ones are kept for its end."""

    def __init__(self) -> None:
        self._last: deque[LogLine] = deque()
        self._characters = 0
        self._count = 0

    def add(self, line: LogLine) -> None:
        self._count += 1
        self._last.append(line)
        self._characters += len(line.line)
        while len(self._last) > LAST_LINES or self._characters > LAST_CHARACTERS:
            self._characters -= len(self._last.popleft().line)

    def told(self) -> Iterator[Event]:
        lost = self._count - len(self._last)
        if lost:
            yield Notice(message=f"{lost:,} lines were dropped here.")
        yield from self._last
        self._last.clear()
        self._count = self._characters = 0
