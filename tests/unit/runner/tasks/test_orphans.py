"""Tasks whose process died or let go of them: who adopts which, and what becomes of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents_runner.core.container import task_container
from agents_runner.core.environment import FolderWorkspace
from agents_runner.core.events import Notice, TaskState
from agents_runner.engine.fake import Console
from agents_runner.runner.tasks.orphans import DETACH_PATIENCE_S, DETACHED
from tests.support.task_world import ENVIRONMENT, TaskWorld
from tests.support.waiting import until

DEAD = 2**22 - 1
"""The number of a process that nobody has."""


class Apart:
    """An `ApartPort` whose processes begin at once, and do nothing."""

    def __init__(self, world: TaskWorld) -> None:
        self.world = world
        self.tasks: list[str] = []

    def work_on(self, task_id: str) -> None:
        self.tasks.append(task_id)
        self.world.records.own(task_id, DEAD)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TaskWorld]:
    made = TaskWorld(tmp_path)
    yield made
    made.close()


def stays(begun: threading.Event, go_on: threading.Event) -> Callable[[Console], int]:
    def act(console: Console) -> int:
        console.write("at work\n")
        begun.set()
        while not (go_on.wait(0.01) or console.stopped.is_set()):
            pass
        return 0

    return act


def let_go(world: TaskWorld, *, ended: bool = False) -> str:
    """A task of a process that is gone, with its container running on, or ended since."""
    begun, go_on = threading.Event(), threading.Event()
    world.act = stays(begun, go_on)
    task = world.run()
    assert begun.wait(60)
    until(lambda: world.records.container_lines(task) not in (None, {}))
    first, world.runner = world.runner, world.new_runner()
    first.detach_all()
    world.records.own(task, DEAD)
    if ended:
        go_on.set()
        until(lambda: not world.engine.containers[_only(world)].state.running)
    return task


def _only(world: TaskWorld) -> str:
    (container,) = world.engine.containers
    return container


def test_one_that_runs_goes_to_a_process_of_its_own(world: TaskWorld) -> None:
    task, apart = let_go(world), Apart(world)
    assert world.runner.adopt_orphans(apart) == (task,)
    assert apart.tasks == [task]
    assert not world.records.get(task).state.final
    assert not world.runner.active_tasks()
    world.engine.remove(task_container(task))


def test_one_that_runs_is_resumed_here_where_nothing_is_apart(world: TaskWorld) -> None:
    task = let_go(world)
    assert world.runner.adopt_orphans() == (task,)
    assert world.runner.active_tasks().running == {task}
    world.runner.stop(task)
    assert world.until_result(task)[1].state is TaskState.CANCELLED
    assert world.engine.containers == {}


def test_one_that_has_ended_is_settled_before_the_answer(world: TaskWorld) -> None:
    task, apart = let_go(world, ended=True), Apart(world)
    assert world.runner.adopt_orphans(apart) == (task,)
    assert apart.tasks == []
    assert world.records.get(task).state is TaskState.SUCCEEDED
    assert world.engine.containers == {}


@pytest.mark.parametrize("left", [True, False])
def test_one_without_a_container_begins_anew_only_if_it_was_let_go_of_on_purpose(
    world: TaskWorld, left: bool
) -> None:
    task, apart = world.prepare(), Apart(world)
    world.records.own(task, DEAD)
    if left:
        world.records.keep(task, DETACHED, b"")
    assert world.runner.adopt_orphans(apart) == (task,)
    assert apart.tasks == ([task] if left else [])
    found = world.records.get(task)
    assert found.state is (TaskState.QUEUED if left else TaskState.FAILED)
    assert found.error == ("" if left else "The application ended before the task began.")


def test_one_that_was_stopped_as_its_application_ended_is_cancelled_and_not_failed(world: TaskWorld) -> None:
    task, apart = let_go(world), Apart(world)
    world.records.forget(task, DETACHED)
    world.records.request_stop(task)
    world.engine.remove(task_container(task))
    assert world.runner.adopt_orphans(apart) == (task,)
    found = world.records.get(task)
    assert (found.state, found.exit_code) == (TaskState.CANCELLED, 130)


@pytest.mark.parametrize("whose", ["alive", "beginning", "closed"])
def test_what_is_somebody_s_is_left_alone(world: TaskWorld, whose: str) -> None:
    task, apart = world.prepare(), Apart(world)
    if whose == "alive":
        world.records.own(task, world.owners.hold())
    if whose == "closed":
        world.records.own(task, DEAD)
        world.runner.detach_all()
    # One that nobody has owned yet was recorded a moment ago: its process may be about to begin.
    assert DETACH_PATIENCE_S > 1
    assert world.runner.adopt_orphans(apart) == ()
    assert world.records.get(task).state is TaskState.QUEUED
    assert apart.tasks == []


@pytest.fixture
def live(tmp_path: Path) -> Path:
    folder = tmp_path / "live"
    folder.mkdir()
    return folder


@pytest.fixture
def live_world(tmp_path: Path, live: Path) -> Iterator[TaskWorld]:
    """Its tasks work in a folder of the person's."""
    made = TaskWorld(tmp_path, ENVIRONMENT.model_copy(update={"workspace": FolderWorkspace(path=str(live))}))
    yield made
    made.close()


@pytest.mark.parametrize("how", ["stopped", "vanished", "never began"])
def test_h3_the_folder_of_a_task_that_nobody_works_on_is_looked_at(
    live_world: TaskWorld, live: Path, how: str
) -> None:
    world = live_world
    if how == "never began":
        task = world.prepare()
        world.records.own(task, DEAD)
    else:
        task = let_go(world)
    tool = live / "tool"
    tool.touch()
    tool.chmod(0o4755)
    if how == "stopped":
        world.runner.stop(task)
    else:
        world.engine.remove(task_container(task))
        world.runner.adopt_orphans()
    found = world.records.get(task)
    assert found.state is (TaskState.CANCELLED if how == "stopped" else TaskState.FAILED)
    assert bool(tool.stat().st_mode & 0o4000) is (how == "never began")
    assert [one for one in found.notices if "setuid" in one and "tool" in one] == (
        [] if how == "never began" else list(found.notices)
    )


def test_h3_the_folder_is_looked_at_where_the_container_vanishes_after_it_was_found(
    live_world: TaskWorld, live: Path
) -> None:
    world = live_world
    task = let_go(world)
    (live / "tool").touch()
    (live / "tool").chmod(0o4755)
    world.engine.remove(task_container(task))
    world.runner.start(task, running=True)
    events, result = world.until_result(task)
    assert result.state is TaskState.FAILED
    assert any(isinstance(one, Notice) and "setuid" in one.message for one in events)
    assert not (live / "tool").stat().st_mode & 0o4000


def test_of_two_that_look_one_adopts(world: TaskWorld) -> None:
    task = world.prepare()
    world.records.own(task, DEAD)
    assert world.records.claim(task, DEAD, DEAD - 1), "another process was first"
    world.records.own(task, DEAD - 1)
    second = world.new_runner()
    taken = [world.runner.adopt_orphans(Apart(world)), second.adopt_orphans(Apart(world))]
    assert sorted(map(len, taken)) == [0, 1]
