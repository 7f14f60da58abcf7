"""How the launcher's files reach a container: a bind mount on a local engine, a volume on a remote one."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agents_runner.core.container import CONTAINER_INSTANCE, CONTAINER_KIND, ContainerSpec
from agents_runner.core.errors import StoreError
from agents_runner.core.mounts import Mount
from agents_runner.core.task_plan import CONTROL_PATH
from agents_runner.engine.port import Engine
from agents_runner.launcher.files import IN, STATE


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

    @property
    def folder(self) -> Path:
        return self.root / self.name

    def prepare(self, engine: Engine, spec: ContainerSpec, files: Mapping[str, bytes]) -> ContainerSpec:
        """Before the container is created: the files on disk (or a volume), and the spec that mounts them."""
        if not self.local:
            engine.create_volume(self.name, {CONTAINER_KIND: "control", CONTAINER_INSTANCE: self.instance})
            return replace(spec, volumes={**spec.volumes, self.name: CONTROL_PATH})
        self._write(files)
        ours = (
            Mount(source=str(self.folder / "in"), target=IN, read_only=True),
            Mount(source=str(self.folder / "state"), target=STATE),
        )
        return replace(spec, mounts=(*spec.mounts, *ours))

    def deliver(self, engine: Engine, container: str, files: Mapping[str, bytes]) -> None:
        """After it is created, before it is started: on a remote engine the files go into the volume."""
        if not self.local:
            engine.put_tree(container, CONTROL_PATH, files, uid=self.uid, gid=self.gid)

    def read_state(self, engine: Engine, container: str, name: str) -> bytes | None:
        """A file that the launcher left behind; on a local engine without asking the engine for it."""
        if not self.local:
            return engine.get_file(container, f"{STATE}/{name}")
        try:
            return (self.folder / "state" / name).read_bytes()
        except OSError:
            return None

    def _write(self, files: Mapping[str, bytes]) -> None:
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
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

    def remove(self, engine: Engine) -> None:
        """After the container is gone."""
        if self.local:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            engine.remove_volume(self.name)


@dataclass(frozen=True, kw_only=True)
class ControlFolders:
    """Makes control folders for one engine and one person."""

    root: Path
    local: bool
    instance: str = ""

    def sweep(self, name: str) -> None:
        """Remove what is left of a container's folders, once it is gone; a remote engine's volumes went with it."""
        for folder in self.root.glob(f"{name[:48]}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def named(self, name: str, *, uid: int, gid: int) -> ControlFolder:
        """A folder of its own for each attempt: two that want the same container never share files."""
        unique = f"{name[:48]}-{secrets.token_hex(4)}"
        return ControlFolder(name=unique, root=self.root, local=self.local, uid=uid, gid=gid, instance=self.instance)
