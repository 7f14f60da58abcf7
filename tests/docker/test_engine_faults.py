"""The engine is restarted, and its disk is full: a task tells the truth, and a cache makes nothing fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.engine.docker_engine import connect
from agents_runner.images.mini_base import import_mini_base
from tests.support.cli import Cli
from tests.support.own_engine import OwnEngine
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="starting an engine of its own needs root"
)


@pytest.fixture(params=[None])
def own(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    with OwnEngine(size_mb=request.param) as engine:
        yield engine


@pytest.fixture
def own_cli(own: OwnEngine, ar_home: Path) -> Cli:
    return Cli(home=ar_home, env={"DOCKER_HOST": own.host})


def environment(cli: Cli, own: OwnEngine, tmp_path: Path, **fields: str) -> str:
    engine = connect(own.host)
    try:
        base = import_mini_base(engine)
    finally:
        engine.close()
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    sets = {"base_image": base, "workspace": str(workspace), "agent": "shell", "cache_container_build": "true"}
    words: list[str] = []
    for field, value in (sets | fields).items():
        words += ["--set", f"{field}={value}"]
    cli("env", "create", "test", *words)
    return "test"


def running(cli: Cli, prompt: str, sign: str) -> subprocess.Popen[str]:
    """A task in a process of its own that has printed this line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agents_runner", "run", "test", prompt],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)} | (cli.env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == sign:
            return process
    process.kill()
    process.communicate()
    pytest.fail("the task never got there")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_f3_an_engine_that_is_restarted_is_named(
    own: OwnEngine, own_cli: Cli, tmp_path: Path, how: signal.Signals
) -> None:
    environment(own_cli, own, tmp_path)
    process = running(own_cli, "echo running; sleep 300", "running")
    own.stop(how)
    own.start()
    out, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "The engine was stopped or restarted while the task ran" in out
    task = own_cli("tasks", "list", "--json").json[0]
    assert task["state"] == "failed"
    assert own_cli("run", "test", "echo again", "--json").log[-1] == "again"


def test_f2_an_engine_that_dies_in_a_build_costs_no_task(own: OwnEngine, own_cli: Cli, tmp_path: Path) -> None:
    script = "echo stage-$AGENTS_RUNNER_STAGE; [ $AGENTS_RUNNER_STAGE = run ] || sleep 20; echo made > /opt/made"
    environment(own_cli, own, tmp_path, cached_preflight_script=script)
    process = running(own_cli, "cat /opt/made", "stage-build")
    own.stop(signal.SIGKILL)
    own.start()
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0, out
    assert "stage-run" in out, "the cached preflight ran at task start"
    assert "made" in out.splitlines()
    plan = own_cli("plan", "test", "--json").json
    assert plan["layers"][0]["state"] == "miss", "no half image under our tag"


@pytest.mark.parametrize("own", [220], indirect=True)
def test_f8_a_full_disk_in_a_build_falls_back(own: OwnEngine, own_cli: Cli, tmp_path: Path) -> None:
    fills = 'echo stage-$AGENTS_RUNNER_STAGE\n[ "$AGENTS_RUNNER_STAGE" = run ] || head -c 400M /dev/zero > /opt/big\n'
    environment(own_cli, own, tmp_path, cached_preflight_script=fills + "echo made > /opt/made\n")
    done = own_cli("run", "test", "cat /opt/made", "--json")
    assert done.phase("build.env")["cache"] == "fallback"
    assert done.log[-1] == "made"
    assert any("o space left" in line for line in done.log)
    assert own_cli("plan", "test", "--json").json["layers"][0]["state"] == "miss"
    # What the failed build wrote is gone again: a later, smaller one is made.
    own_cli("env", "edit", "test", "--set", "cached_preflight_script=echo small > /opt/made")
    assert own_cli("run", "test", "cat /opt/made", "--json").phase("build.env")["cache"] == "built"


@pytest.mark.parametrize("own", [300], indirect=True)
def test_f8_a_full_disk_at_the_commit_falls_back(own: OwnEngine, own_cli: Cli, tmp_path: Path) -> None:
    # It fits once, as the container's own files; the commit would need it a second time.
    half = "head -c 150M /dev/urandom > /opt/big; echo made > /opt/made"
    environment(own_cli, own, tmp_path, cached_preflight_script=half)
    done = own_cli("run", "test", "cat /opt/made", "--json")
    assert done.phase("build.env")["cache"] == "fallback", done.log
    assert done.log[-1] == "made"
    until(lambda: not own_cli("images", "--json").json, timeout=40)
