"""Tar streams for files that go into a container or come out of it."""

from __future__ import annotations

import io
import posixpath
import tarfile
import time
from collections.abc import Iterable, Mapping

from agents_runner.core.errors import FileRefused

_HEADERS = 256 * 1024
"""Bytes of a tar that are not the file's: its name, its attributes, the filling."""
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
"""Not those that tarfile counts as regular besides: a sparse file's size has nothing to do with its bytes."""


def _entry(
    name: str, *, size: int = 0, mode: int, uid: int = 0, gid: int = 0, folder: bool = False
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = size, mode, uid, gid
    entry.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE
    return entry


def one_file(path: str, data: bytes, mode: int) -> bytes:
    """A tar (for the root folder) with one root-owned file and the last folder above it."""
    buffer = io.BytesIO()
    name = path.lstrip("/")
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        # Only the file's own folder: an entry for one that the image has would change its mode.
        tar.addfile(_entry(posixpath.dirname(name), mode=0o755, folder=True))
        tar.addfile(_entry(name, size=len(data), mode=mode), io.BytesIO(data))
    return buffer.getvalue()


def tree(files: Mapping[str, bytes], *, uid: int, gid: int) -> bytes:
    """A tar of private files (mode 0700, folders as well) that belong to uid:gid."""
    buffer = io.BytesIO()
    folders: set[str] = set()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in sorted(files.items()):
            parts = name.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    tar.addfile(_entry(folder, mode=0o700, uid=uid, gid=gid, folder=True))
            tar.addfile(_entry(name, size=len(data), mode=0o700, uid=uid, gid=gid), io.BytesIO(data))
    return buffer.getvalue()


def plain_file(stream: Iterable[bytes], path: str, *, limit: int, deadline: float) -> bytes:
    """The bytes of the one plain file of a tar that comes from a container; raises FileRefused for anything else.

    `deadline` by the monotonic clock. No more is read than `limit` bytes and the tar's own: neither a long file nor
    an answer without end costs memory.
    """
    data = bytearray()
    for part in stream:
        data += part
        if len(data) > limit + _HEADERS:
            break
        if time.monotonic() >= deadline:
            raise FileRefused(f"{path} of the container did not come in time.", "Run it again.")
    try:
        with tarfile.open(fileobj=io.BytesIO(bytes(data)), mode="r:") as tar:
            entry = tar.next()
            found = tar.extractfile(entry) if entry is not None and entry.type in _PLAIN else None
            if entry is None or found is None:
                raise FileRefused(f"{path} of the container is no plain file.", "Nothing of it was read.")
            if entry.size > limit:
                raise FileRefused(f"{path} of the container is larger than {limit} bytes.", "Nothing of it was read.")
            read = found.read(limit + 1)
    except (tarfile.TarError, ValueError, OSError, EOFError) as error:
        raise FileRefused(f"{path} of the container cannot be read: {error}.") from error
    if len(read) != entry.size:
        raise FileRefused(f"{path} of the container came only in part.", "Run it again.")
    return read
