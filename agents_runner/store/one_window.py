"""One window for each set of files: who has it holds a lock; who comes second asks for that window by a small file.

A lock goes with its process, however that dies, so that nothing stale is ever in the way.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from agents_runner.core.errors import StoreError
from agents_runner.store import locks
from agents_runner.store.files import write_atomic

_PATIENCE_S = 10.0
"""How long the other window has to show itself, or to close; closing takes up to 5 s."""
_STEP_S = 0.05


@dataclass(frozen=True, kw_only=True)
class WindowPlace:
    """`folder` is private, shared by all processes with the same files of the application."""

    folder: Path
    patience_s: float = _PATIENCE_S

    def take(self, environment_id: str = "") -> AbstractContextManager[object] | None:
        """The place, held while it is open; None if another window has it and has shown itself.

        Raises StoreError if that one does neither that nor close.
        """
        held = locks.take(self.folder / "lock")
        if held is not None:
            self._forget_old()
            return held
        asked = self.folder / f"ask-{os.getpid()}-{secrets.token_hex(4)}"
        write_atomic(asked, json.dumps({"environment": environment_id}).encode("utf-8"))
        try:
            return self._answered(asked)
        finally:
            asked.unlink(missing_ok=True)

    def requests(self) -> Iterator[str]:
        """What others asked for since the last look, an environment's id or "" each; for who has the place."""
        for path in sorted(self.folder.glob("ask-*")):
            with contextlib.suppress(OSError):
                data = path.read_bytes()
                path.unlink()
                yield _environment(data)

    def _answered(self, asked: Path) -> AbstractContextManager[object] | None:
        end = time.monotonic() + self.patience_s
        while True:
            held = locks.take(self.folder / "lock")
            if held is not None:
                return held
            if not asked.exists():
                return None
            if time.monotonic() >= end:
                raise StoreError(
                    "Agents Runner is open already, but its window does not answer.",
                    "End that process, or use the command line beside it.",
                )
            time.sleep(_STEP_S)

    def _forget_old(self) -> None:
        """Takes away the requests of processes that were killed while they asked."""
        for _ in self.requests():
            pass


def _environment(data: bytes) -> str:
    with contextlib.suppress(ValueError):
        value = json.loads(data)
        if isinstance(value, dict) and isinstance(value.get("environment"), str):
            return str(value["environment"])
    return ""
