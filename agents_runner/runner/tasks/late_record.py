"""A task's record on a disk that refuses: what cannot be written waits in memory, and is written once it can be."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from agents_runner.core.errors import StoreError
from agents_runner.core.events import (
    Event,
    Notice,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
    may_move,
)
from agents_runner.runner.tasks.recording import Record
from agents_runner.runner.tasks.workers import Workers

RETRY_S = 1.0
"""How long a refused write is left alone, in seconds: a database that another process holds takes ten to say so."""
KEPT_NOTICES = 1000
"""How many notices wait in memory; later ones are in the log only."""
log = logging.getLogger(__name__)


class StoredRecord(Record, Protocol):
    """A record on a disk, which may refuse."""

    def cannot_end(self, result: TaskResult) -> None:
        """Its result is refused for now: leave word of it for whoever settles the task later, if that works."""
        ...

    def flush(self) -> bool:
        """Write the lines that wait; False if some still do."""
        ...


class PatientRecord:
    """A `Record` over another one whose writes never fail: a full disk must not end a task, nor hide its result.

    Writes stay in their order. What the caller has to say to the person about it comes from `trouble`.
    Safe from every thread.
    """

    def __init__(self, record: StoredRecord) -> None:
        self._record = record
        self._waiting: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        self._state: TaskState | None = None
        """The last state that was moved to here, None before the first."""
        self._told = False
        self._problem: StoreError | None = None
        self._not_before = 0.0

    def apply(self, event: Event, at: float) -> bool:
        """See `Record`; True as well for what waits to be written."""
        write = partial(self._record.apply, event, at)
        match event:
            case StateChanged():
                return self._moved(event.state, write)
            case Notice():
                return len(self._waiting) < KEPT_NOTICES and self._write(write)
            case TaskResult():
                if not self._write(write, now=True):
                    self._record.cannot_end(event)
            case PhaseStarted() | PhaseFinished():
                self._write(write)
        return True

    def _moved(self, state: TaskState, write: Callable[[], bool]) -> bool:
        with self._lock:
            self._work_off()
            may = self._state is None or may_move(self._state, state)
            if not self._waiting:
                try:
                    may = write()
                except StoreError as error:
                    self._refused(error)
                    self._waiting.append(write)
            elif may:
                self._waiting.append(write)
            if may:
                self._state = state
            return may

    def line(self, stream: str, text: str) -> int | None:
        return self._record.line(stream, text)

    def flush(self) -> bool:
        """Try again to write what waits, the log's lines included; True when nothing waits any more."""
        with self._lock:
            self._not_before = 0.0
            written = self._work_off()
        return self._record.flush() and written

    def close(self) -> None:
        self._record.close()

    def trouble(self) -> Notice | None:
        """What stands in the way of writing, as a notice for the person: once, until it has gone."""
        with self._lock:
            if self._problem is None or self._told:
                return None
            self._told = True
            problem = self._problem
        return Notice(
            message=f"What this task does cannot be written down: {problem.message}",
            hint=f"{problem.hint} The task goes on; it is kept in memory and tried again.",
        )

    def _write(self, write: Callable[[], object], *, now: bool = False) -> bool:
        with self._lock:
            self._waiting.append(write)
            if now:
                self._not_before = 0.0
            return self._work_off()

    def _work_off(self) -> bool:
        """Under the lock: write what waits in its order, up to the first refusal; True if nothing is left."""
        if self._waiting and time.monotonic() < self._not_before:
            return False
        while self._waiting:
            try:
                self._waiting[0]()
            except StoreError as error:
                self._refused(error)
                return False
            self._waiting.popleft()
        if self._problem is not None:
            log.info("a task's record can be written again")
        self._problem, self._told = None, False
        return True

    def _refused(self, error: StoreError) -> None:
        if self._problem is None:
            log.warning("a task's record cannot be written: %s", error)
        self._problem = error
        self._not_before = time.monotonic() + RETRY_S


@dataclass(kw_only=True)
class LateRecords:
    """Records of tasks that have ended and that the disk still refuses: tried again until it takes them."""

    every_s: float = RETRY_S
    _records: dict[str, PatientRecord] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)
    _workers: Workers = field(default_factory=lambda: Workers(limit=1, name="late-record"))

    def keep(self, task_id: str, record: PatientRecord) -> None:
        """Write what the record still holds as soon as that is possible; costs nothing where it holds nothing."""
        if record.flush():
            return
        with self._lock:
            first = not self._records
            self._records[task_id] = record
        if first:
            self._workers.submit(self._try_again)

    def settle(self) -> bool:
        """Try all of them now; True if none is left."""
        with self._lock:
            records = dict(self._records)
        for task_id, record in records.items():
            if record.flush():
                with self._lock:
                    if self._records.get(task_id) is record:
                        del self._records[task_id]
        with self._lock:
            return not self._records

    def close(self) -> None:
        """One last attempt; what is refused even now is named in the log."""
        self._ending.set()
        if not self.settle():
            log.error("the end of these tasks could not be recorded: %s", ", ".join(sorted(self._records)))
        self._workers.close(0.0)

    def _try_again(self) -> None:
        while not self._ending.wait(self.every_s) and not self.settle():
            pass
