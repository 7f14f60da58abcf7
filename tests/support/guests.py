"""Tests are guests on an engine: which things are of the homes that this session made, and which of other people."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Things of another installation, and a person's own, that must be there unharmed when the session ends.

    The other installation's task runs all that time.
    """

    client: docker.DockerClient
    name: str

    @classmethod
    def of(cls, client: docker.DockerClient, name: str) -> Neighbour:
        """The things of that name, of which none need be there."""
        return cls(client=client, name=name)

    @property
    def _things(self) -> tuple[tuple[Any, str], ...]:
        client, name = self.client, self.name
        return (
            (client.containers, name),
            (client.containers, f"agents-runner-task-{name}"),
            (client.images, f"agent-runner-env:{name}"),
            (client.volumes, f"{name}-data"),
            (client.volumes, f"agents-runner-cache-{name}"),
        )

    def make(self, base: str) -> None:
        """Make all of them, the layer upon this base image; none is left where one cannot be made."""
        api = self.client.api
        instance = secrets.token_hex(6)
        (_, plain), (_, task), (_, image), (_, volume), (_, cache) = self._things
        marks = {
            labels.IMAGE_MANAGED: "true",
            labels.IMAGE_REF: image,
            labels.IMAGE_BASE: "debian:bookworm",
            labels.IMAGE_INSTANCE: instance,
        }
        own = {
            labels.CONTAINER_KIND: "task",
            labels.CONTAINER_NAME: task,
            labels.CONTAINER_INSTANCE: instance,
        }
        try:
            mother = api.create_container(base, ["true"], name=plain)["Id"]
            changes = [f'LABEL "{name}"="{value}"' for name, value in marks.items()]
            api.commit(mother, *image.split(":"), changes="\n".join(changes))
            api.start(api.create_container(image, ["sleep", "infinity"], name=task, labels=own))
            api.create_volume(volume)
            api.create_volume(cache, labels={labels.VOLUME_NAME: cache, labels.VOLUME_INSTANCE: instance})
        except BaseException:
            self.remove()
            raise

    def missing(self) -> list[str]:
        """What is not there any more, or does not run as it did."""
        present = self.present()
        gone = [name for _, name in self._things if name not in present]
        return gone or ([] if self._runs() else [f"agents-runner-task-{self.name} has ended"])

    def _runs(self) -> bool:
        """Whether the task goes on: nobody starts one anew that has ended."""
        return bool(self.client.containers.get(f"agents-runner-task-{self.name}").attrs["State"]["Running"])

    def present(self) -> list[str]:
        """What of it is there."""
        found = []
        for things, name in self._things:
            with contextlib.suppress(docker.errors.NotFound):
                things.get(name)
                found.append(name)
        return found

    def remove(self) -> None:
        """Take it all away again, as far as it is there."""
        api = self.client.api
        (_, plain), (_, task), (_, image), (_, volume), (_, cache) = self._things
        for box in (task, plain):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_container(box, force=True)
        with contextlib.suppress(docker.errors.APIError):
            api.remove_image(image)
        for name in (volume, cache):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(name)


@contextlib.contextmanager
def neighbour(client: docker.DockerClient, name: str, base: str) -> Iterator[Neighbour]:
    made = Neighbour.of(client, name)
    made.make(base)
    try:
        yield made
    finally:
        made.remove()
