"""A task's phases: which one runs, how long each took, and the last lines that came in it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeVar

from agents_runner.core.container import ContainerState
from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import Event, Phase, PhaseFinished, PhaseStarted

TAIL_LINES = 20
T = TypeVar("T")


@dataclass(kw_only=True)
class PhaseClock:
    """Begins and ends phases, one at a time; each event is made here."""

    adopted: bool = False
    """Nobody watched: what counts is when the container did it, not when it was read."""
    now: Phase | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    """The last lines of the phase that runs, oldest first."""
    _began: float = 0.0
    _clock: float | None = None
    _first_clock: float | None = None

    def timed(self, phase: Phase, body: Generator[Event, None, T]) -> Generator[Event, None, T]:
        """The body's events between the phase's beginning and its end."""
        yield self.begin(phase)
        try:
            value = yield from body
        except AgentsRunnerError:
            yield self.finish(ok=False)
            raise
        yield self.finish()
        return value

    def begin(self, phase: Phase, clock: float | None = None) -> PhaseStarted:
        """`clock`: when it began by the container's own clock, in seconds, where the container said so."""
        self.now, self._began, self._clock = phase, time.monotonic(), clock
        self._first_clock = self._first_clock if self._first_clock is not None else clock
        self.tail.clear()
        return PhaseStarted(phase=phase)

    def finish(self, *, ok: bool = True, clock: float | None = None) -> PhaseFinished:
        phase, self.now = self.now or Phase.START, None
        seconds = time.monotonic() - self._began
        if self.adopted and clock is not None and self._clock is not None:
            seconds = max(0.0, clock - self._clock)
        return PhaseFinished(phase=phase, seconds=seconds, ok=ok)

    def end_of(self, state: ContainerState) -> float | None:
        """The container's end by its own clock: it began with the first phase, as near as can be told."""
        if self._first_clock is None or not state.finished or not state.started:
            return None
        return self._first_clock + state.finished - state.started
