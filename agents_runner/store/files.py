"""Files that are whole or not changed at all: written aside, synced, renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from agents_runner.store.paths import unwritable

TEMP_PREFIX = ".tmp-"
_STALE_S = 3600


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content. Whatever happens, it is the old or the new one. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=TEMP_PREFIX, dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    temp = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temp.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise unwritable(path, error) from error


def _sync_folder(folder: Path) -> None:
    """The rename itself must survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove temp files that a killed process left an hour ago or longer."""
    before = time.time() - _STALE_S
    with contextlib.suppress(OSError):
        for path in folder.glob(TEMP_PREFIX + "*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()


def move_aside(path: Path, folder: Path) -> Path:
    """Move a file into a folder under a name that nothing has yet; never overwrites."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(1000):
            target = folder / f"{path.stem}-{stamp}{f'-{number}' if number else ''}{path.suffix}"
            if not target.exists():
                path.rename(target)
                return target
    except OSError as error:
        raise unwritable(folder, error) from error
    return path
