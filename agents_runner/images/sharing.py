"""Who builds which layer, who waits for it, and how many build at once: file locks that a dead process lets go of.

The container's name on the engine stays the lock that decides who builds. These files only tell the processes of one
person about each other: whether a build still has somebody who looks after it, and whether somebody waits for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from agents_runner.core.errors import Cancelled
from agents_runner.core.events import Event, Notice
from agents_runner.images.watching import StopFlag

_STEP_S = 0.1


class Desk(Protocol):
    """What a build asks of the others' builds."""

    def slot(self, cancel: StopFlag) -> Generator[Event, None, AbstractContextManager[None]]:
        """Wait until one more build may run; raises Cancelled."""
        ...

    def looking_after(self, key: str) -> AbstractContextManager[bool]:
        """Say that this thread looks after the build; False if another one does."""
        ...

    def waiting(self, key: str) -> AbstractContextManager[None]:
        """Say that this thread waits for the build."""
        ...

    def is_looked_after(self, key: str) -> bool: ...

    def others_wait(self, key: str) -> bool:
        """True if somebody waits for the build; whoever asks does not wait."""
        ...

    def failed(self, key: str, reason: str) -> None:
        """Remember that the build failed just now."""
        ...

    def failure(self, key: str, since: float) -> str:
        """Why it failed after this time (seconds since the epoch); "" if it did not."""
        ...


@dataclass(frozen=True, kw_only=True)
class BuildDesk:
    """See `Desk`. `root` is a private folder that all processes of one person share; `limit` builds run at once."""

    root: Path
    limit: int

    def slot(self, cancel: StopFlag) -> Generator[Event, None, AbstractContextManager[None]]:
        folder = self._folder("slots")
        said = False
        while True:
            for number in range(max(1, self.limit)):
                held = _locked(folder / str(number))
                if held is not None:
                    return _holding(held)
            if not said:
                said = True
                yield Notice(message=f"{self.limit} other builds are running; this one waits for its turn.")
            if cancel.is_set():
                raise Cancelled("Stopped.")
            time.sleep(_STEP_S)

    @contextmanager
    def looking_after(self, key: str) -> Iterator[bool]:
        held = _locked(self._folder(key) / "builder")
        if held is None:
            yield False
            return
        with held:
            yield True

    @contextmanager
    def waiting(self, key: str) -> Iterator[None]:
        path = self._folder(key) / f"waits-{os.getpid()}-{secrets.token_hex(4)}"
        held = _locked(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if held is not None:
                held.close()

    def is_looked_after(self, key: str) -> bool:
        return _is_locked(self.root / key / "builder")

    def others_wait(self, key: str) -> bool:
        found = False
        for path in self._folder(key).glob("waits-*"):
            if _is_locked(path):
                found = True
            else:
                path.unlink(missing_ok=True)  # its process died
        return found

    def failed(self, key: str, reason: str) -> None:
        path = self._folder(key) / "failed"
        with contextlib.suppress(OSError):
            path.write_text(json.dumps({"at": time.time(), "reason": reason}), encoding="utf-8")

    def failure(self, key: str, since: float) -> str:
        try:
            value = json.loads((self.root / key / "failed").read_text(encoding="utf-8"))
            return str(value["reason"]) if float(value["at"]) >= since else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


class Alone:
    """A desk for one build that has the engine to itself."""

    def slot(self, _cancel: StopFlag) -> Generator[Event, None, AbstractContextManager[None]]:
        yield from ()
        return contextlib.nullcontext()

    def looking_after(self, _key: str) -> AbstractContextManager[bool]:
        return contextlib.nullcontext(True)

    def waiting(self, _key: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def is_looked_after(self, _key: str) -> bool:
        return True

    def others_wait(self, _key: str) -> bool:
        return False

    def failed(self, _key: str, _reason: str) -> None:
        return

    def failure(self, _key: str, _since: float) -> str:
        return ""


@contextmanager
def _holding(held: IO[bytes]) -> Iterator[None]:
    with held:
        yield


def _locked(path: Path) -> IO[bytes] | None:
    """The file, locked for as long as it is open; None if another one holds it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
