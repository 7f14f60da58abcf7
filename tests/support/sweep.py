"""What a test session leaves in the engine is found by difference, and removed if it is the application's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from agents_runner.core import container as labels
from agents_runner.core.container import (
    CONTAINER_NAME,
    IMAGE_BASE,
    IMAGE_MANAGED,
    IMAGE_REF,
    NETWORK_KIND,
    VOLUME_NAME,
)
from tests.support.guests import Homes, Neighbour, is_others


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Everything that an engine holds, by id or name."""

    containers: tuple[str, ...]
    images: tuple[str, ...]
    ours: tuple[str, ...]
    """The application's own cached images: they may go at any time."""
    volumes: tuple[str, ...]
    networks: tuple[str, ...]


UNTAGGED = "<none>:<none>"
TEST_BASES = "agents-runner-test-"
"""Base images that tests make carry this in front of their names, and nobody else's do."""
TEST_LABEL = "agents-runner.test"
"""On the containers and images that tests make by hand."""
SESSION_BASE = TEST_BASES + "mini:"
"""The smallest base image, made anew for each session, so that no layer upon it is ever shared with a person."""
SESSION_LABEL = "agents-runner.session"
"""On that image: it gives it an id of its own."""
MADE = "made.json"
"""In a session's folder: the names of what it makes for all of its tests."""
MINI = "agents-runner-mini:"
"""The application's smallest base image. People's demos stand on it."""


def _tags(image: dict[str, Any]) -> list[str]:
    return image.get("RepoTags") or [UNTAGGED]


def look(client: docker.DockerClient, homes: Homes | None = None) -> Seen:
    """What there is; with `homes` without the containers and volumes of other installations."""
    api = client.api

    def shown(one: dict[str, Any]) -> bool:
        return homes is None or not is_others(one.get("Labels") or {}, homes)

    images, ours = [], []
    volumes = api.volumes()["Volumes"] or []
    for image in api.images():
        reference = (image.get("Labels") or {}).get(IMAGE_REF)
        for tag in _tags(image):
            # A layer of ours that lost its tag is still ours, not a person's.
            mine = tag == reference or (tag == UNTAGGED and reference)
            (ours if mine else images).append(f"{image['Id']} {tag}")
    return Seen(
        ours=tuple(sorted(ours + [one["Name"] for one in volumes if _is_cache(one)])),
        containers=tuple(sorted(one["Id"] for one in api.containers(all=True) if shown(one))),
        images=tuple(sorted(images)),
        volumes=tuple(sorted(one["Name"] for one in volumes if not _is_cache(one) and shown(one))),
        networks=tuple(sorted(one["Id"] for one in api.networks() if not _is_a_network_of_ours(one))),
    )


def _is_a_network_of_ours(network: dict[str, Any]) -> bool:
    """The one network that all installations on an engine share: made when it is needed, and nobody's own."""
    return NETWORK_KIND in (network.get("Labels") or {})


def remove_networks(client: docker.DockerClient) -> None:
    """Remove the application's network; to be called where nobody else uses the engine. One in use stays."""
    for one in client.api.networks():
        if _is_a_network_of_ours(one):
            with contextlib.suppress(docker.errors.APIError):
                client.api.remove_network(one["Id"])


def remove_new(client: docker.DockerClient, before: Seen, homes: Homes) -> None:
    """Remove what the session made and left: containers, caches, control volumes and layers of its homes.

    Of things without a home (made by a test with its own hands) those that stand on a base of the tests. Whatever
    another installation made meanwhile is a person's, and not touched.
    """
    bases = {image["Id"] for image in client.api.images() for tag in _tags(image) if tag.startswith(TEST_BASES)}
    _remove_containers(
        client,
        before,
        lambda one: _is_ours(one) and _is_of(homes, one.get("Labels"), on_a_base=one["ImageID"] in bases),
    )
    _remove_volumes(client, before, homes)
    _remove_images(client, set(before.ours), lambda values: _is_of(homes, values))


