"""The analyzer for the window: asks processes of its own, so that neither their work nor the GIL holds up typing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QProcess, QTimer, Slot

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.preflight.messages import (
    CheckRequest,
    Finding,
    Review,
    SplitRequest,
    Ties,
    read_findings,
    read_review,
    read_ties,
    to_line,
)
from agents_runner.ui import helper_process

LIMIT_MS = 90_000
"""A request that takes longer is given up, with its process."""
OnError = Callable[[AgentsRunnerError], None]
_WORKER = "agents_runner.preflight.worker"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    key: str
    fields: dict[str, Any]
    on_done: Callable[[Mapping[str, Any]], None]
    on_error: OnError


class WorkerProcess(QObject):
    """One process, started with the first request; of requests with the same key only the newest is answered."""

    def __init__(self, parent: QObject | None = None, command: tuple[str, ...] = ()) -> None:
        super().__init__(parent)
        self._command = command or helper_process.command_of(_WORKER)
        self._process: QProcess | None = None
        self._waiting: dict[str, _Asked] = {}
        self._current: _Asked | None = None
        self._stale = False
        self._number = 0
        self._buffer = bytearray()
        self._closed = False
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.setInterval(LIMIT_MS)
        self._limit.timeout.connect(self._give_up)

    @property
    def pending(self) -> int:
        """Requests whose answers somebody waits for."""
        return len(self._waiting) + (self._current is not None and not self._stale)

    def ask(
        self,
        key: str,
        fields: dict[str, Any],
        on_done: Callable[[Mapping[str, Any]], None],
        on_error: OnError,
    ) -> None:
        """Ask; an older request of this key is dropped, wherever it is."""
        if self._closed:
            return
        self.drop(key)
        self._waiting[key] = _Asked(key=key, fields=fields, on_done=on_done, on_error=on_error)
        self._next()

    def drop(self, key: str) -> None:
        """Nobody waits for the answer any more."""
        self._waiting.pop(key, None)
        if self._current is not None and self._current.key == key:
            self._stale = True

    def close(self) -> None:
        """End the process; no callback comes after this."""
        self._closed = True
        self._waiting.clear()
        self._end()

    def process_id(self) -> int:
        """0 while there is none."""
        return self._process.processId() if self._process is not None else 0

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        self._current = self._waiting.pop(next(iter(self._waiting)))
        self._stale = False
        self._number += 1
        self._limit.start()
        self._running().write(to_line({"id": self._number, **self._current.fields}))

    def _running(self) -> QProcess:
        if self._process is None:
            process = self._process = QProcess(self)
            process.setProcessEnvironment(helper_process.environment())
            process.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
            process.readyReadStandardOutput.connect(self._read)
            process.errorOccurred.connect(self._broke)
            process.finished.connect(self._broke)
            self._buffer.clear()
            process.start(self._command[0], list(self._command[1:]))
        return self._process

    @Slot()
    def _read(self) -> None:
        if self._process is None:
            return
        self._buffer += self._process.readAllStandardOutput().data()
        if not self._buffer.endswith(b"\n"):
            return
        answer = json.loads(self._buffer)
        self._buffer.clear()
        asked, stale = self._current, self._stale
        if asked is None or answer["id"] != self._number:
            return
        self._current = None
        self._limit.stop()
        self._next()
        if stale:
            return
        if "ok" in answer:
            asked.on_done(answer["ok"])
        else:
            asked.on_error(AgentsRunnerError(answer["error"]["message"], answer["error"]["hint"]))

    @Slot()
    def _give_up(self) -> None:
        self._fail("The analyzer takes too long for this script.", "Cut the script into smaller ones.")

    @Slot()
    def _broke(self) -> None:
        self._fail("The analyzer ended unexpectedly.", "Change the script or try again; what you typed is kept.")

    def _fail(self, message: str, hint: str) -> None:
        if self._closed or self._process is None:
            return
        asked, stale = self._current, self._stale
        self._end()
        # The one that broke it is not asked again; the next one starts a fresh process.
        self._current = None
        if asked is not None and not stale:
            asked.on_error(AgentsRunnerError(message, hint))
        self._next()

    def _end(self) -> None:
        self._limit.stop()
        process, self._process = self._process, None
        helper_process.end(process)


class Analyzer(QObject):
    """Checks while a person types, splits, and checks thoroughly; each call answers once, on the window's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._quick = WorkerProcess(self)
        # Another program may take its time with a long script; typing does not wait for it.
        self._thorough = WorkerProcess(self)

    @property
    def pending(self) -> int:
        return self._quick.pending + self._thorough.pending

    def check(
        self,
        key: str,
        request: CheckRequest,
        on_done: Callable[[tuple[Finding, ...], tuple[str, ...]], None],
        on_error: OnError,
    ) -> None:
        worker = self._thorough if request.programs else self._quick
        worker.ask(key, request.fields(), lambda answer: on_done(*read_findings(answer)), on_error)

    def split(self, key: str, request: SplitRequest, on_done: Callable[[Review], None], on_error: OnError) -> None:
        self._quick.ask(key, request.fields(), lambda answer: on_done(read_review(answer, request)), on_error)

    def ties(self, key: str, request: SplitRequest, on_done: Callable[[Ties], None], on_error: OnError) -> None:
        """Ask about statement `request.about`."""
        self._quick.ask(key, request.fields(), lambda answer: on_done(read_ties(answer)), on_error)

    def drop(self, key: str) -> None:
        self._quick.drop(key)
        self._thorough.drop(key)

    def close(self) -> None:
        self._quick.close()
        self._thorough.close()
