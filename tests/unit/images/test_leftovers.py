"""M1: what killed processes left is found and goes; what somebody has, waits for or may come back to stays."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents_runner.containers.tools import HostTools
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerSpec, build_container, task_container
from agents_runner.core.errors import EngineRefused
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.images import leftovers
from agents_runner.images.sharing import FileLockCoordinator, SoloCoordinator
from agents_runner.store.database import Database
from agents_runner.store.image_uses import ImageUses
from agents_runner.store.paths import Paths
from tests.support.waiting import until

OURS, THEIRS = "0123456789ab", "ba9876543210"
KEY = "a1" * 32
TASK = "00112233aabb"


@dataclass
class Work:
    at_work: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)

    def is_at_work(self, task_id: str) -> bool:
        return task_id in self.at_work

    def is_over(self, task_id: str) -> bool:
        return task_id in self.over

    def has_process(self, number: int) -> bool:
        return number in self.processes

    def wanted_environments(self) -> frozenset[str]:
        return frozenset(self.wanted)


@dataclass
class World:
    engine: FakeEngine
    run_dir: Path
    coordinator: FileLockCoordinator
    go: threading.Event
    work: Work = field(default_factory=Work)

    def build(self, key: str = KEY, *, instance: str = OURS, name: str = "", state: str = "exited") -> str:
        """A build's container: `created`, `running`, `exited` well, or `failed`."""
        values = {
            labels.CONTAINER_KIND: "build",
            labels.CONTAINER_KEY: key,
            labels.CONTAINER_NAME: build_container(key),
            labels.CONTAINER_ENVIRONMENT: "e",
            labels.CONTAINER_INSTANCE: instance,
        }
        return self._made(name or build_container(key), values, state)

    def task(self, task_id: str = TASK, *, state: str = "exited") -> str:
        values = {
            labels.CONTAINER_KIND: "task",
            labels.CONTAINER_TASK: task_id,
            labels.CONTAINER_NAME: task_container(task_id),
            labels.CONTAINER_INSTANCE: OURS,
        }
        return self._made(task_container(task_id), values, state)

    def mend(self, *, state: str = "exited") -> str:
        """What mends a live folder after a task."""
        name = f"{task_container(TASK)}-mend"
        values = {
            labels.CONTAINER_KIND: "mend",
            labels.CONTAINER_TASK: TASK,
            labels.CONTAINER_NAME: name,
            labels.CONTAINER_INSTANCE: OURS,
        }
        return self._made(name, values, state)

    def bench(self, owner: str, *, state: str = "exited") -> str:
        values = {
            labels.CONTAINER_KIND: "bench",
            labels.CONTAINER_NAME: "agents-runner-bench-0a",
            labels.CONTAINER_INSTANCE: OURS,
            labels.CONTAINER_OWNER: owner,
        }
        return self._made("agents-runner-bench-0a", values, state)

    def _made(self, name: str, values: dict[str, str], state: str) -> str:
        made = self.engine.create(ContainerSpec(name=name, image="base", command=(state,), labels=values))
        if state != "created":
            self.engine.start(made)
        if state in ("exited", "failed"):
            until(lambda: self.engine.containers[made].state.ended)
        return name

    def folder(self, container: str, part: str = "0a1b2c3d") -> str:
        name = f"{container[:48]}-{part}"
        (self.run_dir / name / "in").mkdir(parents=True)
        return name

    def volume(self, container: str, *, instance: str = OURS, kind: str = "control") -> str:
        name = f"{container[:48]}-0a1b2c3d"
        self.engine.create_volume(name, {labels.CONTAINER_KIND: kind, labels.CONTAINER_INSTANCE: instance})
        return name

    def find(self) -> tuple[leftovers.Leftover, ...]:
        return leftovers.find(self.engine, self.run_dir, coordinator=self.coordinator, work=self.work, instance=OURS)

    def names(self) -> list[tuple[str, str]]:
        return [(one.kind, one.name) for one in self.find()]

    def remove(self) -> list[tuple[str, str]]:
        gone = leftovers.remove(self.engine, self.run_dir, self.find(), coordinator=self.coordinator)
        return [(one.kind, one.name) for one in gone]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    go = threading.Event()

    def program(spec: ContainerSpec, console: Console) -> int:
        if spec.command == ("running",):
            while not (go.wait(0.01) or console.stopped.is_set()):
                pass
        return int(spec.command == ("failed",))

    engine = FakeEngine(program)
    engine.add_image("base")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    database = Database(Paths(config=tmp_path, data=tmp_path))
    coordinator = FileLockCoordinator(root=run_dir / "builds", limit=2, failures=ImageUses(database=database))
    yield World(engine, run_dir, coordinator, go)
    go.set()
    database.close()


