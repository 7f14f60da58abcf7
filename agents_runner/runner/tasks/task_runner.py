"""Tasks on threads: each is started, stopped, let go of or adopted, and its story goes on whatever happens."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from agents_runner.core.container import task_container
from agents_runner.core.errors import STOP_GRACE_S, AgentsRunnerError, Detached, StoreError
from agents_runner.core.events import Event, StateChanged, TaskState
from agents_runner.core.task import Task
from agents_runner.engine.port import EngineFactory
from agents_runner.runner.services import ActiveTasks, Listener, TaskRequest
from agents_runner.runner.tasks.cancellation import TaskCancellation
from agents_runner.runner.tasks.intake import TaskIntake
from agents_runner.runner.tasks.orphans import DETACHED, ApartPort, Orphans
from agents_runner.runner.tasks.pipeline import TaskPipeline
from agents_runner.runner.tasks.records import OwnersPort, TaskRecords
from agents_runner.runner.tasks.stories import TaskStories
from agents_runner.runner.tasks.workers import Workers

QUIT_GRACE_S = 2.0
"""Seconds that a container has for its own end when the application ends and stops its tasks."""
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class TaskRunner:
    """See `runner.services.RunnerPort`."""

    engine: EngineFactory
    intake: TaskIntake
    pipeline: TaskPipeline
    stories: TaskStories
    orphans: Orphans
    records: TaskRecords
    owners: OwnersPort
    max_running: int = 8
    _workers: Workers = field(init=False)
    _tasks: dict[str, TaskCancellation] = field(default_factory=dict)
    """Those that are worked on here or wait for their turn."""
    _running: set[str] = field(default_factory=set)
    """Those of them that have a container."""
    _closed: bool = False
    _quits: bool = False
    """The application ends and stops its tasks: their containers have less time."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._workers = Workers(limit=self.max_running, name="task")
        self.stories.subscribe(self._happened)

    # -- the port ----------------------------------------------------------------------------------

    def submit(self, request: TaskRequest) -> Task:
        task = self.intake.prepare(request)
        self.start(task.id)
        return task

    def start(self, task_id: str, *, running: bool = False) -> None:
        """Work on it on a thread; `running` for one that has a container already."""
        cancel = TaskCancellation(self.records, task_id)
        with self._lock:
            if self._closed:
                return  # its record says that nobody works on it
            self._tasks[task_id] = cancel
            if running:
                self._running.add(task_id)
        self._workers.submit(partial(self._work, task_id, cancel))

    def adopt_orphans(self, apart: ApartPort | None = None) -> tuple[str, ...]:
        """Adopt the tasks of processes that died, or that let go of them; see `orphans.Orphans.adopt`."""
        return self.orphans.adopt(self, apart)

    def stop(self, task_id: str) -> None:
        with self._lock:
            cancel = self._tasks.get(task_id)
        if cancel is not None:
            cancel.cancel(self._grace_s())
            return
        task = self.records.get(task_id)
        try:
            self.records.request_stop(task_id)
        except StoreError:
            # The wish cannot be written down; what runs can be stopped all the same, and its process sees that.
            if task.state.final or self.engine().inspect(task_container(task.id)) is None:
                raise
            self.engine().stop(task_container(task.id), self._grace_s())
            return
        if not task.state.final and not self.owners.is_alive(task.owner_pid):
            self.orphans.end(task, self._grace_s())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self.stories.subscribe(listener)

    def active_tasks(self) -> ActiveTasks:
        with self._lock:
            running = frozenset(self._running)
            return ActiveTasks(running=running, waiting=frozenset(self._tasks) - running)

    def detach_all(self, timeout: float = 5.0) -> None:
        with self._lock:
            self._closed = True
            tasks = dict(self._tasks)
        for task_id, cancel in tasks.items():
            # First of all: a thread that begins with it now sees this after it has taken the mark away.
            cancel.detach()
            # A record that cannot be written costs a task that has no container yet, not the application's end.
            with contextlib.suppress(StoreError):
                self.records.own(task_id, self.owners.hold())
                self.records.keep(task_id, DETACHED, b"")
        self._workers.close(timeout)
        self.stories.close()

    def close(self, timeout: float = 5.0) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = self._quits = True
            tasks = tuple(self._tasks.values())
        for cancel in tasks:
            cancel.cancel(self._grace_s())
        if not self._workers.close(timeout):
            with self._lock:
                late = tuple(self._tasks)
            for task_id in late:
                # Whoever adopts it stops it.
                with contextlib.suppress(StoreError):
                    self.records.own(task_id, self.owners.hold())
                    self.records.request_stop(task_id)
        self.stories.close()

    # -- for what adopts orphans; see `orphans.WorkPort` ---------------------------------

    @property
    def closed(self) -> bool:
        return self._closed

    def has(self, task_id: str) -> bool:
        with self._lock:
            return task_id in self._tasks

    def settle(self, task_id: str) -> None:
        self._work(task_id, TaskCancellation(self.records, task_id))

    # -- a task on its thread ------------------------------------------------------------------------

    def _work(self, task_id: str, cancel: TaskCancellation) -> None:
        record = self.stories.opened(task_id)
        try:
            if cancel.detached:
                return
            self.records.own(task_id, self.owners.hold())
            self.records.forget(task_id, DETACHED)
            if cancel.detached:
                self.records.keep(task_id, DETACHED, b"")
                return
            if self._quits:
                self.orphans.end(self.records.get(task_id), self._grace_s())
                return
            self.stories.write(task_id, self.pipeline.events(task_id, cancel), record)
        except Detached:
            log.info("task %s goes on without the application", task_id)
        except Exception as error:
            if cancel.detached:
                # The application has ended around it: the next start adopts the task.
                log.warning("task %s was not left in time", task_id)
                return
            # Top of a thread: whatever was not foreseen ends the task with a sentence, never silently.
            if not isinstance(error, AgentsRunnerError):
                log.exception("task %s ended by an unexpected error", task_id)
            self.stories.write_crash(task_id, error, record)
        finally:
            try:
                self.stories.put_away(task_id, record)
            finally:
                with self._lock:
                    self._tasks.pop(task_id, None)
                    self._running.discard(task_id)

    def _happened(self, task_id: str, batch: tuple[Event, ...]) -> None:
        if StateChanged(state=TaskState.STARTING) in batch:
            with self._lock:
                self._running.add(task_id)

    def _grace_s(self) -> float:
        return QUIT_GRACE_S if self._quits else STOP_GRACE_S
