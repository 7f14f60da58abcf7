"""The file system's refusals as ours: one sentence, and what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path

from agents_runner.core.errors import StoreError

HOME_VARIABLE = "AGENTS_RUNNER_HOME"
_ELSEWHERE = f"or set {HOME_VARIABLE} to another folder"
_HINTS = {
    errno.ENOSPC: f"Free some space there, {_ELSEWHERE}.",
    errno.EDQUOT: f"Free some of your quota there, {_ELSEWHERE}.",
    errno.EROFS: f"Make that file system writable, {_ELSEWHERE}.",
    errno.ENOTDIR: f"A file is where a folder should be: move it away, {_ELSEWHERE}.",
    errno.EEXIST: f"A file is where a folder should be: move it away, {_ELSEWHERE}.",
    errno.EIO: f"Check that disk, {_ELSEWHERE}.",
}


def unwritable(path: Path, error: OSError) -> StoreError:
    """What stands in the way of writing a file or making a folder."""
    hint = _HINTS.get(error.errno or 0, f"Give yourself the right to write there, {_ELSEWHERE}.")
    return StoreError(f"{path} cannot be written: {error.strerror or error}.", hint)


def unreadable(path: Path, error: OSError) -> StoreError:
    """What stands in the way of reading a file or folder."""
    return StoreError(f"{path} cannot be read: {error.strerror or error}.", "Check its rights.")
