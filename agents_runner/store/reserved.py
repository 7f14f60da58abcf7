"""Room for a task's result that is taken while there is some: on a full disk it is written over, in place.

Most file systems need no free space for that. On one that does (copy on write) nobody is worse off than without.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from agents_runner.core.events import TaskResult, TaskState

SIZE = 4096
RESERVED = b" " * SIZE
"""What the file holds until there is a result."""
_TEXTS = ("image", "error", "hint")
_LONGEST = 400
"""Characters of a text that are kept; the file has room for the longest ones of all fields, escaped."""


def write_reserved(path: Path, result: TaskResult) -> bool:
    """Put a result into the room; False if the disk refuses even that."""
    texts = {name: getattr(result, name)[:_LONGEST] for name in _TEXTS}
    value = {"state": result.state.value, "exit_code": result.exit_code, **texts}
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")[:SIZE]
    try:
        # Neither made nor cut: both would ask for space, or give away what is there.
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(handle, data.ljust(SIZE), 0)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        return False
    return True


def read_reserved(path: Path, task_id: str) -> TaskResult | None:
    """The result that was put there; None for an empty room and for anything that is none."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        with path.open("rb") as file:
            value = json.loads(file.read(SIZE))
        state = TaskState(value["state"])
        texts = {name: value[name] for name in _TEXTS}
        if (
            state.final
            and isinstance(value["exit_code"], int)
            and all(isinstance(one, str) for one in texts.values())
        ):
            return TaskResult(task=task_id, state=state, exit_code=value["exit_code"], **texts)
    return None
