"""The launcher's programs for an engine elsewhere: sent along, and refused in a sentence where they cannot run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from agents_runner.containers.control_folder import ControlFolders
from agents_runner.containers.tools import HostTools
from agents_runner.core.container import ContainerSpec, EngineInfo
from agents_runner.core.errors import WorkspaceError
from agents_runner.engine.fake import FakeEngine
from agents_runner.launcher.files import IN

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
ELSEWHERE = "riscv64"


class RemoteEngine(FakeEngine):
    """One on another machine, of this platform; keeps what was put into the containers that filled its volumes."""

    def __init__(self, platform: str) -> None:
        super().__init__()
        self.platform = platform
        self.filled: set[str] = set()

    def info(self) -> EngineInfo:
        return replace(super().info(), platform=self.platform, local=False)

    def remove(self, container: str) -> None:
        found = [one for one in self.containers.values() if container in (one.state.id, one.state.name)]
        self.filled.update(name for one in found for name in one.files)
        super().remove(container)


def fill(engine: FakeEngine, root: Path) -> ContainerSpec:
    engine.add_image("base:1")
    spec = ContainerSpec(name="agents-runner-task-x", image="base:1")
    folders = ControlFolders(root=root / "run", local=engine.info().local, instance="0123456789ab")
    return folders.named(spec.name, uid=0, gid=0).prepare(engine, spec, {"in/plan.sh": b"x"})


@pytest.mark.parametrize("platform", [f"linux/{HERE}", f"linux/{HERE}/v8", ""])
def test_a_remote_engine_of_this_machines_kind_gets_the_same_programs(tmp_path: Path, platform: str) -> None:
    tools = HostTools(root=tmp_path / "tools")
    folder = tools.folder()
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert tools.contents(platform) == files
    assert {"bin/bash", "bin/setpriv", "bin/find"} <= set(files)
    engine = RemoteEngine(platform)
    spec = fill(engine, tmp_path)
    assert {f"{IN}/tools/{path}" for path in files} | {f"{IN}/plan.sh"} == engine.filled
    assert list(spec.read_only_volumes.values()) == [IN], "nobody inside can write them"
    assert spec.mounts == (), "no path of this machine means anything there"
    assert engine.containers == {}


@pytest.mark.parametrize("platform", [f"linux/{ELSEWHERE}", f"windows/{HERE}", "linux"])
def test_an_engine_that_cannot_run_them_is_refused_in_a_sentence_and_keeps_nothing(
    tmp_path: Path, platform: str
) -> None:
    engine = RemoteEngine(platform)
    with pytest.raises(WorkspaceError) as caught:
        fill(engine, tmp_path)
    assert caught.value.message.startswith(f"The engine runs {platform}, and this machine's programs")
    assert "Use an engine of this machine's own kind" in caught.value.hint
    assert (engine.containers, engine.volumes) == ({}, {})
