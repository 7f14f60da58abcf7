"""Following a container to its end: every line, with a clock and a way out of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

from agents_runner.containers.cancellation import Cancellation
from agents_runner.core.container import ContainerState
from agents_runner.core.errors import (
    ContainerMissing,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    LimitReached,
)
from agents_runner.core.events import LogLine
from agents_runner.engine.port import Engine, LogStream
from agents_runner.launcher.protocol import QUIET, Mark, OutputParser

T = TypeVar("T")
LOOK_EVERY_S = 2.0
"""Seconds of silence after which the container itself is asked: a stream may hang for ever."""
ENGINE_PATIENCE_S = 90.0
"""Seconds for which an engine may be away (restarted, say) before its container is given up."""
LOG_PATIENCE_S = 30.0
"""Seconds for which an ended container's log is asked for to no avail before it is taken as known."""
_SETTLE_S = 1.0
_RETRY_S = 0.2
_LAST_LINES = 100
"""How many of the engine's last lines are compared with what was seen, at the end."""


class _Recent:
    """The last bytes of one stream, as many as those lines usually have."""

    _KEPT = 256 * 1024

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


@dataclass(kw_only=True)
class Watch:
    """Follows one container. `deadline` by the monotonic clock, None for no limit; it may change on the way."""

    engine: Engine
    container: str
    parser: OutputParser
    cancel: Cancellation
    deadline: float | None = None
    tells_quiet: bool = False
    """Whether a `QUIET` mark is wanted each time that nothing has come for a moment."""
    _seen: dict[str, int] = field(default_factory=lambda: {"stdout": 0, "stderr": 0})
    _recent: dict[str, _Recent] = field(default_factory=lambda: {"stdout": _Recent(), "stderr": _Recent()})
    was_away: bool = False
    """An answer of the engine was lost: it may have been restarted."""
    _ended: float | None = None

    def run(self, stream: LogStream) -> Generator[LogLine | Mark, None, ContainerState]:
        """Lines and marks to the end of the output; then the container's own state, by inspect alone.

        Raises Cancelled, LimitReached (the deadline) and EngineErrors; the container is left as it is.
        """
        broken, again = None, False
        while True:
            known, began = sum(self._seen.values()), time.monotonic()
            try:
                hung = yield from self._lines(stream)
            finally:
                stream.close()
            state = self.patiently(self._settled)
            now = time.monotonic()
            fruitless = sum(self._seen.values()) == known
            # Twice silent about a container that has ended: there is no more.
            if state.ended and (stream.complete or (hung and again and fruitless) or self._is_whole()):
                break
            if fruitless and (state.ended or now - began < LOOK_EVERY_S):
                broken = broken or now
                if now - broken >= (LOG_PATIENCE_S if state.ended else ENGINE_PATIENCE_S):
                    if state.ended:
                        break
                    raise EngineUnreachable(
                        "The container's output broke off again and again.", "Look at the engine's log."
                    )
                self._check(now)
                time.sleep(_RETRY_S if again else 0.0)
            else:
                broken = None
            again = True
            # A cut connection looks like a normal end, so whatever is not known to be all is read once more.
            try:
                stream = self.patiently(lambda: self.engine.follow(self.container, self._seen))
            except (ContainerMissing, EngineRefused):
                if not state.ended:
                    raise
                break
        yield from self.parser.finish()
        return state

    def _lines(self, stream: LogStream) -> Generator[LogLine | Mark, None, bool]:
        """True if the stream was left because it stayed silent about a container that has ended."""
        quiet_since = time.monotonic()
        for chunk in stream:
            now = time.monotonic()
            self._check(now)
            if chunk.data:
                quiet_since = now
                self._seen[chunk.stream] += len(chunk.data)
                self._recent[chunk.stream].add(chunk.data)
                yield from self.parser.feed(chunk.stream, chunk.data)
                continue
            if self.tells_quiet:
                yield Mark(word=QUIET)
            if now - quiet_since >= LOOK_EVERY_S:
                quiet_since = now
                if self._over():
                    return True
        return False

    def _is_whole(self) -> bool:
        """True if the engine's last lines are those that were seen: quicker than reading all of them once more."""
        ends: dict[str, bytes] = {}
        try:
            last = self.patiently(lambda: self.engine.last_output(self.container, _LAST_LINES))
        except (ContainerMissing, EngineRefused):
            return False
        if last is None:
            return False
        for chunk in last:
            ends[chunk.stream] = ends.get(chunk.stream, b"") + chunk.data
        return all(_is_telling(data) and self._recent[stream].ends_with(data) for stream, data in ends.items())

    def _over(self) -> bool:
        """True once the container has ended and its stream stayed silent for another look."""
        state = self.patiently(lambda: self.engine.inspect(self.container))
        if state is None or state.ended:
            if self._ended is not None:
                return True
            self._ended = time.monotonic()
        return False

    def patiently(self, act: Callable[[], T]) -> T:
        """Ask an engine that may be away for a moment, for as long; still stops when somebody asks to."""
        end = time.monotonic() + ENGINE_PATIENCE_S
        lost = self.engine.lost_answers()
        try:
            while True:
                try:
                    return act()
                except (EngineUnreachable, EngineTimeout):
                    now = time.monotonic()
                    if now >= end:
                        raise
                    self._check(now)
                    time.sleep(_RETRY_S)
        finally:
            # An engine can be back so soon that only one answer was lost; whether it matters the exit code tells.
            self.was_away = self.was_away or self.engine.lost_answers() != lost

    def _check(self, now: float) -> None:
        self.cancel.check()
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


def _is_telling(data: bytes) -> bool:
    """False for lines that say the same again and again: without the last few of them they look no different."""
    last = data.rstrip(b"\n").rpartition(b"\n")[2]
    return data.count(last) == 1
