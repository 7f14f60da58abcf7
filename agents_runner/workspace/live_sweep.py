"""The look at a live folder after a task: setuid bits, device nodes and foreign owners among what the task made.

It runs on the host, as the person, once every process of the container has ended. Nothing is reached by a path: each
part is opened below the folder that it is in, without following links, and what is changed is changed by a descriptor
that was looked at. So whoever swaps a name for a link meanwhile gets nothing of the outside touched.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

MAX_ENTRIES = 1_000_000
MAX_SECONDS = 120.0
MAX_DEPTH = 96
"""Folders in folders that are looked through from the host: each of them is an open descriptor."""
MAX_NAMES = 5
_MAX_NAME = 80
_BITS = stat.S_ISUID | stat.S_ISGID
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_CHECK_EVERY = 512


@dataclass(kw_only=True)
class Names:
    """How many there are of a kind, and the first few names, as text that does nothing to a terminal."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.shown) < MAX_NAMES:
            self.shown.append(harmless(name))

    def __str__(self) -> str:
        more = self.count - len(self.shown)
        return ", ".join(self.shown) + (f" and {more} more" if more > 0 else "")


@dataclass(kw_only=True)
class SweepReport:
    """What a look found. `cleared` is done; the others are what the person cannot mend alone."""

    entries: int = 0
    cleared: Names = field(default_factory=Names)
    """Regular files of the person that had setuid or setgid bits and have them no more."""
    foreign: Names = field(default_factory=Names)
    """Regular files newer than the task's start that belong to somebody else."""
    devices: Names = field(default_factory=Names)
    closed: Names = field(default_factory=Names)
    """Folders that the person may not look into, or that are nested too deeply."""
    complete: bool = True
    """False where the look ended at a limit."""

    @property
    def needs_mending(self) -> bool:
        """Whether something is left that only root can see or change."""
        return bool(self.foreign.count or self.devices.count or self.closed.count) or not self.complete


def harmless(name: str) -> str:
    """A file's name as text of one line, cut where it is long; what is no visible character is written out."""
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in name)
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 3] + "..."


class Interruption(Protocol):
    """Asked now and then while a look goes on."""

    def check(self) -> None:
        """What it raises ends the look."""
        ...


class NeverInterrupted:
    """An `Interruption` of a look that goes on to its own end."""

    def check(self) -> None:
        return


@dataclass(kw_only=True)
class LiveSweep:
    """One look. `since` is the task's start in seconds since the epoch; `uid` whose files are meant to be there."""

    since: float
    uid: int
    interruption: Interruption = field(default_factory=NeverInterrupted)
    report: SweepReport = field(default_factory=SweepReport)
    _deadline: float = 0.0

    def run(self, root: str) -> SweepReport:
        """Look at everything below a folder, or at one file. Raises what `interruption` raises; never OSError."""
        self._deadline = time.monotonic() + MAX_SECONDS
        parent, name = os.path.split(root.rstrip("/") or "/")
        # Only the person decides what stands above a mount's source, so that path is taken as it is.
        try:
            above = os.open(parent or "/", _FOLDER)
            try:
                self._top(above, name or ".")
            finally:
                os.close(above)
        except (FileNotFoundError, NotADirectoryError):
            return self.report  # it is not there any more
        except OSError:
            self.report.complete = False
        return self.report

    def _top(self, above: int, name: str) -> None:
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            self._entry(above, name, name, found)
            return
        root = self._open(above, name, ".")
        if root is not None:
            self._walk(root)

    def _walk(self, root: int) -> None:
        """Depth first; every folder on the way is an open descriptor, so that no name is looked up twice."""
        stack: list[tuple[int, Any, str]] = []
        try:
            stack.append((root, os.scandir(root), ""))
            while stack and self.report.complete:
                fd, entries, path = stack[-1]
                entry = next(entries, None)
                if entry is None:
                    _close(stack.pop())
                    continue
                self._count()
                below = self._below(fd, entry, f"{path}{entry.name}", deep=len(stack) >= MAX_DEPTH)
                if below is not None:
                    stack.append((below, os.scandir(below), f"{path}{entry.name}/"))
        except OSError:
            self.report.complete = False  # no descriptors left, or the disk is broken
        finally:
            for level in stack:
                _close(level)

    def _below(self, parent: int, entry: os.DirEntry[str], shown: str, *, deep: bool) -> int | None:
        """Look at one entry; the descriptor of a folder that is to be looked into."""
        try:
            if not entry.is_dir(follow_symlinks=False):
                self._entry(parent, entry.name, shown, entry.stat(follow_symlinks=False))
            elif not deep:
                return self._open(parent, entry.name, shown)
            else:
                self.report.closed.add(shown)
        except FileNotFoundError:
            return None  # removed meanwhile
        except PermissionError:
            self.report.closed.add(shown)  # its folder may be listed, but not entered
        return None

    def _count(self) -> None:
        report = self.report
        report.entries += 1
        if report.entries % _CHECK_EVERY == 0:
            self.interruption.check()
            if time.monotonic() > self._deadline:
                report.complete = False
        if report.entries >= MAX_ENTRIES:
            report.complete = False

    def _open(self, parent: int, name: str, shown: str) -> int | None:
        """A folder's descriptor; None for what is none any more, or closed to the person."""
        try:
            return os.open(name, _FOLDER, dir_fd=parent)
        except PermissionError:
            self.report.closed.add(shown)
        except (FileNotFoundError, NotADirectoryError):
            return None  # removed or swapped meanwhile: what stands there now is not what we would look at
        except OSError as error:
            if error.errno != errno.ELOOP:  # a link stands where the folder was
                raise
        return None

    def _entry(self, parent: int, name: str, shown: str, seen: os.stat_result) -> None:
        if stat.S_ISCHR(seen.st_mode) or stat.S_ISBLK(seen.st_mode):
            # An overlay's white-outs look like devices; those are older.
            if seen.st_ctime >= self.since:
                self.report.devices.add(shown)
            return
        if not stat.S_ISREG(seen.st_mode) or seen.st_ctime < self.since:
            return
        if seen.st_uid != self.uid:
            self.report.foreign.add(shown)
        elif seen.st_mode & _BITS:
            self._clear(parent, name, shown, seen)

    def _clear(self, parent: int, name: str, shown: str, seen: os.stat_result) -> None:
        """Take the bits off the very file that was seen, by a descriptor that only looks: it never waits."""
        try:
            fd = os.open(name, _LOOK, dir_fd=parent)
        except OSError:
            return
        try:
            now = os.fstat(fd)
            if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino) or not stat.S_ISREG(now.st_mode):
                return
            # Through the descriptor: `fchmod` refuses one that only looks, the link in /proc leads to the same file.
            Path(f"/proc/self/fd/{fd}").chmod(stat.S_IMODE(now.st_mode) & ~_BITS)
            self.report.cleared.add(shown)
        except PermissionError:
            self.report.foreign.add(shown)
        except OSError:
            self.report.complete = False
        finally:
            os.close(fd)


def _close(level: tuple[int, Any, str]) -> None:
    level[1].close()
    os.close(level[0])
