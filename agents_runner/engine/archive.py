"""Tar streams for files that go into a container or come out of it."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterable, Mapping

MAX_FILE = 64 * 1024 * 1024


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


def first_file(stream: Iterable[bytes]) -> bytes | None:
    """The first regular file's bytes; None for anything else or a file over `MAX_FILE`."""
    data = bytearray()
    for part in stream:
        data += part
        if len(data) > MAX_FILE:
            return None
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as tar:
        for entry in tar:
            if entry.isreg():
                found = tar.extractfile(entry)
                return found.read() if found else None
    return None
