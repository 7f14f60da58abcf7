"""Many tasks at once, programs that behave badly, and people who work on our containers from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.app import build_services
from agents_runner.core.task import Task, TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.waiting import until

OURS = {"io.agents-runner.container.kind": "task"}


@pytest.fixture
def services(ar_home: Path) -> Iterator[Services]:
    made = build_services()
    made.settings.save(made.settings.load().model_copy(update={"max_running_tasks": 20}))
    made.system.close()
    made = build_services()
    try:
        yield made
    finally:
        made.system.close()


def submit(services: Services, name: str, prompt: str) -> Task:
    environment = services.environments.get(name)
    return services.runner.submit(TaskRequest(environment_id=environment.id, prompt=prompt))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_l1_twenty_tasks_do_not_disturb_each_other(
    engine: DockerEngine, make_environment: MakeEnvironment, services: Services
) -> None:
    name = make_environment(cache_container_build="false")
    prompt = "i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo {number} $i; done; exit {code}"
    # Each worker keeps a connection or two of its own; what counts is that the next tasks need no more.
    for _ in range(20):
        submit(services, name, "sleep 1")
    until(lambda: all(task.state.final for task in services.tasks.list()))
    before = open_files()
    tasks = [
        submit(services, name, prompt.format(number=number, lines=1000, code=number % 7)) for number in range(20)
    ]
    until(lambda: all(services.tasks.get(task.id).state.final for task in tasks), timeout=240)
    for number, task in enumerate(tasks):
        done = services.tasks.get(task.id)
        assert done.exit_code == number % 7, done.error
        lines = [line for stream, line in services.tasks.log(task.id) if stream == "stdout"]
        assert lines == [f"{number} {i}" for i in range(1, 1001)]
    until(lambda: engine.list_containers(OURS) == [])
    until(lambda: open_files() <= before + 5)


def test_l4_a_line_without_end_and_binary_output(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment()
    done = cli(
        "run", name, "head -c 20000000 /dev/zero | tr '\\0' x; head -c 2000000 /dev/urandom; echo; echo end", "--json"
    )
    assert done.log[-1] == "end"
    assert sum(line.count("x") for line in done.log[:310]) >= 20_000_000
    assert done.log[0].endswith(" [line cut]")


def test_f15_what_stays_in_the_background_does_not_hold_the_task(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment()
    began = time.monotonic()
    done = cli(
        "run",
        name,
        "(sleep 300 & sleep 300 & ) ; n=0; while [ $n -lt 50 ]; do n=$((n+1)); (true &); done; echo main-over",
        "--json",
    )
    assert time.monotonic() - began < 60
    assert done.log[-1] == "main-over"
    assert done.result["state"] == "succeeded"
    assert engine.list_containers(OURS) == []


@pytest.fixture
def running(make_environment: MakeEnvironment, cli: Cli) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A task that prints `tick` for a few seconds, and its container's name."""
    name = make_environment()
    prompt = "n=0; while [ $n -lt 40 ]; do n=$((n+1)); echo tick $n; sleep 0.2; done; echo over"
    process = subprocess.Popen(
        [sys.executable, "-m", "agents_runner", "run", name, prompt],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("tick 3"):
                break
        task = cli("tasks", "list", "--json").json[0]["id"]
        yield process, f"agents-runner-task-{task}"
    finally:
        process.kill()
        process.communicate()


def test_f24_a_container_removed_from_outside(running: tuple[subprocess.Popen[str], str], cli: Cli) -> None:
    process, container = running
    began = time.monotonic()
    docker("rm", "-f", container)
    out, _ = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode != 0
    assert "Traceback" not in out
    task = cli("tasks", "list", "--json").json[0]
    assert task["state"] == "failed"
    assert "removed from outside" in f"{task['error']} {task['hint']}", task


def test_f24_a_container_killed_or_stopped_from_outside(running: tuple[subprocess.Popen[str], str], cli: Cli) -> None:
    process, container = running
    docker("kill", container)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 137
    assert "The agent was killed (exit code 137)" in out


def test_f24_a_container_paused_goes_on_where_it_was(running: tuple[subprocess.Popen[str], str], cli: Cli) -> None:
    process, container = running
    docker("pause", container)
    time.sleep(4)  # longer than the silence after which the container itself is asked
    assert process.poll() is None
    docker("unpause", container)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "over" in out.splitlines()


def test_f13_out_of_memory_is_said(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(resources__memory_mb="64")
    done = cli("run", name, "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}", "--json", check=False)
    assert done.result["state"] == "failed"
    assert "memory" in done.result["error"]


def test_l3_a_flood_is_bounded_and_said_and_can_be_stopped(
    make_environment: MakeEnvironment, services: Services
) -> None:
    services.settings.save(services.settings.load().model_copy(update={"max_log_mb": 1}))
    name = make_environment(cached_preflight_script="yes building | head -n 300000\n", cache_container_build="true")
    ends = submit(services, name, "yes | head -n 400000; echo the-end")
    floods = [submit(services, name, "yes 'on and on'") for _ in range(2)]
    until(lambda: services.tasks.get(ends.id).state.final, timeout=120)
    log = [line for _, line in services.tasks.log(ends.id)]
    assert services.tasks.get(ends.id).state is TaskState.SUCCEEDED
    assert log[-1] == "the-end", "the last lines are kept"
    assert [line for line in log if "has printed 1 MB" in line]
    assert len([line for line in log if line.endswith("lines were dropped here.")]) == 2
    for task in floods:
        until(lambda task=task: services.tasks.get(task.id).notices, timeout=60)
        services.runner.stop(task.id)
        until(lambda task=task: services.tasks.get(task.id).state is TaskState.CANCELLED, timeout=15)
    for task in (ends, *floods):
        assert services.tasks.log_bytes(task.id) < 1_000_000 + 2 * 1_000_000, "the limit and two phases' last lines"


def test_f16_a_fork_bomb_disturbs_nobody_else_and_can_be_stopped(
    make_environment: MakeEnvironment, services: Services, cli: Cli, engine: DockerEngine
) -> None:
    bomb = make_environment("bomb", **{"resources.pids": "100"})
    name = make_environment()
    bad = submit(services, bomb, "echo started; bomb() { bomb | bomb & }; bomb; wait; while :; do bomb; done")
    until(lambda: "started" in [line for _, line in services.tasks.log(bad.id)], timeout=30)
    others = [submit(services, name, f"for n in 1 2 3; do /bin/true; done; echo done {n}") for n in range(4)]
    until(lambda: all(services.tasks.get(one.id).state.final for one in others), timeout=60)
    assert [services.tasks.get(one.id).state for one in others] == [TaskState.SUCCEEDED] * 4
    assert not services.tasks.get(bad.id).state.final
    services.runner.stop(bad.id)
    until(lambda: services.tasks.get(bad.id).state is TaskState.CANCELLED, timeout=15)
    until(lambda: engine.list_containers(OURS) == [])


def test_l8_task_after_task_nothing_grows_and_nothing_is_left(
    make_environment: MakeEnvironment, services: Services, engine: DockerEngine, ar_home: Path
) -> None:
    """Some dozens here; docs/reliability.md has five hundred, by scripts/soak.py."""
    name = make_environment(cached_preflight_script="echo baked >/baked\n", cache_container_build="true")

    def run(count: int, prompt: str = "cat /baked") -> tuple[int, int, list[str]]:
        tasks = [submit(services, name, prompt).id for _ in range(count)]
        until(lambda: all(services.tasks.get(one).state is TaskState.SUCCEEDED for one in tasks), timeout=120)
        until(lambda: engine.list_containers(OURS) == [])
        # A task is told to be over first, and its folder goes after its container.
        until(lambda: not services.runner.active_tasks().waiting | services.runner.active_tasks().running)
        files = [path.name for path in (ar_home / "run").rglob("*") if path.is_file()]
        return open_files(), threading.active_count(), sorted(files)

    # All at once, so that every worker has its thread and its connections: what counts is that no more come.
    run(20, "sleep 1; cat /baked")
    before = run(5)
    after = run(20)
    assert after[0] <= before[0] + 5
    assert after[1:] == before[1:]
