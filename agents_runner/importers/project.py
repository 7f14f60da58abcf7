"""A project's folder, read without trust: ordinary files of limited size, never through a link out of it."""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path

from agents_runner.core.errors import InvalidInput, NotFound

MAX_BYTES = 256 * 1024
"""The largest file that is read; real ones have a few kilobytes."""
_MAX_NAMES = 200


@dataclass(frozen=True)
class Project:
    """`root` is an absolute path; every other path is relative to it and written with slashes."""

    root: Path

    def inside(self, relative: str) -> Path | None:
        """The real path of something that may be there, None if it leads out of the project."""
        if "\0" in relative:
            return None
        base = os.path.realpath(self.root)
        real = os.path.realpath(os.path.join(base, relative))  # noqa: PTH118 - Path has no realpath of a text
        return Path(real) if real == base or real.startswith(base.rstrip("/") + "/") else None

    def has(self, relative: str) -> bool:
        """True for an ordinary file inside of the project."""
        path = self.inside(relative)
        try:
            return path is not None and stat.S_ISREG(path.stat().st_mode)
        except (OSError, ValueError):
            return False

    def folders(self, relative: str) -> tuple[str, ...]:
        """Names of the folders in a folder, sorted; at most 200 entries are looked at, links are left out."""
        path = self.inside(relative)
        names: list[str] = []
        try:
            if path is None:
                return ()
            with os.scandir(path) as entries:
                for number, entry in enumerate(entries):
                    if number >= _MAX_NAMES:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        names.append(entry.name)
        except OSError:
            return ()
        return tuple(sorted(names))

    def read(self, relative: str) -> str:
        """A file's text with plain line ends. Raises NotFound, InvalidInput with the line where it is no text."""
        path = self.inside(relative)
        if path is None:
            raise InvalidInput(
                f"{relative} leads out of the project's folder and is not read.", "Copy the file into the project."
            )
        return decode(read_limited(path, relative), relative)


def read_limited(path: Path, name: str) -> bytes:
    """The bytes of an ordinary file of at most `MAX_BYTES`. Raises NotFound, InvalidInput."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise NotFound(f"{name} cannot be read: {reason}.", "Check its name and rights.") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InvalidInput(f"{name} is no ordinary file.", "Choose a file.")
    with os.fdopen(handle, "rb") as file:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise NotFound(f"{name} cannot be read: {error.strerror}.", "Check its name and rights.") from error
    if len(data) > MAX_BYTES:
        raise InvalidInput(
            f"{name} has more than {MAX_BYTES // 1024} KiB and is not read.", "Choose the file that was meant."
        )
    return data


def decode(data: bytes, name: str) -> str:
    """Bytes as text with LF line ends. Raises InvalidInput with the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name} is not UTF-8 text (line {line}).", "Convert it to UTF-8 first.") from error
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise InvalidInput(f"{name} holds a NUL character (line {line}).", "Remove it.")
    return text.replace("\r\n", "\n")


def joined(folder: str, relative: str) -> str:
    """A path that a file names, seen from the project's folder; may begin with `..`."""
    return posixpath.normpath(posixpath.join(folder, relative))
