"""Finding and removing what killed processes left: for the start of the window, for long commands and for `clean`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.core.errors import NotFound
from agents_runner.core.task import Task
from agents_runner.engine.port import EngineFactory
from agents_runner.images import leftovers
from agents_runner.images.leftovers import Leftover, LiveWork
from agents_runner.images.sharing import BuildCoordinator
from agents_runner.runner.tasks.orphans import DETACHED
from agents_runner.runner.tasks.records import OwnersPort


class RecordedTasks(Protocol):
    """What the database knows of tasks; see `store.tasks`."""

    def get(self, task_id: str) -> Task: ...
    def unfinished(self) -> tuple[Task, ...]: ...
    def kept(self, task_id: str, name: str) -> bytes | None: ...


@dataclass(frozen=True, kw_only=True)
class RecordedWork:
    """See `images.leftovers.LiveWork`: by the tasks' records and the locks of living processes."""

    tasks: RecordedTasks
    owners: OwnersPort

    def is_at_work(self, task_id: str) -> bool:
        task = self._task(task_id)
        return task is not None and not task.state.final and self._is_had(task)

    def is_over(self, task_id: str) -> bool:
        task = self._task(task_id)
        return task is not None and task.state.final and not self.owners.is_alive(task.owner_pid)

    def has_process(self, number: int) -> bool:
        return self.owners.is_alive(number)

    def wanted_environments(self) -> frozenset[str]:
        return frozenset(
            task.environment_id
            for task in self.tasks.unfinished()
            if self._is_had(task) or self.tasks.kept(task.id, DETACHED) is not None
        )

    def _is_had(self, task: Task) -> bool:
        """True while a process works on it, or none has begun to."""
        return task.owner_pid is None or self.owners.is_alive(task.owner_pid)

    def _task(self, task_id: str) -> Task | None:
        try:
            found = self.tasks.get(task_id)
        except NotFound:
            return None
        return found if found.id == task_id else None


class LeftoversPort(Protocol):
    """What killed processes of this installation left; another installation's things are never seen."""

    def find(self) -> tuple[Leftover, ...]:
        """Everything that is left, in the order in which it goes. Raises EngineErrors and StoreError."""
        ...

    def networks(self, leaving: Collection[str]) -> tuple[Leftover, ...]:
        """The network that tasks share, where no container is on it but those leaving. Raises EngineErrors."""
        ...

    def remove(self, found: Iterable[Leftover]) -> tuple[Leftover, ...]:
        """Remove these, where nobody has come for them meanwhile; returns those that are gone."""
        ...


class NoLeftovers:
    """A `LeftoversPort` that knows of nothing."""

    def find(self) -> tuple[Leftover, ...]:
        return ()

    def networks(self, leaving: Collection[str]) -> tuple[Leftover, ...]:
        return ()

    def remove(self, found: Iterable[Leftover]) -> tuple[Leftover, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class LeftoverService:
    """See `LeftoversPort`."""

    engine: EngineFactory
    run_dir: Path
    coordinator: BuildCoordinator
    work: LiveWork
    instance: str

    def find(self) -> tuple[Leftover, ...]:
        return leftovers.find(
            self.engine(), self.run_dir, coordinator=self.coordinator, work=self.work, instance=self.instance
        )

    def networks(self, leaving: Collection[str]) -> tuple[Leftover, ...]:
        return leftovers.unused_networks(self.engine(), leaving)

    def remove(self, found: Iterable[Leftover]) -> tuple[Leftover, ...]:
        return leftovers.remove(self.engine(), self.run_dir, found, coordinator=self.coordinator)
