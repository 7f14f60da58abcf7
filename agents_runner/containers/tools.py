"""The launcher's tools: copies of the host's programs, made once, and mounted read-only in every container."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agents_runner.core.errors import StoreError, WorkspaceError
from agents_runner.launcher import tools
from agents_runner.workspace.host_programs import find_programs, libraries_of

_INDEX = "index.json"
_MADE = re.compile(r"[0-9a-f]{32}|\.[0-9a-f]{32}-[0-9a-f]{8}")
"""The name of a set of programs, and that of one that is being written."""


@dataclass(frozen=True, kw_only=True)
class HostTools:
    """The copies below `root`, one folder for each set of programs, named by its contents."""

    root: Path

    @classmethod
    def beside(cls, control_root: Path) -> Self:
        """Those of an installation, beside the folder that holds all its control folders."""
        return cls(root=control_root.parent / "tools")

    def folder(self) -> Path:
        """The folder to mount, made if it is not there: the host's programs change with its updates only.

        Raises WorkspaceError where the host lacks a program, StoreError where the copy cannot be written.
        """
        known = self._known()
        if known is not None:
            return _used(known)
        files, sources = _collect()
        name = hashlib.sha256(b"".join(_line(path, data) for path, data in sorted(files.items()))).hexdigest()[:32]
        try:
            self._place(name, files)
            self._write_index(name, sources, files)
        except OSError as error:
            raise StoreError(
                f"The launcher's tools cannot be written below {self.root}: {error.strerror}.",
                "Check the free space and the rights of the application's folder.",
            ) from error
        return _used(self.root / name)

    def unused(self, before: float) -> tuple[tuple[str, float], ...]:
        """Folders that nobody asked for since `before`, and what killed processes left of making one.

        Each by its name and its last use, in seconds since the epoch. The present programs' folder is none of them.
        """
        known = self._known()
        found = []
        with contextlib.suppress(OSError):
            for one in sorted(self.root.iterdir()):
                stamp = one.lstat()
                made = _MADE.fullmatch(one.name) and stat.S_ISDIR(stamp.st_mode)
                if made and one != known and stamp.st_mtime < before:
                    found.append((one.name, stamp.st_mtime))
        return tuple(found)

    def remove(self, name: str) -> bool:
        """Remove one of `unused`; False if it stays."""
        if not _MADE.fullmatch(name):
            return False
        shutil.rmtree(self.root / name, ignore_errors=True)
        return not (self.root / name).exists()

    def contents(self, platform: str) -> dict[str, bytes]:
        """The same programs for an engine elsewhere, by path. `platform` is the engine's `os/architecture`.

        Raises WorkspaceError where this machine's programs do not run there.
        """
        here = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        if platform and platform.split("/")[:2] != ["linux", here]:
            raise WorkspaceError(
                f"The engine runs {platform}, and this machine's programs, which every container needs, do not.",
                "Use an engine of this machine's own kind, or run the application on the engine's machine.",
            )
        return _collect()[0]

    def _known(self) -> Path | None:
        """The folder of last time, if neither it nor the host's programs changed since."""
        try:
            index = json.loads((self.root / _INDEX).read_text("utf-8"))
            folder = self.root / str(index["name"])
            unchanged = all(_stamp(Path(path)) == stamp for path, stamp in index["sources"].items())
            whole = all((folder / path).lstat().st_size == size for path, size in index["files"].items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return folder if unchanged and whole and index["version"] == _version() else None

    def _place(self, name: str, files: Mapping[str, bytes]) -> None:
        """All or nothing: a process that is killed on the way leaves no folder of this name."""
        target = self.root / name
        part = self.root / f".{name}-{secrets.token_hex(4)}"
        try:
            for path, data in files.items():
                file = part / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                file.chmod(tools.HIDDEN_MODE if path == tools.HIDDEN_LOADER else tools.MODE)
            for folder in (part, *(one for one in part.rglob("*") if one.is_dir())):
                folder.chmod(tools.MODE)
            if target.exists() and not _is_whole(target, files):
                shutil.rmtree(target)
            try:
                part.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _write_index(self, name: str, sources: Mapping[str, list[int]], files: Mapping[str, bytes]) -> None:
        sizes = {path: len(data) for path, data in files.items()}
        text = json.dumps({"version": _version(), "name": name, "sources": sources, "files": sizes})
        part = self.root / f".{_INDEX}-{secrets.token_hex(4)}"
        part.write_text(text, "utf-8")
        part.replace(self.root / _INDEX)


def _used(folder: Path) -> Path:
    """The folder, which says now when it was last asked for."""
    with contextlib.suppress(OSError):
        os.utime(folder)
    return folder


def _collect() -> tuple[dict[str, bytes], dict[str, list[int]]]:
    """Every file of the tools, and the host's files that they come from with their stamps."""
    programs = find_programs(tools.PROGRAMS)
    missing = [name for name in tools.PROGRAMS if name not in programs]
    if missing:
        raise WorkspaceError(
            f"This machine has no {', '.join(missing)}, which every container needs.",
            "Install bash, coreutils, findutils, sed and util-linux.",
        )
    libraries = libraries_of(sorted(set(programs.values())))
    loaders = [path for path in libraries if Path(path).name.startswith(("ld-", "ld.so", "ld64.so"))]
    if not loaders:
        raise WorkspaceError(
            "The loader of this machine's programs was not found, which every container needs.",
            "Programs that load no library cannot be used: install the distribution's own bash and coreutils.",
        )
    files: dict[str, bytes] = {}
    try:
        for name, path in programs.items():
            files[f"bin/{name}"] = Path(path).read_bytes()
        for path in libraries:
            files[f"lib/{Path(path).name}"] = Path(path).read_bytes()
        files[tools.LOADER] = files[tools.HIDDEN_LOADER] = Path(loaders[0]).read_bytes()
    except OSError as error:
        raise WorkspaceError(
            f"The program {error.filename} cannot be read: {error.strerror}.", "Every container needs a copy of it."
        ) from error
    files |= tools.shim_files()
    return files, {path: _stamp(Path(path)) for path in (*programs.values(), *libraries)}


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _version() -> str:
    """What this program itself adds to the tools."""
    text = repr((tools.PROGRAMS, tools.MODE, tools.HIDDEN_MODE, sorted(tools.shim_files().items())))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _line(path: str, data: bytes) -> bytes:
    mode = tools.HIDDEN_MODE if path == tools.HIDDEN_LOADER else tools.MODE
    return f"{path}\0{mode:o}\0{hashlib.sha256(data).hexdigest()}\n".encode()


def _is_whole(folder: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return all(
            stat.S_ISREG((found := (folder / path).lstat()).st_mode) and found.st_size == len(data)
            for path, data in files.items()
        )
    except OSError:
        return False