def _is_of(homes: Homes, values: dict[str, str] | None, *, on_a_base: bool = False) -> bool:
    values = values or {}
    names = (labels.CONTAINER_INSTANCE, labels.IMAGE_INSTANCE, labels.VOLUME_INSTANCE)
    instance = next((values[name] for name in names if values.get(name)), "")
    return homes.have(instance) if instance else on_a_base or _is_of_a_test(values)


def _remove_volumes(client: docker.DockerClient, before: Seen, homes: Homes) -> None:
    for one in client.api.volumes()["Volumes"] or []:
        values = one.get("Labels") or {}
        known = one["Name"] in before.ours or one["Name"] in before.volumes
        if not known and (_is_cache(one) or values.get(labels.CONTAINER_KIND)) and _is_of(homes, values):
            with contextlib.suppress(docker.errors.APIError):
                client.api.remove_volume(one["Name"])


def _is_ours(container: dict[str, Any]) -> bool:
    names = [name.lstrip("/") for name in container.get("Names") or []]
    return (container.get("Labels") or {}).get(CONTAINER_NAME) in names


def _remove_containers(client: docker.DockerClient, before: Seen, wanted: Callable[[dict[str, Any]], bool]) -> None:
    for one in client.api.containers(all=True):
        if one["Id"] not in before.containers and wanted(one):
            with contextlib.suppress(docker.errors.APIError):
                client.api.remove_container(one["Id"], force=True, v=True)


def _remove_caches(client: docker.DockerClient, before: Seen) -> None:
    """Those that say no home: a killed test's. Those of a home go with its own `clean`."""
    for one in client.api.volumes()["Volumes"] or []:
        nobodys = not (one.get("Labels") or {}).get(labels.VOLUME_INSTANCE)
        if _is_cache(one) and nobodys and one["Name"] not in before.ours:
            with contextlib.suppress(docker.errors.APIError):
                client.api.remove_volume(one["Name"])


def _is_cache(volume: dict[str, Any]) -> bool:
    """A package cache of the application's: like its images it may go at any time."""
    return bool((volume.get("Labels") or {}).get(VOLUME_NAME) == volume["Name"])


def _remove_images(client: docker.DockerClient, before: set[str], wanted: Callable[[dict[str, str]], bool]) -> None:
    """Remove those of the application's images that were not there before and whose labels are wanted."""
    for _ in range(20):
        gone = False
        for image in client.api.images(filters={"label": f"{IMAGE_MANAGED}=true"}):
            values = image.get("Labels") or {}
            if not wanted(values):
                continue
            for tag in _tags(image):
                mine = tag in (UNTAGGED, values.get(IMAGE_REF))
                if mine and f"{image['Id']} {tag}" not in before:
                    with contextlib.suppress(docker.errors.APIError):
                        client.api.remove_image(image["Id"] if tag == UNTAGGED else tag, noprune=False)
                        gone = True
        if not gone:
            return


def remove_leftovers(client: docker.DockerClient, kept: Iterable[str], spared: Seen | None = None) -> None:
    """Remove what a session left that could not end (a machine switched off): containers, layers, test bases.

    A layer of it would be a hit where a test expects a build, and a container of it is in every listing. Only what
    stands on a base image of the tests goes; of these bases stay those with a part of their name in `kept`, and
    nothing goes that is in `spared`. To be called where nobody else uses the engine.
    """
    before = spared or Seen(containers=(), images=(), ours=(), volumes=(), networks=())
    # A container that was made of an image's id, as builds are, does not say the tag.
    bases = {image["Id"] for image in client.api.images() for tag in _tags(image) if tag.startswith(TEST_BASES)}
    _remove_containers(client, before, lambda one: one["ImageID"] in bases or _is_of_a_test(one.get("Labels")))
    _remove_caches(client, before)
    _remove_images(client, set(before.ours), _is_of_a_test)
    images = set(before.images)
    for image in client.api.images():
        for tag in _tags(image):
            if f"{image['Id']} {tag}" in images:
                continue
            with contextlib.suppress(docker.errors.APIError):
                if tag.startswith(TEST_BASES) and not any(part in tag for part in kept):
                    remove_base(tag)
                elif _is_a_moved_tag(tag):
                    client.api.remove_image(tag)
                elif tag == UNTAGGED and _is_of_a_test(image.get("Labels")):
                    client.api.remove_image(image["Id"])


