"""Tasks' stories: whatever happens to a task is recorded first, then told to everybody who listens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.events import Event, StateChanged, TaskResult, TaskState
from agents_runner.runner.services import Listener
from agents_runner.runner.tasks.exit_messages import failed
from agents_runner.runner.tasks.late_record import LateRecords, PatientRecord
from agents_runner.runner.tasks.recording import recorded
from agents_runner.runner.tasks.records import TaskRecords

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class TaskStories:
    """Safe from every thread. A disk that refuses costs no task its end: see `late_record`."""

    records: TaskRecords
    log_file: Path = Path("application.log")
    """The application's own log, for the sentence that sends somebody there."""
    _late: LateRecords = field(default_factory=LateRecords)
    """Ends of tasks that the disk has refused so far."""
    _listeners: list[Listener] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See `runner.services.RunnerPort.subscribe`."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def opened(self, task_id: str) -> PatientRecord:
        """The task's record, for whoever works on it; to be given back to `put_away`."""
        return PatientRecord(self.records.record(task_id))

    def put_away(self, task_id: str, record: PatientRecord) -> None:
        """What the disk has not taken of it is tried again until it does."""
        record.close()
        self._late.keep(task_id, record)

    def write(self, task_id: str, events: Iterable[Event], record: PatientRecord) -> None:
        """Record and tell each event as it comes; what it raises is whatever `events` raise."""
        for event in recorded(events, record):
            batch: tuple[Event, ...] = (event,)
            trouble = record.trouble()
            if trouble is not None:
                # In the order of the log; but nobody listens behind the result.
                told = tuple(recorded((trouble,), record))
                batch = (*told, event) if isinstance(event, TaskResult) else (event, *told)
            self._tell(task_id, batch)

    def write_crash(self, task_id: str, error: Exception, record: PatientRecord) -> None:
        """The result of a task that an error ended is told, whatever else goes wrong: somebody waits for it."""
        if not isinstance(error, AgentsRunnerError):
            error = AgentsRunnerError(
                "The task ended by an error of the application.", f"The details are in {self.log_file}."
            )
        try:
            self.write(task_id, failed(task_id, error), record)
        except Exception:
            log.exception("the end of task %s could not be recorded", task_id)
            self._tell(task_id, tuple(failed(task_id, error)))

    def end(self, task_id: str, events: Iterable[Event]) -> None:
        """The last events of a task that nobody works on."""
        record = self.opened(task_id)
        try:
            self.write(task_id, events, record)
        finally:
            self.put_away(task_id, record)

    def end_as_kept(self, result: TaskResult) -> None:
        """A task that ended when its result could not be recorded: first the steps that are missing as well."""
        record = self.opened(result.task)
        try:
            for state in (TaskState.PREPARING, TaskState.STARTING, TaskState.RUNNING):
                record.apply(StateChanged(state=state), time.time())
            self.write(result.task, (StateChanged(state=result.state), result), record)
        finally:
            self.put_away(result.task, record)

    def settle(self) -> None:
        """Try once more to record what the disk has refused."""
        self._late.settle()

    def close(self) -> None:
        """See `late_record.LateRecords.close`."""
        self._late.close()

    def _tell(self, task_id: str, batch: tuple[Event, ...]) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener(task_id, batch)
            except Exception:
                # One that shows the task must not end it, nor keep the others from hearing.
                log.exception("a listener failed at an event of task %s", task_id)
