"""Whatever a control folder leaves on an engine says whose it is, so that it can be found after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents_runner.containers.control_folder import CONTROL_KIND, ControlFolders
from agents_runner.core.container import CONTAINER_INSTANCE, CONTAINER_KIND, ContainerSpec
from agents_runner.engine.fake import FakeEngine


@pytest.mark.parametrize(("local", "count"), [(True, 1), (False, 2)])
def test_every_volume_names_the_installation(tmp_path: Path, local: bool, count: int) -> None:
    engine = FakeEngine()
    engine.add_image("base:1")
    folders = ControlFolders(root=tmp_path / "run", local=local, instance="0123456789ab")
    spec = ContainerSpec(name="agents-runner-build-x", image="base:1")
    folder = folders.named(spec.name, uid=0, gid=0, kind="build")
    folder.prepare(engine, spec, {"in/file": b""})
    assert [one.labels for one in engine.volumes.values()] == [
        {CONTAINER_KIND: CONTROL_KIND, CONTAINER_INSTANCE: "0123456789ab"}
    ] * count
    folder.remove(engine)
    assert engine.volumes == {}
