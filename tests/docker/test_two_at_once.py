"""Two processes with the same files, and two sets of files on one engine: neither disturbs the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.quitting import BUILDS, TASKS
from tests.support.waiting import until
from tests.support.window_program import WindowProcess

OPEN_ALREADY = "Agents Runner is open already; its window was brought to the front.\n"


def test_f7_a_second_window_shows_the_first_also_after_a_kill(cli: Cli, engine: DockerEngine) -> None:
    with WindowProcess(cli.home) as first:
        first.order("hide")
        second = cli("window")
        assert (second.code, second.out, second.err) == (0, OPEN_ALREADY, "")
        first.order("shown")
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    with WindowProcess(cli.home) as third:
        assert cli("window").out == OPEN_ALREADY
        assert third.close()[1:] == (0, "")


def test_f7_the_window_leaves_a_task_of_the_command_line_alone(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    name = make_environment()
    script = "echo begun; until [ -e /workspace/go ]; do sleep 0.1; done; echo over"
    command = [sys.executable, "-m", "agents_runner", "run", name, script]
    environment = os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any(line == "begun\n" for line in running.stdout)
        with WindowProcess(cli.home) as window:
            # Nothing to ask about: the task is not the window's.
            assert window.close()[1:] == (0, "")
        assert running.poll() is None
        (workspace / "go").touch()
        rest = running.stdout.read()
    assert running.returncode == 0
    assert rest.count("over\n") == 1


def test_f7_two_data_folders_on_one_engine(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, mini_base: str, tmp_path: Path
) -> None:
    """One has a task that runs, a build that was left alone and an unused image; the other does all it can."""
    name = make_environment(cached_preflight_script="echo first >/who\n")
    image = cli("build", name, "--json").json["image"]
    task = cli("run", name, "sleep 300", "--detach", "--json").json["task"]
    until(lambda: engine.list_containers(TASKS, running_only=True))
    slow = make_environment("slow", cached_preflight_script="echo begun; sleep 300\n")
    build = subprocess.Popen(
        [sys.executable, "-m", "agents_runner", "build", slow],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: engine.list_containers(BUILDS, running_only=True))
    os.kill(build.pid, signal.SIGKILL)
    build.wait()
    unused = make_environment("unused", cached_preflight_script="echo unused >/who\n")
    spare = cli("build", unused, "--json").json["image"]
    theirs = {one.id for one in engine.list_containers({}) if one.running}
    assert len(theirs) >= 2
    other = Cli(home=tmp_path / "other")
    make_environment("mine", run_as=other, cached_preflight_script="echo second >/who\n")
    mine = other("build", "mine", "--json").json["image"]
    try:
        assert other("tasks", "list", "--json").json == []
        with WindowProcess(other.home) as window:
            assert window.close()[1:] == (0, "")
        assert mine in other("clean", "--json").json["removed"]
        assert theirs <= {one.id for one in engine.list_containers({}) if one.running}
        assert engine.find_image(image) is not None
        assert engine.find_image(spare) is not None
        assert cli("tasks", "show", task, "--json").json["state"] == "running"
    finally:
        cli("tasks", "stop", task)
        for one in engine.list_containers(BUILDS):
            docker("rm", "-f", one.name)
        cli("clean")
