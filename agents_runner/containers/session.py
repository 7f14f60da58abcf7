"""One container of a build or a task, from its making to its end: nothing else creates and starts those.

One that was left behind is removed also by whoever finds it: `found`, `runner.tasks.orphans`, `images.leftovers`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolder, ControlFolders, read_state
from agents_runner.containers.job import ContainerJob
from agents_runner.containers.watch import Watch
from agents_runner.core.container import ContainerState
from agents_runner.core.errors import (
    AgentsRunnerError,
    ContainerMissing,
    Detached,
    EngineError,
    LimitReached,
)
from agents_runner.core.events import LogLine, Phase
from agents_runner.core.secrets import secret_input
from agents_runner.engine.port import MAX_FILE, Engine, LogStream
from agents_runner.launcher.files import secrets_of, token_line
from agents_runner.launcher.protocol import NEEDS_ROOT, QUIET, Mark, OutputParser, clocked

WAITED = "waited"
"""Word of the mark that `Session` adds where a container waited for an application to come back."""
CATCH_UP_S = 60.0
"""Seconds that reading what a container has said so far may take before its limits hold: how long it waited for an
application, which counts for no limit, stands in that output."""
CHATTER_S = 5.0
"""Seconds after which a question is looked at though lines still come: what a script left running may never pause."""
TOKEN_AGAIN_S = 5.0
"""Seconds after which a container that has said nothing at all is sent its token once more: an engine that was
restarted in between has lost what was sent before the start."""
_LAST_LINES = 200
"""How many of a container's last lines are looked at for the launcher's last word."""


class Deadline(Protocol):
    """When a container has to be ended; asked again and again while it runs."""

    def deadline(self) -> float | None:
        """When the time is over, in seconds of the monotonic clock; None where there is no limit."""
        ...

    def excludes(self, seconds: float) -> None:
        """Told how long the container waited for the application, which counts for no limit."""
        ...


@dataclass(kw_only=True)
class Session:
    """A context manager: inside it the container is there, after it container and folder are gone.

    They stay where the work is left to go on (Detached), and where `keep` was called. With `container` given it is
    one that another process began. Entering raises NameInUse, StoreError, EngineErrors and, for a task that was
    stopped meanwhile, Cancelled, with nothing left behind.
    """

    engine: Engine
    control: ControlFolders
    job: ContainerJob
    cancel: Cancellation
    container: str = ""
    was_away: bool = False
    """Once it has run: the engine could not be reached for a moment, so it may have been restarted."""
    _folder: ControlFolder | None = None
    _stream: LogStream | None = None
    _kept: bool = False
    _live: bool = True
    """What the container says, it says now: an output that is read once more has answers in it already."""
    _asked: Mark | None = None
    """The launcher's question for a stage's secrets, up to the mark after it."""
    _unanswered: bool = False
    _looked_at: float = 0.0
    """When the question was read, or last compared with the end of the output."""
    _agent_began: bool = field(default=False)
    _resumed_at: float = 0.0
    _heard: bool = False
    """It has said anything at all, and so has its token."""
    _token_sent: float = 0.0

    def __enter__(self) -> Self:
        if not self.container:
            self._create()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._kept or isinstance(error, Detached):
            return
        with contextlib.suppress(EngineError):
            self.engine.remove(self.container)
        with contextlib.suppress(EngineError):
            self._remove_folder()

    def keep(self) -> None:
        """Leave the container and its folder behind: somebody else looks after it from now on."""
        self._kept = True

    def start(self) -> None:
        """Start it; the token is sent before, so that it never waits for one whose sender died in between.

        Raises Cancelled for a task that was stopped meanwhile: what has hardly begun needs no time for its own end.
        """
        self._check_stopped()
        stream = self.engine.attach(self.container, stdin=True)
        self._stream = stream
        stream.send(token_line(self.job.token))
        self._token_sent = time.monotonic()
        self.engine.start(self.container)
        self._check_stopped()

    def run(self, limit: Deadline) -> Generator[LogLine | Mark, None, ContainerState]:
        """Lines and marks of a started container to its end, then its state. Each stage's secrets are answered.

        What is said with the token after the agent has begun is believed no more than the agent's own words. Raises
        Cancelled, Detached, LimitReached and EngineErrors; the container is left as it is.
        """
        stream, self._stream = self._stream, None
        if stream is None:
            raise ContainerMissing("The container was not started.")
        return (yield from self._follow(stream, limit))

    def resume(self, limit: Deadline) -> Generator[LogLine | Mark, None, ContainerState]:
        """The same of a container that another process began: its whole output, and what is unanswered in it."""
        self._live, self._resumed_at = False, time.monotonic()
        self._token_sent = self._resumed_at
        state = yield from self._follow(self.engine.follow(self.container), limit)
        end = limit.deadline()
        if not self._live and end is not None and end < self._resumed_at:
            raise LimitReached("The time limit was over before anybody looked.")
        return state

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes | None:
        """A file that the ended container holds; see `Engine.get_file`."""
        return self.engine.get_file(self.container, path, limit=limit)

    def read_state(self, name: str) -> bytes | None:
        """What the launcher of an ended build wrote down; see `Engine.get_file`."""
        return read_state(self.engine, self.container, name)

    # -- making and removing -------------------------------------------------------------------------

    def _check_stopped(self) -> None:
        """Of ten tasks that are stopped while they start, each would otherwise first start and then be ended.

        Not of a build: others may wait for one that is there, and would wait for ever for one that never starts.
        """
        if self.job.kind != "task":
            return
        # One that is left is started all the same, and then left: it is found running.
        with contextlib.suppress(Detached):
            self.cancel.check()

    def _create(self) -> None:
        self._check_stopped()
        job = self.job
        folder = self.control.named(job.spec.name, uid=job.uid, gid=job.gid, kind=job.kind)
        spec = folder.prepare(self.engine, job.spec, job.files)
        with contextlib.ExitStack() as undo:
            undo.callback(_quietly, partial(folder.remove, self.engine))
            if job.kind == "task":
                # A build's name is a lock: what has it may be somebody else's.
                undo.callback(_quietly, partial(self.engine.remove, spec.name))
            self.container = self.engine.create(spec)
            undo.pop_all()
        self._folder = folder

    def _remove_folder(self) -> None:
        if self._folder is not None:
            self._folder.remove(self.engine)
        else:
            self.control.sweep(self.engine, self.job.spec.name)

    # -- following -----------------------------------------------------------------------------------

    def _follow(self, stream: LogStream, limit: Deadline) -> Generator[LogLine | Mark, None, ContainerState]:
        watch = Watch(
            engine=self.engine, container=self.container, parser=OutputParser(self.job.token), cancel=self.cancel
        )
        items = watch.run(stream)
        while True:
            watch.deadline = self._deadline(limit)
            watch.tells_quiet = self._unanswered or not (self._live and self._heard)
            try:
                item = next(items)
            except StopIteration as end:
                self.was_away = watch.was_away
                state: ContainerState = end.value
                return state
            self._heard = self._heard or isinstance(item, LogLine) or item.word != QUIET
            if isinstance(item, LogLine):
                yield item
                if self._unanswered and time.monotonic() - self._looked_at >= CHATTER_S:
                    yield from self._answered_late(watch)
            elif item.word == QUIET:
                yield from self._caught_up(watch)
            else:
                yield from self._marked(item, watch, limit)

    def _deadline(self, limit: Deadline) -> float | None:
        # While it waits for secrets no clock runs: the application may have been away for hours.
        end = limit.deadline() if self._asked is None else None
        return end if end is None or self._live else max(end, self._resumed_at + CATCH_UP_S)

    def _marked(self, mark: Mark, watch: Watch, limit: Deadline) -> Generator[Mark, None, None]:
        if self._agent_began or not mark.trusted:
            if mark.word == NEEDS_ROOT and not mark.trusted:
                yield mark
            return
        if mark.word == "secrets":
            self._asked, self._unanswered, self._looked_at = mark, True, time.monotonic()
            if self._live:
                self._answer(mark, watch)
            return
        if self._asked is not None:
            limit.excludes(_between(self._asked, mark))
            self._asked, self._unanswered = None, False
        self._agent_began = mark.word == "begin" and mark.rest.partition(" ")[0] == Phase.AGENT
        yield mark

    def _caught_up(self, watch: Watch) -> Generator[Mark, None, None]:
        """Nothing more has come for a moment."""
        if not self._heard and time.monotonic() - self._token_sent >= TOKEN_AGAIN_S:
            self._token_sent = time.monotonic()
            watch.patiently(lambda: self.engine.send(self.container, token_line(self.job.token)))
        yield from self._answered_late(watch)
        self._live = True

    def _answered_late(self, watch: Watch) -> Generator[Mark, None, None]:
        """A question that stands last in the output is still unanswered."""
        asked, self._looked_at = self._asked, time.monotonic()
        if asked is None or not self._unanswered or not self._is_last_word(watch):
            return
        self._answer(asked, watch)
        if not self._live:
            yield Mark(word=WAITED, rest=asked.rest.partition(" ")[0])
        self._live = True

    def _is_last_word(self, watch: Watch) -> bool:
        chunks = watch.patiently(lambda: self.engine.last_output(self.container, _LAST_LINES))
        parser = OutputParser(self.job.token)
        found = [item for chunk in chunks or () for item in parser.feed(chunk.stream, chunk.data)]
        marks = [item for item in (*found, *parser.finish()) if isinstance(item, Mark) and item.trusted]
        return not marks or marks[-1] == self._asked

    def _answer(self, asked: Mark, watch: Watch) -> None:
        names = secrets_of(self.job.grants, asked.rest.partition(" ")[0])
        missing = [name for name in names if name not in self.job.secrets]
        if missing:
            raise AgentsRunnerError(
                f"The container waits for a secret that cannot be read: {', '.join(missing)}.",
                "Unlock the keyring, or give the secret its value again.",
            )
        self._unanswered = False
        data = secret_input(names, self.job.secrets)
        watch.patiently(lambda: self.engine.send(self.container, data))


def _between(asked: Mark, after: Mark) -> float:
    """Seconds between two marks by the container's own clock; 0 where one has none."""
    (_, first), (_, second) = clocked(asked), clocked(after)
    return max(0.0, second - first) if first is not None and second is not None else 0.0


def _quietly(remove: Callable[[], object]) -> None:
    """Remove what is of no use any more; an engine that refuses now is asked again by the clean-up."""
    with contextlib.suppress(EngineError):
        remove()
