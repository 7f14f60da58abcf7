"""Following a container to its end: every line, with a clock and a way out of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from agents_runner.core.container import ContainerState
from agents_runner.core.errors import Cancelled, ContainerMissing, EngineUnreachable, LimitReached
from agents_runner.core.events import LogLine
from agents_runner.engine.port import Engine, LogStream
from agents_runner.launcher.marks import Mark, OutputParser

T = TypeVar("T")
LOOK_EVERY_S = 2.0
"""Seconds of silence after which the container itself is asked: a stream may hang for ever."""
ENGINE_PATIENCE_S = 90.0
"""Seconds for which an engine may be away (restarted, say) before its container is given up."""
_SETTLE_S = 1.0
_RETRY_S = 0.2
_RECONNECTS = 5
"""How often in a row a stream may break off at once, without a byte, before it is given up."""
_LONG_S = 5.0
_LAST_LINES = 10
"""How many of the engine's last lines are compared with what was seen, at the end."""


class _Recent:
    """The last bytes of one stream, at least as many as ten of the engine's lines can have."""

    _KEPT = (_LAST_LINES + 1) * 16384

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        while self._size - len(self._chunks[0]) >= self._KEPT:
            self._size -= len(self._chunks.popleft())

    def ends_with(self, data: bytes) -> bool:
        return b"".join(self._chunks).endswith(data)


class StopFlag(Protocol):
    """Tells whether somebody asked to stop; cheap enough to ask ten times a second."""

    def is_set(self) -> bool: ...


@dataclass(kw_only=True)
class Watch:
    """Follows one container. `deadline` by the monotonic clock, None for no limit; it may change on the way."""

    engine: Engine
    container: str
    parser: OutputParser
    cancel: StopFlag
    deadline: float | None = None
    _seen: dict[str, int] = field(default_factory=lambda: {"stdout": 0, "stderr": 0})
    _recent: dict[str, _Recent] = field(default_factory=lambda: {"stdout": _Recent(), "stderr": _Recent()})
    was_away: bool = False
    """The engine did not answer for a while."""
    _ended: float | None = None

    def run(self, stream: LogStream) -> Generator[LogLine | Mark, None, ContainerState]:
        """Lines and marks to the end of the output; then the container's own state, by inspect alone.

        Raises Cancelled, LimitReached (the deadline) and EngineErrors; the container is left as it is.
        """
        idle = 0
        while True:
            began, known = time.monotonic(), dict(self._seen)
            try:
                yield from self._lines(stream)
            finally:
                stream.close()
            state = self._patiently(self._settled)
            if state.ended and (idle > _RECONNECTS or self._patiently(self._is_whole)):
                yield from self.parser.finish()
                return state
            # A cut connection looks like a normal end.
            idle = 0 if self._seen != known or time.monotonic() - began > _LONG_S else idle + 1
            if idle > _RECONNECTS and not state.ended:
                raise EngineUnreachable(
                    "The container's output broke off again and again.", "Look at the engine's log."
                )
            stream = self._patiently(lambda: self.engine.follow(self.container, self._seen))

    def _is_whole(self) -> bool:
        """True if the last output that the engine has of the container has been seen."""
        ends: dict[str, bytes] = {}
        for chunk in self.engine.last_output(self.container, _LAST_LINES):
            ends[chunk.stream] = ends.get(chunk.stream, b"") + chunk.data
        return all(self._recent[stream].ends_with(data) for stream, data in ends.items())

    def _lines(self, stream: LogStream) -> Generator[LogLine | Mark, None, None]:
        quiet_since = time.monotonic()
        for chunk in stream:
            now = time.monotonic()
            self._check(now)
            if chunk.data:
                quiet_since = now
                self._seen[chunk.stream] += len(chunk.data)
                self._recent[chunk.stream].add(chunk.data)
                yield from self.parser.feed(chunk.stream, chunk.data)
            elif now - quiet_since >= LOOK_EVERY_S:
                quiet_since = now
                if self._over():
                    return

    def _over(self) -> bool:
        """True once the container has ended and its stream stayed silent for another look."""
        state = self._patiently(lambda: self.engine.inspect(self.container))
        if state is None or state.ended:
            if self._ended is not None:
                return True
            self._ended = time.monotonic()
        return False

    def _patiently(self, act: Callable[[], T]) -> T:
        """Ask an engine that may be away for a moment; still stops when somebody asks to."""
        end = time.monotonic() + ENGINE_PATIENCE_S
        while True:
            try:
                return act()
            except EngineUnreachable:
                now = time.monotonic()
                if now >= end:
                    raise
                self.was_away = True
                self._check(now)
                time.sleep(_RETRY_S)

    def _check(self, now: float) -> None:
        if self.cancel.is_set():
            raise Cancelled("Stopped.")
        if self.deadline is not None and now >= self.deadline:
            raise LimitReached("The time limit is over.")

    def _settled(self) -> ContainerState:
        """The state after the stream's end; the engine needs a moment between the two."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            state = self.engine.inspect(self.container)
            late = time.monotonic() >= deadline
            leaving = state is not None and state.status == "removing"
            if state is None or (leaving and late):
                raise ContainerMissing("The container is gone.", "It was removed from outside.")
            if (state.ended and not leaving) or late:
                return state
            time.sleep(0.005)
