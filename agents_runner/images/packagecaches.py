"""Package caches: one volume an environment, mounted while its layers are built, never part of an image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents_runner.core import container as labels
from agents_runner.core.container import VolumeInfo
from agents_runner.core.errors import EngineRefused
from agents_runner.core.imageplan import sha256
from agents_runner.core.task_plan import CONTROL_PATH
from agents_runner.engine.port import Engine
from agents_runner.store import locks

MOUNTED_AT = CONTROL_PATH + "/caches"
KIND = "packages"
SIZES_PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class PackageCache:
    """One of our volumes; `size` in bytes, 0 where the engine does not know it."""

    name: str
    environment: str
    """The environment's id."""
    instance: str
    created: float
    size: int
    users: tuple[str, ...] = ()
    """Names of the containers that have it mounted."""


def volume_name(instance: str, environment_id: str) -> str:
    """The volume's name is one installation's for one environment: no script reaches another environment's builds."""
    return f"agents-runner-cache-{instance}-{sha256(environment_id.encode())[:12]}"


@contextmanager
def held(engine: Engine, root: Path, *, instance: str, environment_id: str) -> Iterator[str]:
    """The environment's volume, made if it is not there, for this build alone; "" while another build has it.

    Package managers lock their folders: two builds on one volume would fail or wait for each other. The file lock
    is for the builds of live processes, the look at the engine for those whose process died. `root` is private.
    """
    name = volume_name(instance, environment_id)
    lock = locks.take(root / f"{name}.lock")
    if lock is None:
        yield ""
        return
    with lock:
        if _users(engine, name):
            yield ""
            return
        values = {
            labels.VOLUME_KIND: KIND,
            labels.VOLUME_NAME: name,
            labels.VOLUME_ENVIRONMENT: environment_id,
            labels.VOLUME_INSTANCE: instance,
        }
        engine.create_volume(name, values)
        # A volume of that name that somebody else made is left alone.
        yield name if any(one.name == name for one in engine.list_volumes(values)) else ""


def _users(engine: Engine, name: str) -> tuple[str, ...]:
    """Containers, ended ones too: their build may still be finished by another process."""
    found = engine.list_containers({labels.CONTAINER_CACHE: name})
    return tuple(sorted(one.name for one in found if one.labels.get(labels.CONTAINER_NAME) == one.name))


def find_caches(engine: Engine) -> tuple[PackageCache, ...]:
    """All of ours, by name. Sizes take the engine some time, so they are asked for only if there are caches."""
    found = [one for one in engine.list_volumes({labels.VOLUME_KIND: KIND}) if _is_ours(one)]
    known = _sizes(engine) if found else {}
    return tuple(
        PackageCache(
            name=one.name,
            environment=one.labels.get(labels.VOLUME_ENVIRONMENT, ""),
            instance=one.labels.get(labels.VOLUME_INSTANCE, ""),
            created=one.created,
            size=known.get(one.name, 0),
            users=_users(engine, one.name),
        )
        for one in sorted(found, key=lambda one: one.name)
    )


def _sizes(engine: Engine) -> Mapping[str, int]:
    """Older engines refuse to measure while they do so for somebody else: asked again for a while, then unknown."""
    deadline = time.monotonic() + SIZES_PATIENCE_S
    while True:
        try:
            return engine.volume_sizes()
        except EngineRefused:
            if time.monotonic() >= deadline:
                return {}
        time.sleep(0.1)


def _is_ours(volume: VolumeInfo) -> bool:
    return volume.labels.get(labels.VOLUME_NAME) == volume.name
