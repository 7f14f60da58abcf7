"""M1: a machine that killed the application many times in its builds is clean after the next start."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents_runner.app import build_services
from agents_runner.core.container import CONTAINER_INSTANCE, CONTAINER_KIND
from agents_runner.core.container import build_container as name_of
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services
from agents_runner.store.paths import Paths
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.waiting import until

KILLS = 40


def begun(cli: Cli, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "agents_runner", *words],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def killed(cli: Cli, when: Callable[[], object], *words: str) -> None:
    """Begin a command, kill it with its whole group once something is there."""
    process = begun(cli, *words)
    try:
        until(lambda: process.poll() is not None or when())
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def control(home: Path) -> list[str]:
    return sorted(one.name for one in (home / "run").glob("agents-runner-*"))


def ours(engine: DockerEngine, home: Path) -> tuple[list[str], list[str], list[str]]:
    """Containers, control volumes and control folders of this home."""
    instance = Paths(config=home, data=home).instance_id()
    volumes = engine.list_volumes({CONTAINER_KIND: "control", CONTAINER_INSTANCE: instance})
    containers = engine.list_containers({CONTAINER_INSTANCE: instance})
    return [one.name for one in containers], [one.name for one in volumes], control(home)


def build_key(cli: Cli, name: str) -> str:
    return str(cli("plan", name, "--json").json["layers"][-1]["key"])


def test_m1_after_forty_kills_in_builds_the_next_start_leaves_nothing(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, services: Services, workspace: Path
) -> None:
    """Kills in every moment between the control folder and the layer, in builds that work, fail and last."""
    scripts = {
        "works": "echo {n} > /opt/made; n=0; while [ $n -lt 5 ]; do sleep 0.1; n=$((n+1)); done\n",
        "fails": "echo {n} > /opt/made; sleep 0.2; exit 3\n",
        "lasts": "echo {n} > /opt/made; sleep 600\n",
    }
    for kind in scripts:
        make_environment(kind)
    choice = random.Random(7)
    for number in range(KILLS):
        kind = tuple(scripts)[number % 3]
        environment = services.environments.get(kind)
        script = scripts[kind].replace("{n}", str(number))
        environment = services.environments.save(environment.model_copy(update={"cached_preflight_script": script}))
        name = name_of(services.images.plan(environment).plan.layers[-1].key)
        moments: tuple[Callable[[], object], ...] = (
            lambda: control(cli.home),
            lambda name=name: engine.inspect(name),  # type: ignore[misc]
            lambda name=name: (found := engine.inspect(name)) and found.started,  # type: ignore[misc]
        )
        words = ("build", kind) if number % 2 else ("run", kind, "cat /opt/made")
        killed(cli, choice.choice(moments), *words)
    before = ours(engine, cli.home)
    assert before[0], "the kills left something to tidy"
    for kind in scripts:
        environment = services.environments.get(kind)
        services.environments.save(environment.model_copy(update={"cached_preflight_script": ""}))

    make_environment("other", cached_preflight_script="")
    start = begun(cli, "run", "other", "while [ ! -e go ]; do sleep 0.1; done")
    try:
        until(lambda: not any("build" in name for kind in ours(engine, cli.home) for name in kind), timeout=300)
    finally:
        (workspace / "go").touch()
        assert start.wait(60) == 0
    assert ours(engine, cli.home) == ([], [], [])


def test_m1_the_clean_up_leaves_nothing_of_a_killed_bench(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(cached_preflight_script="echo done >/done\n", workspace="none")
    cli("build", name)
    mine = {CONTAINER_KIND: "bench", CONTAINER_INSTANCE: Paths(config=cli.home, data=cli.home).instance_id()}
    for _ in range(10):
        killed(cli, lambda: engine.list_containers(mine), "bench", "startup", name, "--runs", "99")
        if engine.list_containers(mine):
            break
    assert engine.list_containers(mine), "none was caught while it was there"
    cli("clean")
    assert engine.list_containers(mine) == []


@pytest.mark.parametrize("ends", ["well", "failed"])
def test_low_a_folder_that_root_made_in_the_state_keeps_no_control_folder(
    engine: DockerEngine, make_environment: MakeEnvironment, user_cli: Cli, ends: str
) -> None:
    """Neither an ordinary person nor the engine's folders are left with what only root can remove."""
    made = "mkdir -m 0700 /run/agents-runner/state/mine && echo x >/run/agents-runner/state/mine/file\n"
    name = make_environment(
        run_as=user_cli,
        cached_preflight_script=made,
        run_preflight_script=made + ("exit 3\n" if ends == "failed" else ""),
        profile="sudo",
        workspace="none",
    )
    done = user_cli("run", name, "true\n", check=ends == "well")
    assert (done.code == 0) is (ends == "well")
    assert ours(engine, user_cli.home) == ([], [], [])


