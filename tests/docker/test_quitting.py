"""The window is closed with tasks at work: they go on or stop as chosen, and the next window adopts them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from agents_runner.core.events import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.quitting import BUILDS, TASKS, Quitting
from tests.support.waiting import until
from tests.support.window_program import WindowProcess

BUILD = """# {mark}
cat /proc/sys/kernel/random/uuid > /made
echo "made $(cat /made)"
until [ -e /go ]; do sleep 0.1; done
echo built
"""


def new_build() -> str:
    """A script that no other test has built already."""
    return BUILD.format(mark=uuid.uuid4())


@pytest.fixture
def quitting(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path, engine: DockerEngine, services: Services
) -> Quitting:
    name = make_environment()
    return Quitting(home=cli.home, workspace=workspace, environment=name, engine=engine, services=services)


def test_f23_ten_tasks_are_left_and_the_next_window_follows_them_to_their_end(quitting: Quitting) -> None:
    quitting.leave_and_follow()


def test_f23_ten_tasks_are_stopped(quitting: Quitting) -> None:
    quitting.stop()


def test_f23_a_build_that_is_left_goes_on_and_the_next_window_commits_it(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, services: Services, workspace: Path
) -> None:
    name = make_environment(cached_preflight_script=new_build())
    (cli.home / "settings.json").write_text('{"version": 1, "max_running_tasks": 1}')
    quitting = Quitting(home=cli.home, workspace=workspace, environment=name, engine=engine, services=services)
    identity = services.environments.get(name).id
    with WindowProcess(cli.home) as window:
        for _ in range(2):  # one that builds, one that waits for its turn
            window.order("run", environment=identity, prompt="cat /made")
        window.order("line", text="made ")
        window.order("wait", waiting=2)
        quitting.closed(window, "leave")
    (left,) = engine.list_containers(BUILDS, running_only=True)
    docker("exec", left.name, "touch", "/go")
    with WindowProcess(cli.home) as window:
        until(lambda: all(task.state.final for task in services.tasks.list()))
        window.order("wait")
        quitting.closed(window)
    assert [(task.state, task.error) for task in services.tasks.list()] == [(TaskState.SUCCEEDED, "")] * 2
    logs = [[line for _, line in services.tasks.log(task.id)] for task in services.tasks.list()]
    made = {line for log in logs for line in log if len(line) == 36}
    assert len(made) == 1, "there was one build"
    waited, built = sorted(logs, key=lambda log: "built" in log)
    assert built.count("built") == built.count(f"made {made.pop()}") == 1
    assert "built" not in waited
    assert engine.list_containers(BUILDS) == engine.list_containers(TASKS) == []


def test_f23_a_build_is_stopped(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, services: Services, workspace: Path
) -> None:
    name = make_environment(cached_preflight_script=new_build())
    quitting = Quitting(home=cli.home, workspace=workspace, environment=name, engine=engine, services=services)
    with WindowProcess(cli.home) as window:
        window.order("run", environment=services.environments.get(name).id, prompt="true")
        window.order("line", text="made ")
        quitting.closed(window, "stop")
    assert [task.state for task in services.tasks.list()] == [TaskState.CANCELLED]
    assert engine.list_containers(BUILDS) == []


def test_f23_a_left_task_can_be_stopped_on_the_command_line(quitting: Quitting, cli: Cli) -> None:
    quitting.prepare()
    with WindowProcess(cli.home) as window:
        window.order(
            "run", environment=quitting.services.environments.get(quitting.environment).id, prompt="sleep 300"
        )
        window.order("wait", running=1)
        quitting.closed(window, "leave")
    (task,) = quitting.services.tasks.list()
    assert cli("tasks", "stop", task.id, "--json").json["state"] == "cancelled"
    until(lambda: quitting.engine.list_containers(TASKS) == [], timeout=40)


def test_f23_nothing_is_done_twice_for_a_left_task_whose_container_was_removed(quitting: Quitting, cli: Cli) -> None:
    quitting.prepare()
    with WindowProcess(cli.home) as window:
        window.order(
            "run",
            environment=quitting.services.environments.get(quitting.environment).id,
            prompt="echo once >> /workspace/times; echo begun; sleep 300",
        )
        window.order("line", text="begun")
        quitting.closed(window, "leave")
    (task,) = quitting.services.tasks.list()
    docker("rm", "-f", quitting.engine.list_containers(TASKS)[0].name)
    shown = cli("tasks", "show", task.id, "--json").json
    assert shown["state"] == "failed"
    assert shown["error"] == "The application ended while the task ran, and its container is gone."
    assert (quitting.workspace / "times").read_text() == "once\n"
