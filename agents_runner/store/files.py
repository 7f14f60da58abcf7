"""Files that are whole or not changed at all: written aside, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from agents_runner.core.errors import StoreError
from agents_runner.store.os_errors import unwritable

TEMP_PREFIX = ".tmp-"
LOCK_S = 10.0
"""How long a process waits for another's write, in seconds."""
_STALE_S = 3600
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS)


class Disk:
    """The steps of one save, in the order in which they are made; a test's disk notes or refuses them."""

    def create(self, folder: Path) -> tuple[int, Path]:
        """A new file of mode 0600 and its handle; the name tells whose it is."""
        handle, name = tempfile.mkstemp(prefix=f"{TEMP_PREFIX}{os.getpid()}-", dir=folder)
        return handle, Path(name)

    def write(self, handle: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    def sync(self, handle: int) -> None:
        os.fsync(handle)

    def rename(self, temp: Path, path: Path) -> None:
        temp.replace(path)

    def sync_folder(self, folder: Path) -> None:
        """The rename itself must survive a power cut."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems cannot sync folders
                raise
        finally:
            os.close(handle)


DISK = Disk()


def write_atomic(path: Path, data: bytes, disk: Disk = DISK) -> None:
    """Replace a file's content. Whatever happens, it is the old or the new one. Raises StoreError."""
    path = path.resolve() if path.is_symlink() else path  # a link stays one
    temp = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temp = disk.create(path.parent)
        try:
            disk.write(handle, data)
            disk.sync(handle)
        finally:
            os.close(handle)
        disk.rename(temp, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        if temp is not None:
            with contextlib.suppress(OSError):
                temp.unlink()
        raise unwritable(path, error) from error


def write_new(path: Path, data: bytes, disk: Disk = DISK) -> None:
    """Write and sync a file, mode 0600, in a folder that nobody looks into yet. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        disk.write(handle, data)
        disk.sync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock that other threads and processes respect. Raises StoreError after `LOCK_S` seconds."""
    lock = FileLock(path, timeout=LOCK_S, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(f"Another process holds the {what} for too long.", "Try again.") from error
    except (OSError, NotImplementedError) as error:
        raise unwritable(path, error if isinstance(error, OSError) else OSError(str(error))) from error
    try:
        yield
    finally:
        lock.release()


def sweep(folder: Path) -> None:
    """Remove temp files and folders of processes that are gone; anybody's after an hour."""
    with contextlib.suppress(OSError):
        for path in list(folder.glob(TEMP_PREFIX + "*")):
            if not _in_use(path):
                _remove(path)


def _in_use(path: Path) -> bool:
    owner = path.name.removeprefix(TEMP_PREFIX).split("-", 1)[0]
    try:
        if path.lstat().st_mtime < time.time() - _STALE_S:
            return False
        os.kill(int(owner), 0)
    except (ValueError, ProcessLookupError, FileNotFoundError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


# -- never over what is there -----------------------------------------------------------------------


def move_aside(path: Path, folder: Path) -> Path:
    """Move a file into a folder, under a name that nothing has yet; never overwrites. Raises StoreError.

    The name carries the time: `NAME-YYYYMMDD-HHMMSS[-N].SUFFIX`.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (f"{path.stem[:100]}-{stamp}{f'-{number}' if number else ''}{path.suffix}" for number in range(1000))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _move_to_free(path, folder, names)
    except OSError as error:
        raise unwritable(folder, error) from error


def back_up(path: Path, folder: Path, data: bytes) -> Path:
    """Keep a copy of a file's bytes under its name, or one with the time if that is taken. Raises StoreError."""
    return back_up_by(path, folder, lambda temp: write_new(temp, data))


def back_up_by(path: Path, folder: Path, write: Callable[[Path], object]) -> Path:
    """Keep what `write` puts into the empty file that it is given, as `back_up` keeps bytes. Raises StoreError."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    others = (f"{path.stem[:100]}-{stamp}-{number}{path.suffix}" for number in range(1000))
    temp = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temp = DISK.create(folder)
        os.close(handle)
        write(temp)
        return _move_to_free(temp, folder, chain([path.name], others))
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        if temp is not None:
            _remove(temp)  # where it has its place, nothing is left under this name


def _move_to_free(path: Path, folder: Path, names: Iterator[str]) -> Path:
    """Rename to the first free name. A hard link is the one rename that refuses to overwrite."""
    for name in names:
        target = folder / name
        try:
            os.link(path, target, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if target.exists():
                continue
            shutil.move(path, target)
            return target
        path.unlink()
        DISK.sync_folder(folder)
        return target
    raise FileExistsError(errno.EEXIST, "too many files of that name", str(path))
