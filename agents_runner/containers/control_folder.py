"""How files reach a container and come back from it, without a folder that both it and the host can write into.

What goes in lies in a private folder of the application, mounted read-only (a volume on a remote engine). What the
launcher writes down for itself lies in memory in a task, where nobody reads it, and in a volume of its own in a
build: the host sees it only through the engine, after the container has ended (see `Engine.get_file`).
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agents_runner.containers.tools import HostTools
from agents_runner.core.container import CONTAINER_INSTANCE, CONTAINER_KIND, CONTAINER_NAME, ContainerSpec
from agents_runner.core.errors import EngineError, StoreError
from agents_runner.core.mounts import Mount
from agents_runner.engine.port import Engine
from agents_runner.launcher.files import IN, STATE
from agents_runner.launcher.tools import TOOLS

CONTROL_KIND = "control"
"""The `CONTAINER_KIND` of the volumes of control folders."""
STATE_MIB = 16
"""Size of a task's state folder in memory."""


@dataclass(frozen=True, kw_only=True)
class ControlFolder:
    """One container's control folder; its name is used once only. Nothing of it ends up in a layer."""

    name: str
    root: Path
    """Private folder of the application that holds all control folders."""
    local: bool
    uid: int
    gid: int
    instance: str = ""
    kind: Literal["build", "task"] = "task"

    @property
    def tools(self) -> HostTools:
        """The launcher's programs: beside the folder that holds all control folders."""
        return HostTools.beside(self.root)

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def _inputs(self) -> str:
        return f"{self.name}-in"

    @property
    def _state(self) -> str:
        return f"{self.name}-state"

    def prepare(self, engine: Engine, spec: ContainerSpec, files: Mapping[str, bytes]) -> ContainerSpec:
        """Put `files` (all below `in/`) in their place, before the container is created; the spec that mounts them.

        Raises StoreError and EngineErrors; nothing is left behind then.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove_quietly, engine)
            prepared = self._prepared(engine, spec, files)
            undo.pop_all()
        return prepared

    def _prepared(self, engine: Engine, spec: ContainerSpec, files: Mapping[str, bytes]) -> ContainerSpec:
        if self.local:
            self._write(files)
            mount = Mount(source=str(self.folder / "in"), target=IN, read_only=True)
            tools = Mount(source=str(self.tools.folder()), target=TOOLS, read_only=True)
            spec = replace(spec, mounts=(*spec.mounts, mount, tools))
        else:
            self._fill(engine, spec, files)
            spec = replace(spec, read_only_volumes={**spec.read_only_volumes, self._inputs: IN})
        if self.kind == "task":
            return replace(spec, open_memory_folders={**spec.open_memory_folders, STATE: STATE_MIB})
        engine.create_volume(self._state, self._labels())
        return replace(spec, empty_volumes={**spec.empty_volumes, self._state: STATE})

    def _remove_quietly(self, engine: Engine) -> None:
        with contextlib.suppress(EngineError):
            self.remove(engine)

    def read_state(self, engine: Engine, container: str, name: str) -> bytes | None:
        """What an ended build's launcher wrote down; None if it is not there. Raises FileRefused, EngineErrors."""
        return read_state(engine, container, name)

    def remove(self, engine: Engine) -> None:
        """Remove what belongs to the container, after it is gone itself."""
        if self.local:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            engine.remove_volume(self._inputs)
        if self.kind == "build":
            engine.remove_volume(self._state)

    def _write(self, files: Mapping[str, bytes]) -> None:
        try:
            for name, data in files.items():
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.write_bytes(data)
                path.chmod(0o600)
            self.folder.chmod(0o700)
        except OSError as error:
            raise StoreError(
                f"The control folder {self.folder} cannot be written: {error.strerror}.",
                "Check the free space and the rights of the application's folder.",
            ) from error

    def _fill(self, engine: Engine, spec: ContainerSpec, files: Mapping[str, bytes]) -> None:
        """The volume's files go through a container that never runs: in the real one they can only be read."""
        engine.create_volume(self._inputs, self._labels())
        name = f"{self.name}-fill"
        filler = ContainerSpec(
            name=name,
            image=spec.image,
            entrypoint=("/bin/sh",),
            labels={**self._labels(), CONTAINER_NAME: name},
            empty_volumes={self._inputs: IN},
            platform=spec.platform,
        )
        made = engine.create(filler)
        try:
            inside = {path.removeprefix("in/"): data for path, data in files.items()}
            inside |= {f"tools/{path}": data for path, data in self.tools.contents(engine.info().platform).items()}
            engine.put_tree(made, IN, inside, uid=self.uid, gid=self.gid)
        finally:
            engine.remove(made)

    def _labels(self) -> dict[str, str]:
        return {CONTAINER_KIND: CONTROL_KIND, CONTAINER_INSTANCE: self.instance}


def read_state(engine: Engine, container: str, name: str) -> bytes | None:
    """See `ControlFolder.read_state`; for a build that another process began."""
    return engine.get_file(container, f"{STATE}/{name}")


@dataclass(frozen=True, kw_only=True)
class ControlFolders:
    """Makes control folders for one engine and one person."""

    root: Path
    local: bool
    instance: str = ""

    @property
    def tools(self) -> HostTools:
        """The launcher's programs, for containers on this machine."""
        return HostTools.beside(self.root)

    def sweep(self, engine: Engine, name: str) -> None:
        """Remove what is left of a container's folders and volumes, once it is gone. Raises EngineErrors."""
        begin = f"{name[:48]}-"
        for folder in self.root.glob(f"{begin}*"):
            shutil.rmtree(folder, ignore_errors=True)
        for volume in engine.list_volumes({CONTAINER_KIND: CONTROL_KIND, CONTAINER_INSTANCE: self.instance}):
            if volume.name.startswith(begin):
                engine.remove_volume(volume.name)

    def named(self, name: str, *, uid: int, gid: int, kind: Literal["build", "task"] = "task") -> ControlFolder:
        """A folder of its own for each attempt: two that want the same container never share files."""
        unique = f"{name[:48]}-{secrets.token_hex(4)}"
        return ControlFolder(
            name=unique, root=self.root, local=self.local, uid=uid, gid=gid, instance=self.instance, kind=kind
        )
