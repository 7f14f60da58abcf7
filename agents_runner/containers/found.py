"""A container that another process made and that is known by its name alone: looked at, followed, cleared away."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.containers.watch import Watch
from agents_runner.core.container import ContainerState
from agents_runner.core.events import LogLine
from agents_runner.engine.port import Engine
from agents_runner.launcher.protocol import MARKER, OutputParser


@dataclass(frozen=True, kw_only=True)
class FoundContainer:
    """Whoever made it may still be there, and may remove it at any time."""

    engine: Engine
    control: ControlFolders
    name: str

    def state(self) -> ContainerState | None:
        """What the engine says of it now; None where there is none. Raises EngineErrors."""
        return self.engine.inspect(self.name)

    def lines(self, container: str, cancel: Cancellation, deadline: float) -> Generator[LogLine, None, None]:
        """The whole output, to its end, of the container with this id; `deadline` by the monotonic clock.

        The launcher's marks are left out: their token is known to its maker alone, so nobody else can believe them.
        Raises Cancelled, Detached, LimitReached, ContainerMissing and other EngineErrors.
        """
        watch = Watch(
            engine=self.engine, container=container, parser=OutputParser(""), cancel=cancel, deadline=deadline
        )
        for item in watch.run(self.engine.follow(container)):
            if isinstance(item, LogLine) and MARKER not in item.line:
                yield item

    def remove(self, container: str) -> None:
        """Clear the container with this id away, and its folders with it. Raises EngineErrors.

        Only for whoever looks after it now: a newer container of the same name would lose its folder.
        """
        self.engine.remove(container)
        self.control.sweep(self.engine, self.name)
