"""The look after a task: a stop that ended the task does not end it, one that comes meanwhile does, and says so."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from agents_runner.containers.cancellation import (
    AlreadyCancelled,
    Cancellation,
    LocalCancellation,
    NeverCancelled,
)
from agents_runner.containers.tools import HostTools
from agents_runner.core.container import ContainerSpec
from agents_runner.core.environment import FolderWorkspace
from agents_runner.core.errors import Cancelled, Detached
from agents_runner.core.events import Notice
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.engine.payload import container_config
from agents_runner.launcher.tools import TOOLS
from agents_runner.runner.tasks.sweeping import Sweeper

FILES = 3000


class Later:
    """A cancellation that nobody has asked for at the first question, and somebody at all the others."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.questions = 0

    def check(self) -> None:
        self.questions += 1
        if self.questions > 1:
            raise self.error


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A live folder with many files, and one with a setuid bit."""
    folder = tmp_path / "work"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"f{number}").touch()
    (folder / "tool").touch()
    (folder / "tool").chmod(0o4755)
    return folder


def notices_of(work: Path, cancel: Cancellation, engine: FakeEngine | None = None) -> list[str]:
    config = DockerRunnerConfig(
        task_id="t", environment_id="e", environment_name="E", base_image="base:1", agent=None, token="0",
        workspace=FolderWorkspace(path=str(work)), uid=0, gid=0,
    )  # fmt: skip
    tools = HostTools(root=work.parent / "tools")
    sweeper = Sweeper(
        engine=engine or FakeEngine(), config=config, cancel=cancel, tools=tools, workspace="", since=0.0
    )
    return [one.message for one in sweeper.events() if isinstance(one, Notice)]


@pytest.mark.parametrize("stopped", [False, True])
def test_h3_the_stop_that_ended_the_task_does_not_end_the_look(work: Path, stopped: bool) -> None:
    cancel = LocalCancellation() if stopped else NeverCancelled()
    if isinstance(cancel, LocalCancellation):
        cancel.cancel()
    (notice,) = notices_of(work, cancel)
    assert "setuid or setgid bits" in notice
    assert "more than could be looked through" not in notice
    assert (work / "tool").stat().st_mode & 0o6000 == 0


@pytest.mark.parametrize("error", [Cancelled(), Detached()])
def test_h3_one_that_comes_meanwhile_ends_it_and_that_is_said(work: Path, error: BaseException) -> None:
    cancel = Later(error)
    (notice,) = notices_of(work, cancel)
    assert "more than could be looked through" in notice
    assert cancel.questions < FILES


@pytest.fixture
def of_another_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are somebody else's, as far as the look can tell."""
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)


@pytest.mark.usefixtures("of_another_owner")
def test_h3_what_belongs_to_others_is_put_right_after_a_stop_as_well(work: Path) -> None:
    """Nothing else ever would: a later look goes by a later start."""
    mended: list[str] = []

    def program(spec: ContainerSpec, _console: Console) -> int:
        mended.extend(mount.source for mount in spec.mounts if mount.target == "/mended")
        return 0

    engine = FakeEngine(program)
    engine.add_image("base:1")
    (notice,) = notices_of(work, AlreadyCancelled(grace_s=5.0), engine)
    assert mended == [str(work)]
    assert "files of another owner" in notice
    assert "Still being" not in notice
    assert engine.containers == {}


@pytest.mark.usefixtures("of_another_owner")
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_h3_nobody_who_asked_to_stop_waits_for_long_and_it_is_put_right_all_the_same(work: Path, when: str) -> None:
    begun, go_on, asked = threading.Event(), threading.Event(), LocalCancellation()

    def program(_spec: ContainerSpec, console: Console) -> int:
        begun.set()
        asked.cancel()
        while not (go_on.wait(0.01) or console.stopped.is_set()):
            pass
        return 0

    engine = FakeEngine(program)
    engine.add_image("base:1")
    (notice,) = notices_of(work, AlreadyCancelled(grace_s=0.2) if when == "before" else asked, engine)
    assert begun.is_set()
    assert "Still being put right: " in notice
    (left,) = engine.containers.values()
    assert left.state.running, "it goes on by itself"
    assert left.state.name.endswith("-mend")
    go_on.set()
    assert engine.wait(left.state.id, 30).exit_code == 0


@pytest.mark.usefixtures("of_another_owner")
def test_h3_what_mends_a_folder_runs_our_programs_with_three_rights(
    work: Path,
) -> None:
    specs: list[ContainerSpec] = []

    def program(spec: ContainerSpec, _console: Console) -> int:
        specs.append(spec)
        return 0

    engine = FakeEngine(program)
    engine.add_image("base:1")
    (notice,) = notices_of(work, NeverCancelled(), engine)
    assert "files of another owner" in notice
    assert engine.containers == {}
    (spec,) = specs
    assert spec.entrypoint is not None
    assert spec.entrypoint[0].startswith(TOOLS)
    assert {mount.target: mount.read_only for mount in spec.mounts} == {"/mended": False, TOOLS: True}
    host = container_config(spec)["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], ["CHOWN", "DAC_OVERRIDE", "FOWNER"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["NetworkMode"] == "none"
