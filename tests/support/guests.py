"""Tests are guests on an engine: which things are of the homes that this session made, and which of other people."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import docker.errors

from agents_runner.core import container as labels
from agents_runner.core.container import ContainerState, ImageInfo, VolumeInfo
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.engine.endpoint import resolve

USER_FOLDERS = ("/var/tmp", "agents-runner-user-")
"""Where the homes of the ordinary user are, and how their folders' names begin."""
OURS = ("io.agents-runner.", "agents-runner.")
"""How the names of the application's and of the tests' labels begin."""
ALONE = os.environ.get("CI") == "true"
_INSTANCE = re.compile(rb"[0-9a-f]{12}\s*\Z")


class Homes:
    """The homes of the application below a session's own folders, each with its instance."""

    def __init__(self, *roots: Path) -> None:
        self._roots = roots
        self._known: dict[str, bool] = {}

    def have(self, instance: str) -> bool:
        """True for the instance of a home that this session made.

        A home is older than anything that carries its instance: what is not found once will never be.
        """
        if not instance:
            return False
        if instance not in self._known:
            self.look()
        return self._known.setdefault(instance, False)

    def look(self) -> None:
        """Note all homes that there are; to be called before one is removed as well."""
        folder, start = USER_FOLDERS
        with contextlib.suppress(OSError):
            users = [one for one in Path(folder).iterdir() if one.name.startswith(start)]
            for root in (*self._roots, *users):
                self._note(root)

    def _note(self, root: Path) -> None:
        for folder, _, names in os.walk(root):
            if "instance" in names:
                with contextlib.suppress(OSError):
                    data = (Path(folder) / "instance").read_bytes()[:20]
                    if _INSTANCE.match(data):
                        self._known[data.decode().strip()] = True


def is_others(values: Mapping[str, str], homes: Homes) -> bool:
    """True for what an installation made that is none of this session's."""
    names = (labels.CONTAINER_INSTANCE, labels.IMAGE_INSTANCE, labels.VOLUME_INSTANCE)
    # A container says its own; that of its image, which it inherited, counts only where it has none.
    instance = next((values[name] for name in names if values.get(name)), "")
    return bool(instance) and not homes.have(instance)


class GuestEngine(DockerEngine):
    """The real engine without what other installations have on it: a person's task is in no test's listing."""

    def __init__(self, homes: Homes) -> None:
        super().__init__(resolve(""))
        self._homes = homes
        self.base = ""
        """The session's own base image."""

    def list_containers(self, labels: Mapping[str, str], *, running_only: bool = False) -> list[ContainerState]:
        found = super().list_containers(labels, running_only=running_only)
        return [one for one in found if self._is_shown(one.labels, asked=labels)]

    def list_images(self, labels: Mapping[str, str] | None = None) -> list[ImageInfo]:
        return [one for one in super().list_images(labels) if self._is_shown(one.labels, asked=labels)]

    def list_volumes(self, labels: Mapping[str, str]) -> list[VolumeInfo]:
        return [one for one in super().list_volumes(labels) if self._is_shown(one.labels, asked=labels)]

    def _is_shown(self, values: Mapping[str, str], *, asked: Mapping[str, str] | None) -> bool:
        """Without a question by label, what bears none of ours is a person's; in CI nobody is beside the tests."""
        if is_others(values, self._homes):
            return False
        return bool(asked) or ALONE or any(name.startswith(OURS) for name in values)


class Neighbour:
    """Things of another installation, and a person's own, that must be there unharmed when the session ends."""

    def __init__(self, client: docker.DockerClient, base: str) -> None:
        self._client = client
        self._name = f"neighbour-{secrets.token_hex(4)}"
        self._instance = secrets.token_hex(6)
        api = client.api
        self._image = f"agent-runner-env:{self._name}"
        marks = {
            labels.IMAGE_MANAGED: "true",
            labels.IMAGE_REF: self._image,
            labels.IMAGE_BASE: "debian:bookworm",
            labels.IMAGE_INSTANCE: self._instance,
        }
        self._plain, self._task = self._name, f"agents-runner-task-{self._name}"
        self._volume, self._cache = f"{self._name}-data", f"agents-runner-cache-{self._name}"
        try:
            mother = api.create_container(base, ["true"], name=self._plain)["Id"]
            changes = [f'LABEL "{name}"="{value}"' for name, value in marks.items()]
            api.commit(mother, *self._image.split(":"), changes="\n".join(changes))
            own = {
                labels.CONTAINER_KIND: "task",
                labels.CONTAINER_NAME: self._task,
                labels.CONTAINER_INSTANCE: self._instance,
            }
            api.create_container(self._image, ["true"], name=self._task, labels=own)
            api.create_volume(self._volume)
            api.create_volume(
                self._cache, labels={labels.VOLUME_NAME: self._cache, labels.VOLUME_INSTANCE: self._instance}
            )
        except BaseException:
            self.remove()
            raise

    def missing(self) -> list[str]:
        """What is not there any more."""
        client = self._client
        wanted = (
            (client.containers, self._plain),
            (client.containers, self._task),
            (client.images, self._image),
            (client.volumes, self._volume),
            (client.volumes, self._cache),
        )
        gone = []
        for things, name in wanted:
            try:
                things.get(name)
            except docker.errors.NotFound:
                gone.append(name)
        return gone

    def remove(self) -> None:
        """Take it all away again."""
        api = self._client.api
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(self._task, force=True)
        with contextlib.suppress(docker.errors.APIError):
            api.remove_container(self._plain, force=True)
        with contextlib.suppress(docker.errors.APIError):
            api.remove_image(self._image)
        for name in (self._volume, self._cache):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(name)


@contextlib.contextmanager
def neighbour(client: docker.DockerClient, base: str) -> Iterator[Neighbour]:
    made = Neighbour(client, base)
    try:
        yield made
    finally:
        made.remove()
