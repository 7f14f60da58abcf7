"""The application's own log: what its parts say about themselves, for whoever looks into a fault.

Each line is written by itself into a file that is opened for it, and a file that is full is put aside under a lock:
the standard library's rotating handler keeps its file open, and two processes would write into, and rotate, each
other's old ones. Nothing is opened before there is something to say.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from filelock import FileLock

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.redaction import KnownSecrets

MAX_BYTES = 1_000_000
"""How long the file may become before it is put aside."""
KEPT = 3
"""How many older files stay beside it: `NAME.1` is the newest."""
LONGEST = 16 * 1024
"""Characters of one entry that are kept, its traceback included."""
BACKGROUND = "AGENTS_RUNNER_BACKGROUND_LOG"
"""Environment variable that names the log of a process in the background, for that process alone."""
_LOCK_S = 1.0
Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
log = logging.getLogger(__name__)
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)
_SAYS_NO_VALUE = (AgentsRunnerError, OSError, sqlite3.Error, UnicodeError)
"""Errors whose own words hold names of files and kinds of faults, never what a person typed."""


class ApplicationLog(logging.Handler):
    """Writes entries to `path`, without any secret that `secrets` knows and without the values of foreign errors.

    Safe from every thread and with other processes. A file that cannot be written never hurts: the entry is lost.
    """

    def __init__(self, path: Path, secrets: KnownSecrets | None = None) -> None:
        super().__init__(logging.INFO)
        self.path = path
        self.secrets = secrets or KnownSecrets()

    @contextlib.contextmanager
    def attached(self) -> Iterator[ApplicationLog]:
        """Take, for as long as this lasts, all that the application logs, and the warnings of what it is made of."""
        root, ours = logging.getLogger(), logging.getLogger("agents_runner")
        level = ours.level
        ours.setLevel(logging.INFO)
        root.addHandler(self)
        hooks = sys.excepthook, threading.excepthook
        sys.excepthook, threading.excepthook = self._at_top(hooks[0]), self._of_thread
        try:
            yield self
        finally:
            sys.excepthook, threading.excepthook = hooks
            root.removeHandler(self)
            ours.setLevel(level)

    def _at_top(self, usual: Hook) -> Hook:
        """For what reaches the interpreter, a window's slot among it: into the log, then as usual."""

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            log.error("an error that nobody caught", exc_info=(kind, error, trace))
            usual(kind, error, trace)

        return hook

    def _of_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.error("a thread ended by an error", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    def emit(self, record: logging.LogRecord) -> None:
        # Whatever goes wrong here goes wrong in the middle of something else.
        with contextlib.suppress(Exception):
            append(self.path, self.format(record).encode("utf-8", "backslashreplace") + b"\n")

    def format(self, record: logging.LogRecord) -> str:
        """One entry: the time (UTC), process, thread, weight and part, then what is said, and the traceback."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        head = f"{when}.{int(record.msecs):03d}Z {record.process} {record.threadName} {record.levelname}"
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}\n{traceback_text(record.exc_info[1])}"
        # One entry stays one: what it quotes cannot look like another.
        text = self.secrets.text(text)[:LONGEST].replace("\n", "\n    ")
        return f"{head} {record.name}: {text}"


class LimitedText(io.TextIOBase):
    """A text stream into a log of which only so much is kept, by whole lines; what cannot be written is lost."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._waiting = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Append what is a line by now; a full log is put aside before."""
        lines, end, self._waiting = (self._waiting + text).rpartition("\n")
        self._append(lines + end)
        if len(self._waiting) > LONGEST:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Append the beginning of a line as well."""
        text, self._waiting = self._waiting, ""
        self._append(text)

    def _append(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError):
                append(self.path, text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def said_to(path: Path | None) -> Iterator[None]:
    """For as long as this lasts, what this process prints goes to this log; with None it goes where it always does.

    A process in the background prints as much as its builds do, and has its streams in a file that nobody else can
    put aside while it runs.
    """
    if path is None:
        yield
        return
    stream = LimitedText(path)
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield


def append(path: Path, data: bytes) -> None:
    """Write it in one piece at a log's end; a log that is full is put aside before. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        full = os.fstat(handle).st_size + len(data) > MAX_BYTES
        if not full:
            os.write(handle, data)
    finally:
        os.close(handle)
    if full:
        put_aside(path)
        with path.open("ab") as file:
            file.write(data)


def put_aside(path: Path, limit: int = MAX_BYTES // 2) -> None:
    """Rename a log that is longer than `limit` bytes, and the older ones with it; the oldest goes. Raises OSError."""
    with FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_S, mode=0o600):
        # Another process may have done it while this one waited.
        if not path.exists() or path.stat().st_size <= limit:
            return
        for number in range(KEPT, 0, -1):
            older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number}"))


def traceback_text(error: BaseException) -> str:
    """Where an error came from, and its causes: our lines of code, and words that hold no value."""
    seen: set[int] = set()
    parts: list[str] = []
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        frames = traceback.StackSummary.extract(traceback.walk_tb(now.__traceback__), capture_locals=False)
        parts.append("".join(frames.format()) + f"{type(now).__module__}.{type(now).__qualname__}{_words_of(now)}")
        now = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
    return "\nwhich came from\n".join(parts)


def _words_of(error: BaseException) -> str:
    if isinstance(error, _SAYS_NO_VALUE):
        return f": {error}"
    if hasattr(error, "errors") and hasattr(error, "error_count"):  # pydantic's, whose words repeat the input
        return f": {', '.join(str(one['loc']) + ' ' + str(one['type']) for one in error.errors(include_input=False))}"
    # A foreign error quotes what it was given.
    said = _QUOTED.sub("'...'", str(error)).strip()
    return f": {said.splitlines()[0][:300]}" if said else ""
