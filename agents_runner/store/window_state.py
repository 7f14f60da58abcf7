"""What the window remembers over restarts: where it was, and what was chosen in it."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agents_runner.core.errors import InvalidInput
from agents_runner.store.files import DISK, Disk, write_atomic
from agents_runner.store.jsonfile import parse_json

_MAX_BYTES = 64 * 1024
"""More than any window has to remember; a longer file is not read."""


class WindowState(BaseModel):
    """Every value is optional: what is missing, or names something that is gone, is as at the first start."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    geometry: str = ""
    """Qt's own description of size, place and screen, in base64."""
    page: str = ""
    """The page's title."""
    environment: str = ""
    """The id of the environment that was selected on its page."""
    tab: str = ""
    """The title of the tab that was open there."""
    task: str = ""
    """The id of the task that was selected in the list or looked at."""
    last_used: str = ""
    """The id of the environment that the last task was started in."""


@dataclass(frozen=True, kw_only=True)
class WindowStateFile:
    """Keeps the state in one small file; nothing of value is lost with it."""

    path: Path
    disk: Disk = DISK
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def load(self) -> WindowState:
        """The state; an empty one where the file is missing, damaged or unreadable. Never raises."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return WindowState()
                data = file.read(_MAX_BYTES + 1)
            return WindowState.model_validate(parse_json(data[:_MAX_BYTES]))
        except (OSError, InvalidInput, ValidationError):
            return WindowState()

    def save(self, state: WindowState) -> None:
        """Write the state, from any thread. Raises StoreError where the disk refuses."""
        with self._lock:
            write_atomic(self.path, state.model_dump_json().encode("utf-8"), self.disk)
