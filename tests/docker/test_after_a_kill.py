"""The application is killed at every moment of a task: the next start adopts what is left of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.waiting import until

DATABASE = "tasks.sqlite3"
OURS = {"io.agents-runner.container.kind": "task"}
COUNT = """i=0
while [ $i -lt {lines} ]; do
    i=$((i+1))
    echo "out $i"
    echo "err $i" >&2
    [ $((i % 50)) != 0 ] || sleep 0.1
done
echo done >> /workspace/times
exit {status}
"""


def killed_when(cli: Cli, name: str, prompt: str, sign: Callable[[str], bool]) -> str:
    """Start a task, kill the process with its whole group when a line gives the sign; returns the task's id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agents_runner", "run", name, prompt],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if sign(line):
                break
        else:
            pytest.fail("the sign never came")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    return newest(cli)["id"]


def newest(cli: Cli) -> dict[str, Any]:
    """Read from the disk, so that nothing is adopted by looking."""
    with contextlib.closing(sqlite3.connect(next(cli.home.rglob(DATABASE)))) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM tasks ORDER BY created DESC LIMIT 1").fetchone())


def numbers(lines: list[str], word: str) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]


def ended(cli: Cli, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_over() -> bool:
        found.update(cli("tasks", "show", task_id, "--json").json)
        return found["state"] in ("succeeded", "failed", "cancelled")

    until(is_over, timeout=60)
    return found


def check_lines(cli: Cli, task_id: str, lines: int) -> None:
    log = [one["line"] for one in cli("tasks", "logs", task_id, "--json").events]
    for word in ("out", "err"):
        assert numbers(log, word) == list(range(1, lines + 1)), word


def test_f5_killed_while_the_agent_runs_and_resumed_while_it_still_does(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    name = make_environment(run_preflight_script="echo prepared")
    lines = 3000
    task_id = killed_when(cli, name, COUNT.format(lines=lines, status=3), lambda line: line == "out 400\n")
    assert len(engine.list_containers(OURS, running_only=True)) == 1, "the container goes on"
    task = ended(cli, task_id)
    assert (task["state"], task["exit_code"]) == ("failed", 3)
    check_lines(cli, task_id, lines)
    assert (workspace / "times").read_text() == "done\n", "it ran once"
    assert set(task["phases"]) >= {"start", "preflight.run", "agent", "collect"}
    assert all(seconds is not None for seconds in task["phases"].values())
    assert 1 < task["phases"]["agent"] < 60
    until(lambda: engine.list_containers(OURS) == [], timeout=40)
    until(
        lambda: not [one for _, dirs, _ in os.walk(cli.home) for one in dirs if one.startswith("agents-runner-task-")]
    )


def test_f5_ended_while_nobody_looked(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    name = make_environment(run_preflight_script="sleep 0.3; echo prepared")
    lines = 600
    task_id = killed_when(cli, name, COUNT.format(lines=lines, status=0), lambda line: line == "err 100\n")
    until(lambda: engine.list_containers(OURS, running_only=True) == [], timeout=40)
    task = cli("tasks", "show", task_id, "--json").json
    assert (task["state"], task["exit_code"]) == ("succeeded", 0)
    check_lines(cli, task_id, lines)
    assert 0.5 < task["phases"]["agent"] < 30
    assert engine.list_containers(OURS) == []


def test_f5_killed_in_the_run_preflight_the_phases_are_told_as_they_were(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(run_preflight_script="echo in-preflight; sleep 1.5")
    task_id = killed_when(cli, name, "echo agent; sleep 0.5", lambda line: line == "in-preflight\n")
    until(lambda: engine.list_containers(OURS, running_only=True) == [], timeout=40)
    task = cli("tasks", "show", task_id, "--json").json
    assert task["state"] == "succeeded"
    assert 1.3 < task["phases"]["preflight.run"] < 10
    assert 0.4 < task["phases"]["agent"] < 10
    log = [one["line"] for one in cli("tasks", "logs", task_id, "--json").events]
    assert log.count("in-preflight") == log.count("agent") == 1


def test_f5_killed_while_it_builds(engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script="echo building-now; sleep 2; echo made > /opt/made")
    task_id = killed_when(cli, name, "cat /opt/made", lambda line: line == "building-now\n")
    task = cli("tasks", "show", task_id, "--json").json
    assert task["state"] == "failed"
    assert task["error"] == "The application ended while the task's image was looked for or built."
    assert task["hint"] == "Run it again; what was built is used."
    done = cli("run", name, "cat /opt/made", "--json")
    assert done.log[-1] == "made"
    assert engine.list_containers({"io.agents-runner.container.kind": "build"}) == []


def test_f5_killed_before_anything_was_made(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(workspace="git+https://127.0.0.1:9/nothing")
    detached = cli("run", name, "true", "--detach", "--json").json
    until(lambda: newest(cli)["state"] != "queued", timeout=40)
    owner = newest(cli)["owner_pid"]
    if newest(cli)["state"] == "preparing" and owner:
        os.kill(owner, signal.SIGKILL)
    task = ended(cli, detached["task"])
    assert task["state"] == "failed"
    assert task["error"]


def test_f5_a_resumed_task_can_be_stopped(engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment()
    task_id = killed_when(cli, name, "echo running; sleep 300", lambda line: line == "running\n")
    assert cli("tasks", "show", task_id, "--json").json["state"] == "running"
    assert cli("tasks", "stop", task_id, "--json").json["state"] == "cancelled"
    until(lambda: engine.list_containers(OURS) == [], timeout=40)
