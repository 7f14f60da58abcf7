"""A container without our launcher: for what is neither a task nor a build."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.watch import Watch
from agents_runner.core.container import ContainerSpec, ContainerState
from agents_runner.core.events import LogLine
from agents_runner.engine.port import Engine
from agents_runner.launcher.protocol import OutputParser


@dataclass(kw_only=True)
class PlainContainer:
    """A context manager: inside it the container is there, after it the container is gone, unless `keep` was called.

    It gets no file, no token and no secret of ours, and no mount but those that `spec` names. Entering raises
    NameInUse, ImageMissing and other EngineErrors, with nothing left behind.
    """

    engine: Engine
    spec: ContainerSpec
    container: str = ""
    _kept: bool = False

    def __enter__(self) -> Self:
        self.container = self.engine.create(self.spec)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._kept:
            self.engine.remove(self.container)

    def keep(self) -> None:
        """Leave the container behind: it goes on to its own end, and the clean-up removes it after that."""
        self._kept = True

    def run(self, cancel: Cancellation, deadline: float | None) -> Generator[LogLine, None, ContainerState]:
        """Start it; its lines to its end, then its state. `deadline` by the monotonic clock, None for no limit.

        Raises Cancelled, Detached, LimitReached and EngineErrors; what becomes of it does not depend on that.
        """
        stream = self.engine.attach(self.container)
        self.engine.start(self.container)
        watch = Watch(
            engine=self.engine,
            container=self.container,
            parser=OutputParser(""),
            cancel=cancel,
            deadline=deadline,
        )
        items = watch.run(stream)
        while True:
            try:
                item = next(items)
            except StopIteration as end:
                state: ContainerState = end.value
                return state
            if isinstance(item, LogLine):
                yield item
