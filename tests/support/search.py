"""Looking for a secret where none may be: images, containers, files, processes of the host."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import docker


def forms(secret: str) -> tuple[bytes, ...]:
    """The secret as it stands and encoded, in bytes."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), raw[::-1]}
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + raw)
        found.add(encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4])
    return tuple(found)


def has(data: bytes, secrets: Iterable[str]) -> bool:
    return any(form in data for secret in secrets for form in forms(secret))


def in_folder(folder: Path, secrets: Iterable[str]) -> list[str]:
    """Files below the folder that hold a secret, or are called like one."""
    found = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # what a running task removes meanwhile
            if has(str(path).encode(), secrets) or (path.is_file() and has(path.read_bytes(), secrets)):
                found.append(str(path))
    return found


def in_image(client: docker.DockerClient, ref: str, secrets: Iterable[str]) -> list[str]:
    """Places of an image that hold a secret: `docker save` with every layer unpacked, history, inspect."""
    found = [f"{name} of {ref}" for name, data in _saved(client, ref) if has(data, secrets)]
    found += [f"inspect of {ref}"] if has(json.dumps(client.api.inspect_image(ref)).encode(), secrets) else []
    found += [f"history of {ref}"] if has(json.dumps(client.api.history(ref)).encode(), secrets) else []
    return found


def files_of(client: docker.DockerClient, ref: str) -> set[str]:
    """Paths in all layers of an image."""
    return {name.partition(":")[2] for name, _ in _saved(client, ref) if ":" in name}


def _saved(client: docker.DockerClient, ref: str) -> Iterator[tuple[str, bytes]]:
    whole = io.BytesIO(b"".join(client.images.get(ref).save(named=True)))
    with tarfile.open(fileobj=whole) as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isfile() else None
            data = file.read() if file else b""
            yield entry.name, data
            with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(data)) as layer:
                for inner in layer:
                    content = layer.extractfile(inner) if inner.isfile() else None
                    yield f"{entry.name}:{inner.name}", content.read() if content else inner.linkname.encode()


class Watching:
    """Looks at command lines and environments of the host's processes, over and over, until it is closed."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self._over = threading.Event()
        self.looks = 0
        self.found: set[str] = set()
        self._own = Path("/proc/self/ns/pid").readlink()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            self._look()
            self.looks += 1
            self._over.wait(0.01)

    def _look(self) -> None:
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or folder.name == str(os.getpid()):
                continue
            with contextlib.suppress(OSError):
                # Command lines are anybody's to read, those of containers too; environments only the user's own.
                if has((folder / "cmdline").read_bytes(), self._secrets):
                    self.found.add(f"command line of {folder.name}")
                if (folder / "ns/pid").readlink() == self._own and has(
                    (folder / "environ").read_bytes(), self._secrets
                ):
                    self.found.add(f"environment of {folder.name}")
