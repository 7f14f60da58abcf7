"""Many tasks want the same layer: one builds, the others follow; who leaves leaves the others alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agents_runner.app import build_services
from agents_runner.core.events import TaskState
from agents_runner.core.task import Task
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.waiting import until

BUILDS = {"io.agents-runner.container.kind": "build"}
SLOW = "echo building-now >&2; n=0; while [ ! -e /opt/go ] && [ $n -lt {seconds} ]; do sleep 0.2; n=$((n+1)); done\n"


def submit(services: Services, name: str, prompt: str = "cat /opt/made") -> Task:
    environment = services.environments.get(name)
    return services.runner.submit(TaskRequest(environment_id=environment.id, prompt=prompt))


def ended(services: Services, tasks: list[Task]) -> list[Task]:
    until(lambda: all(services.tasks.get(task.id).state.final for task in tasks), timeout=120)
    return [services.tasks.get(task.id) for task in tasks]


def texts(services: Services, task: Task) -> list[str]:
    return [line for _, line in services.tasks.log(task.id)]


def caches(tasks: list[Task]) -> list[str | None]:
    return sorted(str(next(r.cache for r in task.phases if r.phase == "build.env")) for task in tasks)


def builds(engine: DockerEngine) -> list[str]:
    return [one.id for one in engine.list_containers(BUILDS)]


def test_l7_ten_tasks_make_one_build(
    engine: DockerEngine, make_environment: MakeEnvironment, services: Services
) -> None:
    name = make_environment(
        cached_preflight_script=SLOW.format(seconds=5) + "head -c 8 /dev/urandom | od -An -tx1 > /opt/made\n"
    )
    tasks = ended(services, [submit(services, name) for _ in range(10)])
    assert [task.state for task in tasks] == [TaskState.SUCCEEDED] * 10, [task.error for task in tasks]
    printed = {texts(services, task)[-1] for task in tasks}
    assert len(printed) == 1, "one build, so one random number"
    followed = [task for task in tasks if any("waiting for it" in note for note in task.notices)]
    assert followed
    for task in followed:
        assert "building-now" in texts(services, task), "those who wait see the log live"
    assert builds(engine) == []


def test_l7_a_failed_build_is_not_tried_by_those_who_waited(
    engine: DockerEngine, make_environment: MakeEnvironment, services: Services, workspace: Path
) -> None:
    name = make_environment(
        cached_preflight_script=SLOW.format(seconds=5)
        + 'if [ "$AGENTS_RUNNER_STAGE" = build ]; then echo trying-to-build; exit 3; fi\necho ran > /opt/made\n'
    )
    tasks = ended(services, [submit(services, name) for _ in range(6)])
    assert [task.state for task in tasks] == [TaskState.SUCCEEDED] * 6, [task.error for task in tasks]
    assert caches(tasks) == ["fallback"] * 6
    # The others saw the one build's line while they waited, or no build at all.
    builders = [task for task in tasks if not any("waiting for it" in note for note in task.notices)]
    tried = [task for task in builders if "trying-to-build" in texts(services, task)]
    assert len(tried) == 1
    again = ended(services, [submit(services, name)])[0]
    assert "trying-to-build" in texts(services, again), "a later click tries again"
    assert builds(engine) == []


def test_f21_a_build_goes_on_for_those_who_wait(
    engine: DockerEngine, make_environment: MakeEnvironment, services: Services
) -> None:
    name = make_environment(cached_preflight_script=SLOW.format(seconds=25) + "echo made > /opt/made\n")
    first = submit(services, name)
    until(lambda: "building-now" in texts(services, first), timeout=30)
    second = submit(services, name)
    until(lambda: "building-now" in texts(services, second), timeout=30)
    began = time.monotonic()
    services.runner.stop(first.id)
    until(lambda: services.tasks.get(first.id).state is TaskState.CANCELLED, timeout=30)
    assert time.monotonic() - began < 5
    assert len(builds(engine)) == 1, "the other one still needs it"
    done = ended(services, [second])[0]
    assert done.state is TaskState.SUCCEEDED
    assert caches([done]) == ["built"]
    assert texts(services, done)[-1] == "made"
    until(lambda: builds(engine) == [], timeout=30)
    until(lambda: list((services_home(services) / "run").glob("agents-runner-build-*")) == [])


def services_home(_services: Services) -> Path:
    return next(Path(os.environ["AGENTS_RUNNER_HOME"]).rglob("run")).parent


def test_f21_the_last_one_to_leave_stops_the_build(
    engine: DockerEngine, make_environment: MakeEnvironment, services: Services
) -> None:
    name = make_environment(cached_preflight_script=SLOW.format(seconds=150) + "echo made > /opt/made\n")
    tasks = [submit(services, name)]
    until(lambda: "building-now" in texts(services, tasks[0]), timeout=30)
    tasks.append(submit(services, name))
    until(lambda: "building-now" in texts(services, tasks[1]), timeout=30)
    for task in tasks:
        services.runner.stop(task.id)
        until(lambda task=task: services.tasks.get(task.id).state is TaskState.CANCELLED, timeout=2)
    until(lambda: builds(engine) == [], timeout=5)
    environment = services.environments.get(name)
    assert services.images.plan(environment).states == ("miss",), "half an image is none"


def test_f2_a_killed_builder_leaves_its_build_to_the_next(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(cached_preflight_script=SLOW.format(seconds=15) + "echo made > /opt/made\n")
    env = os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)}
    command = [sys.executable, "-m", "agents_runner", "run", name, "true"]
    builder = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert builder.stdout is not None
    for line in builder.stdout:
        if "building-now" in line:
            break
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    builder.stdout.close()
    assert len(builds(engine)) == 1, "the script is the container's own process"
    done = cli("run", name, "cat /opt/made", "--json")
    assert done.log[-1] == "made"
    assert done.phase("build.env")["cache"] == "built"
    assert any("waiting for it" in one.get("message", "") for one in done.events)
    assert builds(engine) == []


def test_different_keys_build_in_parallel_up_to_the_limit(
    engine: DockerEngine, make_environment: MakeEnvironment, ar_home: Path, cli: Cli
) -> None:
    for number in range(3):
        make_environment(
            f"e{number}", cached_preflight_script=SLOW.format(seconds=8) + f"echo {number} > /opt/made\n"
        )
    made = build_services()
    made.settings.save(made.settings.load().model_copy(update={"max_builds": 2}))
    made.system.close()
    made = build_services()
    try:
        tasks = [submit(made, f"e{number}") for number in range(3)]
        most = 0
        while not all(made.tasks.get(task.id).state.final for task in tasks):
            most = max(most, len(engine.list_containers(BUILDS, running_only=True)))
            time.sleep(0.05)
        done = ended(made, tasks)
        assert [task.state for task in done] == [TaskState.SUCCEEDED] * 3
        assert most == 2
        assert any("waits for its turn" in note for task in done for note in task.notices)
    finally:
        made.system.close()
