"""What killed processes left: containers of builds, of ended tasks and of the bench, control folders and volumes."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from agents_runner.containers.control_folder import CONTROL_KIND
from agents_runner.containers.tools import HostTools
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerState, build_container
from agents_runner.core.errors import EngineError
from agents_runner.engine.port import Engine
from agents_runner.images.sharing import BuildCoordinator

LeftoverKind = Literal["container", "folder", "volume", "network", "tools"]
_CONTROL = re.compile(r"(agents-runner-(build|task)-([0-9a-f]{12,64}))-[0-9a-z-]+\Z")
"""The name of a control folder or volume: that of its container, perhaps cut, and a part of its own."""
TOOLS_KEPT_S = 7 * 86400.0
"""Seconds since their last use after which the launcher's programs go: another version may be about to mount them."""
_TOOLS_MOUNTED_S = 3600.0
"""Seconds after their last use within which a container that mounts them was made at the latest."""
log = logging.getLogger(__name__)


class LiveWork(Protocol):
    """What the records say about tasks; every method raises StoreError where they cannot be read."""

    def is_at_work(self, task_id: str) -> bool:
        """True for a task that has not ended and that a living process has, or is about to have."""
        ...

    def is_over(self, task_id: str) -> bool:
        """True for a task that is recorded as ended and whose process has ended as well."""
        ...

    def has_process(self, number: int) -> bool:
        """True while the application's process of this number lives."""
        ...

    def wanted_environments(self) -> frozenset[str]:
        """Ids of the environments whose layers a task still waits for, or will when it is resumed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing that nobody looks after any more."""

    kind: LeftoverKind
    name: str
    id: str = ""
    """Of a container: the engine's id. By its name another one could be met that was made meanwhile."""
    container: str = ""
    """Name of the container that a folder or volume belongs to, where that container is there."""
    key: str = ""
    """Of a build: the layer's key."""
    environment: str = ""
    """Of a build: the id of the environment that it was made for."""
    usable: bool = False
    """A build that runs still or has succeeded: whoever wants its layer can have it."""
    age_s: float = 0.0
    """Of a build: seconds since its start, by the engine's clock."""


def find(
    engine: Engine, run_dir: Path, *, coordinator: BuildCoordinator, work: LiveWork, instance: str
) -> tuple[Leftover, ...]:
    """Everything of this installation that is left, containers first. Raises EngineErrors and StoreError.

    Folders and volumes are listed before the containers, and those before the locks and records are looked at: what
    appears meanwhile is not on the list, and what is on it has had its lock or its record ever since it was made.
    """
    if not instance:
        return ()
    folders = _control_folders(run_dir)
    ours = {labels.CONTAINER_KIND: CONTROL_KIND, labels.CONTAINER_INSTANCE: instance}
    volumes = sorted(one.name for one in engine.list_volumes(ours))
    containers = [one for one in engine.list_containers({labels.CONTAINER_INSTANCE: instance}) if _is_ours(one)]
    clock = engine.clock() if containers else 0.0
    wanted = work.wanted_environments()
    left = []
    for state in sorted(containers, key=lambda one: one.name):
        if _is_left(state, coordinator=coordinator, work=work, wanted=wanted):
            # A listing says neither how it ended nor when it started.
            left.append(_leftover(engine.inspect(state.id) or state, clock))
    gone = frozenset(one.name for one in left)
    names = [state.name for state in containers]
    things = [("folder", name) for name in folders] + [("volume", name) for name in volumes]
    for kind, name in things:
        owners = _owners(name, names)
        if (owners and gone.issuperset(owners)) or not (owners or _is_had(name, coordinator=coordinator, work=work)):
            container = owners[0] if owners else ""
            left.append(Leftover(kind="folder" if kind == "folder" else "volume", name=name, container=container))
    return (*left, *_old_tools(run_dir, [state.created for state in containers], time.time()))


def _old_tools(run_dir: Path, made: Collection[float], now: float) -> Iterator[Leftover]:
    """Sets of the launcher's programs as the machine had them once; `made` is when each container was."""
    for name, used in HostTools.beside(run_dir).unused(now - TOOLS_KEPT_S):
        if all(created > used + _TOOLS_MOUNTED_S for created in made):
            yield Leftover(kind="tools", name=name)