@pytest.mark.parametrize("state", ["created", "running", "exited", "failed"])
def test_m1_a_build_that_nobody_looks_after_is_left_with_all_that_belongs_to_it(world: World, state: str) -> None:
    box = world.build(state=state)
    folder, volume = world.folder(box), world.volume(box)
    (found, *_) = world.find()
    assert found.usable is (state in ("running", "exited"))
    assert (found.key, found.environment) == (KEY, "e")
    assert world.remove() == [("container", box), ("folder", folder), ("volume", volume)]
    assert world.engine.containers == {}
    assert world.engine.volumes == {}
    assert [one.name for one in world.run_dir.iterdir()] == ["builds"]
    assert world.find() == ()


def test_m1_a_build_that_is_claimed_or_waited_for_stays_whole(world: World) -> None:
    box = world.build(state="running")
    world.folder(box)
    world.volume(box)
    with world.coordinator.claim(KEY):
        assert world.find() == ()
    with world.coordinator.waiting(KEY):
        assert world.find() == ()
    assert len(world.find()) == 3


def test_m1_whoever_comes_for_a_build_between_the_look_and_the_removal_keeps_it(world: World) -> None:
    world.build(state="running")
    found = world.find()
    with world.coordinator.waiting(KEY):
        assert leftovers.remove(world.engine, world.run_dir, found, coordinator=world.coordinator) == ()
    with world.coordinator.claim(KEY):
        assert leftovers.remove(world.engine, world.run_dir, found, coordinator=world.coordinator) == ()
    assert len(world.engine.containers) == 1


def test_m1_a_container_of_the_same_name_that_was_made_meanwhile_stays(world: World) -> None:
    box = world.build()
    found = world.find()
    world.engine.remove(box)
    world.build(state="running")
    leftovers.remove(world.engine, world.run_dir, found, coordinator=world.coordinator)
    assert [one.spec.name for one in world.engine.containers.values()] == [box]


def test_m1_a_build_that_a_task_may_come_back_to_stays(world: World) -> None:
    """Of a task that waits, or that was left on purpose: the next start adopts it."""
    box = world.build(state="running")
    world.folder(box)
    world.work.wanted = {"e"}
    assert world.find() == ()


def test_m1_nothing_of_others_is_ever_seen(world: World) -> None:
    """Another installation's, a container that inherited our labels, and volumes of other kinds."""
    world.build(instance=THEIRS)
    world.build("b2" * 32, name="somebodys")
    world.volume(build_container(KEY), instance=THEIRS)
    world.volume(build_container("c3" * 32), kind="packages")
    for name in ("builds", "owners", "caches", "somebodys-folder", "agents-runner-build-x", "window"):
        (world.run_dir / name).mkdir()
    (world.run_dir / f"agents-runner-build-{KEY[:28]}-0a1b2c3d").symlink_to(world.run_dir / "owners")
    assert world.find() == ()
    nobody = leftovers.find(world.engine, world.run_dir, coordinator=world.coordinator, work=world.work, instance="")
    assert nobody == ()


def test_m1_folders_without_a_container_go_unless_somebody_is_about_to_make_it(world: World) -> None:
    build, task = world.folder(build_container(KEY)), world.folder(task_container(TASK))
    volume = world.volume(build_container(KEY))
    with world.coordinator.claim(KEY):
        world.work.at_work = {TASK}
        assert world.find() == ()
        world.work.at_work = set()
        assert world.names() == [("folder", task)]
    assert world.remove() == [("folder", build), ("folder", task), ("volume", volume)]


def test_m1_a_tasks_container_goes_only_once_its_task_and_its_process_are_over(world: World) -> None:
    box = world.task()
    folder = world.folder(box)
    assert world.find() == (), "nobody knows what became of it"
    world.work.at_work = {TASK}
    assert world.find() == ()
    world.work = Work(over={TASK})
    assert world.remove() == [("container", box), ("folder", folder)]
    world.work = Work()
    box = world.task(state="running")
    assert world.find() == (), "it runs, and so does its task"
    world.work = Work(over={TASK})
    assert world.remove() == [("container", box)], "the engine did not answer when it was to be stopped"


