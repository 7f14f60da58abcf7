"""On a rootless engine the container's root is the person: planned so, with every profile's limits as ever."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from agents_runner.core.container import EngineInfo, ImageInfo
from agents_runner.core.environment import Environment
from agents_runner.core.secrets import SecretValues
from agents_runner.core.settings import Settings
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.engine.fake import FakeEngine
from agents_runner.images.planning import plan_start
from agents_runner.runner.machine import HostSource
from agents_runner.runner.tasks.plan_launch import plan_launch
from agents_runner.runner.tasks.task_job import STRICT_TMP_MIB, task_job

BASE = ImageInfo(id="sha256:" + "1" * 64, platform="linux/amd64", environment=("PATH=/bin",))
AGENT = AgentLaunch(name="claude", argv=("claude",), root_environment={"IS_SANDBOX": "1"})


class Rootless(FakeEngine):
    """What it says of itself is all that is asked."""

    def info(self) -> EngineInfo:
        return replace(super().info(), rootless=True)


class Saved:
    """A `SettingsSource`."""

    def load(self) -> Settings:
        return Settings()


def source(engine: FakeEngine, folder: Path) -> HostSource:
    return HostSource(state_dir=folder, instance="0123456789ab", engine=lambda: engine, settings=Saved())


def test_the_person_is_uid_0_inside_whoever_it_is_here(tmp_path: Path) -> None:
    found = source(Rootless(), tmp_path)
    assert (found.host().uid, found.host().gid) == (0, 0)
    usual = source(FakeEngine(), tmp_path).host()
    assert (usual.uid, usual.gid) == (os.getuid(), os.getgid())
    # Checks that ask no engine do not know, and need not.
    assert found.planning_host().uid == os.getuid()


@pytest.mark.parametrize("profile", ["standard", "sudo", "strict"])
def test_the_launcher_is_told_so_and_the_profile_with_its_limits_stays(
    tmp_path: Path, profile: Literal["standard", "sudo", "strict"]
) -> None:
    environment = Environment(id="e", name="E", base_image="base:1", profile=profile)
    host = source(Rootless(), tmp_path).host()
    config = plan_launch(environment, task_id="t1", agent=AGENT, host=host)
    job = task_job(config, base=BASE, image_id=BASE.id, start=plan_start(config, baked=0), secrets=SecretValues())
    assert {"AR_UID=0", "AR_GID=0", f"AR_PROFILE={profile}"} <= set(job.files["in/plan.sh"].decode().splitlines())
    assert (job.uid, job.gid) == (0, 0)
    # Agents that refuse to work as root are told that this one is none.
    assert b"IS_SANDBOX" in b"".join(job.files.values())
    assert job.spec.dropped_capabilities == ("MKNOD", "NET_RAW", "SETFCAP")
    assert ("/tmp" in job.spec.scratch_folders) is (profile == "strict")
    assert job.spec.scratch_folders.get("/tmp") == (STRICT_TMP_MIB if profile == "strict" else None)
