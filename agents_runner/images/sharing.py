"""Who builds which layer, who waits for it, and how many build at once: file locks that a dead process lets go of.

The container's name on the engine stays the lock that decides who builds. These files only tell the processes of one
person about each other: whether a build still has somebody who looks after it, and whether somebody waits for it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.containers.cancellation import Cancellation
from agents_runner.core.errors import StoreError
from agents_runner.core.events import Event, Notice
from agents_runner.store import locks

_STEP_S = 0.1


class BuildCoordinator(Protocol):
    """What a build asks of the others' builds."""

    def slot(self, cancel: Cancellation) -> Generator[Event, None, AbstractContextManager[object]]:
        """Wait until one more build may run; raises Cancelled."""
        ...

    def claim(self, key: str) -> AbstractContextManager[bool]:
        """Say that this thread looks after the build; False if another one does."""
        ...

    def waiting(self, key: str) -> AbstractContextManager[None]:
        """Say that this thread waits for the build."""
        ...

    def is_claimed(self, key: str) -> bool: ...

    def is_busy(self, key_start: str) -> bool:
        """True if a build whose key begins like this is claimed or waited for; True where nobody can know."""
        ...

    def has_waiters(self, key: str) -> bool:
        """True if somebody waits for the build; whoever asks does not wait."""
        ...

    def failed(self, key: str, reason: str) -> None:
        """Remember that the build failed just now."""
        ...

    def failure(self, key: str, since: float) -> str:
        """Why it failed after this time (seconds since the epoch); "" if it did not."""
        ...


class Failures(Protocol):
    """What the database remembers of failed builds; see `store.image_uses`."""

    def build_failed(self, key: str, reason: str) -> None: ...
    def recent_build_failure(self, key: str, within_s: float) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class FileLockCoordinator:
    """See `BuildCoordinator`. `root` is a private folder that all processes of one person share.

    At most `limit` builds run at once.
    """

    root: Path
    limit: int
    failures: Failures

    def slot(self, cancel: Cancellation) -> Generator[Event, None, AbstractContextManager[object]]:
        said = False
        while True:
            for number in range(max(1, self.limit)):
                held = locks.take(self.root / "slots" / str(number))
                if held is not None:
                    return held
            if not said:
                said = True
                yield Notice(message=f"{self.limit} other builds are running; this one waits for its turn.")
            cancel.check()
            time.sleep(_STEP_S)

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        held = locks.take(self.root / key / "builder")
        if held is None:
            yield False
            return
        with held:
            yield True

    @contextmanager
    def waiting(self, key: str) -> Iterator[None]:
        path = self.root / key / f"waits-{os.getpid()}-{secrets.token_hex(4)}"
        held = locks.take(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if held is not None:
                held.close()

    def is_claimed(self, key: str) -> bool:
        return locks.is_taken(self.root / key / "builder")

    def is_busy(self, key_start: str) -> bool:
        keys = [folder.name for folder in self.root.glob(f"{key_start}*")]
        return any(self.is_claimed(key) or self.has_waiters(key) for key in keys)

    def has_waiters(self, key: str) -> bool:
        found = False
        for path in (self.root / key).glob("waits-*"):
            if locks.is_taken(path):
                found = True
            else:
                path.unlink(missing_ok=True)  # its process died
        return found

    def failed(self, key: str, reason: str) -> None:
        # A database that cannot be written costs another try, not the task.
        with contextlib.suppress(StoreError):
            self.failures.build_failed(key, reason)

    def failure(self, key: str, since: float) -> str:
        with contextlib.suppress(StoreError):
            return self.failures.recent_build_failure(key, time.time() - since) or ""
        return ""


class SoloCoordinator:
    """A coordinator for one build that has the engine to itself."""

    def slot(self, _cancel: Cancellation) -> Generator[Event, None, AbstractContextManager[object]]:
        yield from ()
        return contextlib.nullcontext()

    def claim(self, _key: str) -> AbstractContextManager[bool]:
        return contextlib.nullcontext(True)

    def waiting(self, _key: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def is_claimed(self, _key: str) -> bool:
        return True

    def is_busy(self, _key_start: str) -> bool:
        return True

    def has_waiters(self, _key: str) -> bool:
        return False

    def failed(self, _key: str, _reason: str) -> None:
        return

    def failure(self, _key: str, _since: float) -> str:
        return ""