@pytest.mark.parametrize("state", ["created", "exited", "failed"])
def test_m1_what_mended_a_folder_goes_with_what_its_task_left(world: World, state: str) -> None:
    box = world.mend(state=state)
    folder = world.folder(task_container(TASK))
    world.work.at_work = {TASK}
    assert world.find() == (), "its process lives and removes it"
    world.work = Work(over={TASK})
    assert world.remove() == [("container", box), ("folder", folder)]
    assert world.engine.containers == {}
    world.mend(state="running")
    assert world.find() == (), "it ends by itself"


@pytest.mark.parametrize("state", ["created", "running", "exited", "failed"])
def test_m1_what_a_killed_bench_left_goes_once_its_process_is_dead(world: World, state: str) -> None:
    box = world.bench("17", state=state)
    world.work.processes = {17}
    assert world.find() == (), "its process removes it"
    world.work.processes = {18}
    assert world.remove() == [("container", box)]
    assert world.engine.containers == {}


@pytest.mark.parametrize("owner", ["", "-1", "../x", "1e3"])
def test_m1_a_bench_that_names_no_process_is_none_of_ours(world: World, owner: str) -> None:
    world.bench(owner)
    assert world.find() == ()


def test_m1_what_cannot_be_removed_stays_for_the_next_time(world: World) -> None:
    box = world.build()
    folder = world.folder(box)
    world.volume(box)
    world.engine.failures.append(("remove_volume", EngineRefused("volume is in use")))
    assert world.remove() == [("container", box), ("folder", folder)]
    assert [kind for kind, _ in world.names()] == ["volume"]


def test_m1_where_nobody_can_know_who_builds_nothing_goes(world: World) -> None:
    world.folder(world.build())
    found = leftovers.find(world.engine, world.run_dir, coordinator=SoloCoordinator(), work=world.work, instance=OURS)
    assert found == ()


def test_the_network_of_all_tasks_goes_only_where_no_container_is_on_it(world: World) -> None:
    engine = world.engine
    assert leftovers.unused_networks(engine) == ()
    engine.ensure_network("agents-runner-apart", {labels.NETWORK_KIND: "another"})
    assert leftovers.unused_networks(engine) == (), "somebody else's"
    engine.remove_network("agents-runner-apart")
    engine.ensure_network(labels.APART_NETWORK, labels.APART_LABELS)
    engine.create(ContainerSpec(name="on-it", image="base", network=labels.APART_NETWORK))
    assert leftovers.unused_networks(engine) == ()
    assert [one.name for one in leftovers.unused_networks(engine, {"on-it"})] == [labels.APART_NETWORK]
    engine.remove("on-it")
    found = leftovers.unused_networks(engine)
    assert [(one.kind, one.name) for one in found] == [("network", labels.APART_NETWORK)]
    assert leftovers.remove(engine, world.run_dir, found, coordinator=world.coordinator) == found
    assert engine.networks == {}


DAY_S = 86400.0


def test_old_programs_of_the_launcher_go_when_no_container_can_have_them(world: World) -> None:
    tools = HostTools.beside(world.run_dir)
    present = tools.folder()
    assert present.stat().st_mtime > time.time() - 60, "it says when it was last asked for"

    def older(name: str, days: float) -> Path:
        folder = tools.root / name
        folder.mkdir()
        (folder / "bin").mkdir()
        os.utime(folder, (time.time() - days * DAY_S,) * 2)
        return folder

    old, left = older("0" * 32, 30), older(f".{'2' * 32}-0123abcd", 30)
    older("1" * 32, 6)
    older("a-persons", 30)
    os.utime(present, (0, 0))
    assert sorted(world.names()) == [("tools", left.name), ("tools", old.name)]
    # A container that runs since then may have it mounted; one that was made much later has not.
    world.engine.clock = lambda: time.time() - 30 * DAY_S + 60
    box = world.task(state="running")
    world.work.at_work.add(TASK)
    assert world.names() == []
    world.engine.remove(box)
    world.engine.clock = time.time
    world.task(state="running")
    assert sorted(world.remove()) == [("tools", left.name), ("tools", old.name)]
    assert sorted(one.name for one in tools.root.iterdir()) == sorted(
        ["1" * 32, "a-persons", "index.json", present.name]
    )


def test_programs_that_were_removed_are_there_again_when_they_are_asked_for(world: World) -> None:
    tools = HostTools.beside(world.run_dir)
    folder = tools.folder()
    assert tools.remove(folder.name)
    assert not tools.remove("../run")
    assert tools.folder() == folder
    assert (folder / "bin" / "bash").exists()
