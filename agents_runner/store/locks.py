"""File locks that a dead process lets go of: taken at once or not at all, never waited for."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def take(path: Path) -> IO[bytes] | None:
    """The file, locked for as long as it is open; None if another one holds it. Its folder is made, private."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def is_taken(path: Path) -> bool:
    """True while somebody holds it; nothing is made."""
    if not path.exists():
        return False
    held = take(path)
    if held is not None:
        held.close()
    return held is None
