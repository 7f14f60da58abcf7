"""A container that another process made: its lines without its launcher's marks, and clearing it away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agents_runner.containers.cancellation import LocalCancellation, NeverCancelled
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.containers.found import FoundContainer
from agents_runner.core.container import ContainerSpec
from agents_runner.core.errors import Cancelled, LimitReached
from agents_runner.engine.fake import Console, FakeEngine

NAME = "agents-runner-build-x"


def begun(tmp_path: Path, *, waits: bool = False) -> tuple[FakeEngine, FoundContainer, str]:
    """A build of another process, with its folder, that has said something."""

    def program(_spec: ContainerSpec, console: Console) -> int:
        console.write("a line\n\x1efeed begin build.env\nrest \x1efeed end build.env 0\nlast\n")
        if waits:
            console.stopped.wait(30)
        return 0

    engine = FakeEngine(program)
    engine.add_image("base:1")
    control = ControlFolders(root=tmp_path / "run", local=True, instance="0123456789ab")
    spec = ContainerSpec(name=NAME, image="base:1")
    container = engine.create(control.named(NAME, uid=0, gid=0, kind="build").prepare(engine, spec, {"in/file": b""}))
    engine.start(container)
    return engine, FoundContainer(engine=engine, control=control, name=NAME), container


def test_its_lines_are_told_and_no_mark_is_whoever_made_it(tmp_path: Path) -> None:
    _, found, container = begun(tmp_path)
    lines = [one.line for one in found.lines(container, NeverCancelled(), time.monotonic() + 30)]
    assert lines == ["a line", "last"]


def test_who_follows_it_can_leave_it_and_it_goes_on(tmp_path: Path) -> None:
    engine, found, container = begun(tmp_path, waits=True)
    cancel = LocalCancellation()
    lines = found.lines(container, cancel, time.monotonic() + 30)
    assert next(lines).line == "a line"
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(lines)
    with pytest.raises(LimitReached):
        list(found.lines(container, NeverCancelled(), time.monotonic() - 1))
    state = found.state()
    assert state is not None
    assert state.running
    engine.remove(container)


def test_cleared_away_nothing_of_it_is_left(tmp_path: Path) -> None:
    engine, found, container = begun(tmp_path)
    assert list((tmp_path / "run").iterdir()) != []
    found.remove(container)
    assert found.state() is None
    assert (engine.containers, engine.volumes) == ({}, {})
    assert list((tmp_path / "run").iterdir()) == []