def test_m1_clean_lists_what_was_left_and_removes_just_that(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, tmp_path: Path
) -> None:
    name = make_environment(cached_preflight_script="sleep 600\n")
    box = name_of(build_key(cli, name))
    killed(cli, lambda: (found := engine.inspect(box)) and found.running, "build", name)
    other = make_environment("other", cached_preflight_script="echo other; sleep 600\n")
    alive = begun(cli, "build", other)
    their_box = name_of(build_key(cli, other))
    try:
        until(lambda: (found := engine.inspect(their_box)) and found.running)
        stranger = Cli(home=tmp_path / "stranger")
        assert stranger("clean", "--json").json["leftovers"] == []
        preview = cli("clean", "--dry-run", "--json").json["leftovers"]
        assert {"kind": "container", "name": box} in preview
        assert {one["kind"] for one in preview} >= {"container", "folder"}
        assert not any(their_box[:48] in one["name"] for one in preview)
        assert engine.inspect(box) is not None
        text = cli("clean", "--dry-run").out
        assert f"would remove  container {box}: an ended process left it\n" in text
        done = cli("clean", "--json").json["leftovers"]
        assert done == preview
        assert engine.inspect(box) is None
        state = engine.inspect(their_box)
        assert state is not None
        assert state.running
        assert cli("clean", "--json").json["leftovers"] == []
    finally:
        os.killpg(alive.pid, signal.SIGINT)
        alive.wait()
    until(lambda: ours(engine, cli.home) == ([], [], []), timeout=30)


def test_m1_a_build_ends_at_its_limit_though_no_application_ever_comes_back(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    """Also one that starts processes in the background and does not listen to signals."""
    script = "trap '' TERM INT HUP; (trap '' TERM; sleep 600) & echo began; sleep 600\n"
    name = make_environment(cached_preflight_script=script, build_timeout_s="1")
    box = name_of(build_key(cli, name))
    killed(cli, lambda: (found := engine.inspect(box)) and found.running, "build", name)
    state = until(lambda: (found := engine.inspect(box)) and found.ended and found, timeout=300)
    assert state.exit_code != 0
    cli("clean")
    assert ours(engine, cli.home) == ([], [], [])


def test_m1_the_limit_stays_until_the_build_has_ended_and_is_not_heard_of(
    make_environment: MakeEnvironment, cli: Cli
) -> None:
    """What the script left running ends with its stage, nothing else; the log has the script's words alone."""
    name = make_environment(cached_preflight_script="sleep 600 & echo words\n", build_timeout_s="600")
    assert cli("run", name, "echo on", "--json").log == ["words", "on"]


def test_m1_a_finished_build_of_a_killed_application_is_adopted_at_the_next_start(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    """Its minutes are not thrown away: the layer is there without a second build."""
    name = make_environment(cached_preflight_script="date +%s%N > /opt/made; sleep 1\n")
    box = name_of(build_key(cli, name))
    killed(cli, lambda: (found := engine.inspect(box)) and found.running, "build", name)
    until(lambda: (found := engine.inspect(box)) and found.ended)
    left = engine.inspect(box)
    assert left is not None
    services = build_services()
    try:
        services.system.window_opened()
        until(lambda: cli("plan", name, "--json").json["layers"][0]["state"] == "hit", timeout=60)
    finally:
        services.system.close()
    until(lambda: ours(engine, cli.home) == ([], [], []), timeout=30)
    tag = cli("plan", name, "--json").json["image"]
    image = engine.find_image(tag)
    assert image is not None
    assert image.created >= left.created
    assert "built" not in [one.get("result") for one in cli("build", name, "--json").json["layers"]]