def _is_of_a_test(values: dict[str, str] | None) -> bool:
    """Whether the tests made it by hand, or upon one of their base images."""
    values = values or {}
    return TEST_LABEL in values or values.get(IMAGE_BASE, "").startswith(TEST_BASES)


def _is_a_moved_tag(tag: str) -> bool:
    """A tag of the mini base that a test moves about: the application's own says its content, in hexadecimal."""
    return tag.startswith(MINI) and not re.fullmatch("[0-9a-f]{12}", tag.removeprefix(MINI))


def remove_base(ref: str) -> None:
    """Remove a base image that a test made, and first the layers of ours upon it: else it would stay, untagged."""
    client = docker.from_env()
    try:
        standing = [client.api.inspect_image(ref)["Id"]]
        ours = client.api.images(filters={"label": f"{IMAGE_MANAGED}=true"}, all=True)
        parents = {one["Id"]: one["ParentId"] for one in ours}
        for image in standing:
            standing += [child for child, parent in parents.items() if parent == image]
        for image in reversed(standing[1:]):
            with contextlib.suppress(docker.errors.NotFound):
                client.api.remove_image(image, force=True, noprune=True)
        client.api.remove_image(ref)
    finally:
        client.close()


def foreign_differences(before: Seen, after: Seen, allowed: Iterable[str] = (), *, alone: bool = False) -> list[str]:
    """What appeared or vanished and may not; base images that are kept are `allowed` by a part of their name.

    Where nobody else uses the engine (`alone`), nothing new may be there either.
    """
    found = []
    for kind in ("containers", "images", "volumes", "networks"):
        changed = set(getattr(before, kind)) - set(getattr(after, kind))
        if alone:
            changed |= set(getattr(after, kind)) - set(getattr(before, kind))
        found += [f"{kind}: {one}" for one in sorted(changed) if not any(part in one for part in allowed)]
    return found


def main(folder: str) -> None:
    """After a killed test run: remove what it made. `folder` holds the look from its beginning."""
    path = Path(folder) / "before.json"
    if not path.exists():
        return
    before = Seen(**{name: tuple(value) for name, value in json.loads(path.read_text()).items()})
    client = docker.from_env()
    try:
        _end_processes(Path(folder))
        remove_new(client, before, Homes(Path(folder)))
        _remove_made(client, Path(folder) / MADE)
    finally:
        client.close()


def _end_processes(folder: Path) -> None:
    """End the application's processes of the session's homes: one that is detached goes on, and makes containers."""
    home = f"AGENTS_RUNNER_HOME={folder}/".encode()
    for one in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if any(variable.startswith(home) for variable in one.read_bytes().split(b"\0")):
                os.kill(int(one.parent.name), signal.SIGKILL)


def _remove_made(client: docker.DockerClient, path: Path) -> None:
    """What a session makes for all of its tests: it bears no home, or that of a neighbour who does not exist."""
    try:
        made = json.loads(path.read_text())
    except (OSError, ValueError):
        return
    Neighbour.of(client, made["neighbour"]).remove()
    with contextlib.suppress(docker.errors.APIError):
        remove_base(made["base"])


def save(seen: Seen, folder: str) -> None:
    (Path(folder) / "before.json").write_text(json.dumps(asdict(seen)))


def save_made(folder: str, *, base: str, neighbour: str) -> None:
    """Note the names before there is anything: whoever sweeps after a kill knows them."""
    (Path(folder) / MADE).write_text(json.dumps({"base": base, "neighbour": neighbour}))


if __name__ == "__main__":
    main(sys.argv[1])