def unused_networks(engine: Engine, leaving: Collection[str] = ()) -> tuple[Leftover, ...]:
    """The network that tasks share, where no container is on it but those `leaving` (names). Raises EngineErrors.

    It is every installation's on this engine; a task that was about to use it makes it again.
    """
    return tuple(
        Leftover(kind="network", name=one.name)
        for one in engine.list_networks(labels.APART_LABELS)
        if one.name == labels.APART_NETWORK and set(one.containers) <= set(leaving)
    )


def remove(
    engine: Engine, run_dir: Path, leftovers: Iterable[Leftover], *, coordinator: BuildCoordinator
) -> tuple[Leftover, ...]:
    """Remove these, in their order; returns those that are gone. What cannot be removed stays for the next time."""
    removed = []
    for one in leftovers:
        try:
            if _removed(engine, run_dir, one, coordinator):
                removed.append(one)
        except EngineError as error:
            log.warning("the %s %s of an ended process stays: %s", one.kind, one.name, error)
    return tuple(removed)


def _control_folders(run_dir: Path) -> list[str]:
    try:
        return sorted(one.name for one in run_dir.iterdir() if _CONTROL.match(one.name) and not one.is_symlink())
    except OSError:
        return []


def _is_ours(state: ContainerState) -> bool:
    """A container that somebody made of a committed one of ours inherits the labels, but has another name."""
    return state.labels.get(labels.CONTAINER_NAME) == state.name


def _is_left(state: ContainerState, *, coordinator: BuildCoordinator, work: LiveWork, wanted: frozenset[str]) -> bool:
    kind, key = state.labels.get(labels.CONTAINER_KIND), state.labels.get(labels.CONTAINER_KEY, "")
    if kind == "task":
        # Also one that runs: an engine that did not answer when it was to be stopped left it to its secrets.
        return work.is_over(state.labels.get(labels.CONTAINER_TASK, ""))
    if kind == "mend":
        # What mends a live folder after a task is short, and belongs to that task's process.
        return not state.running and work.is_over(state.labels.get(labels.CONTAINER_TASK, ""))
    if kind == "bench":
        owner = state.labels.get(labels.CONTAINER_OWNER, "")
        return owner.isdecimal() and not work.has_process(int(owner))
    if kind == CONTROL_KIND:
        # It is there for a moment only, to fill a volume on a remote engine.
        return not _is_had(state.name, coordinator=coordinator, work=work)
    return (
        kind == "build"
        and state.name == build_container(key)
        and state.labels.get(labels.CONTAINER_ENVIRONMENT, "") not in wanted
        and not coordinator.is_busy(key)
    )


def _leftover(state: ContainerState, clock: float) -> Leftover:
    key = state.labels.get(labels.CONTAINER_KEY, "")
    return Leftover(
        kind="container",
        name=state.name,
        id=state.id,
        container=state.name,
        key=key,
        environment=state.labels.get(labels.CONTAINER_ENVIRONMENT, ""),
        usable=bool(key) and (state.running or (state.ended and state.exit_code == 0)),
        age_s=max(0.0, clock - state.started) if state.started else 0.0,
    )


def _owners(name: str, containers: Iterable[str]) -> list[str]:
    """The containers that a control folder or volume belongs to, as far as they are there."""
    match = _CONTROL.match(name)
    start = match[1] if match else name
    return [one for one in containers if one.startswith(start)]


def _is_had(name: str, *, coordinator: BuildCoordinator, work: LiveWork) -> bool:
    """True for what belongs to a build or task that a living process has; and for what only looks like ours."""
    match = _CONTROL.match(name)
    if match is None:
        return True
    return coordinator.is_busy(match[3]) if match[2] == "build" else work.is_at_work(match[3])


def _removed(engine: Engine, run_dir: Path, one: Leftover, coordinator: BuildCoordinator) -> bool:
    match one.kind:
        case "folder":
            folder = run_dir / one.name
            shutil.rmtree(folder, ignore_errors=True)
            return not folder.exists()
        case "tools":
            return HostTools.beside(run_dir).remove(one.name)
        case "container":
            return _container_removed(engine, one, coordinator)
        case "volume":
            engine.remove_volume(one.name)
        case "network":
            engine.remove_network(one.name)
    return True


def _container_removed(engine: Engine, one: Leftover, coordinator: BuildCoordinator) -> bool:
    if not one.key:
        engine.remove(one.id)
        return True
    # Under the lock: whoever wants the layer meanwhile waits for it, or has it and keeps it.
    with coordinator.claim(one.key) as mine:
        if not mine or coordinator.has_waiters(one.key):
            return False
        engine.remove(one.id)
    return True
