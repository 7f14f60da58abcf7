"""Many tasks want the same base image: it comes down once, and who leaves leaves the others' pull alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from subprocess import run
from urllib.request import urlopen

import pytest

from agents_runner.core.task import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.registry import Registry
from tests.support.waiting import until


@pytest.fixture
def registry() -> Iterator[Registry]:
    found = Registry()
    yield found
    found.resumed.set()
    found.close()


@pytest.fixture
def published(registry: Registry, mini_base: str, engine: DockerEngine) -> Iterator[str]:
    """An image with some 20 MB to fetch, in the registry only."""
    ref = registry.publish("base", "1", mini_base, {"filling": os.urandom(20_000_000)})
    yield ref
    # A container of an ended task may be on its way out still.
    until(
        lambda: (
            engine.find_image(ref) is None
            or not run(["docker", "rmi", ref], capture_output=True, check=False).returncode
        )
    )


@pytest.fixture
def name(make_environment: MakeEnvironment, published: str) -> str:
    return make_environment(base_image=published, pull="missing")


def layer_of(registry: Registry) -> str:
    with urlopen(f"http://{registry.address}/v2/base/manifests/1") as manifest:
        (layer,) = json.load(manifest)["layers"]
    return f"/v2/base/blobs/{layer['digest']}"


def submit(services: Services, name: str) -> str:
    environment = services.environments.get(name)
    return services.runner.submit(TaskRequest(environment_id=environment.id, prompt="echo ran")).id


def test_l7_ten_tasks_share_one_pull_of_their_base(services: Services, registry: Registry, name: str) -> None:
    sent = [submit(services, name) for _ in range(10)]
    until(lambda: all(services.tasks.get(one).state.final for one in sent), timeout=120)
    tasks = [services.tasks.get(one) for one in sent]
    assert [one.state for one in tasks] == [TaskState.SUCCEEDED] * 10, [one.error for one in tasks]
    assert registry.requests.count(layer_of(registry)) == 1


def test_f21_one_who_leaves_does_not_stop_the_others_pull(services: Services, registry: Registry, name: str) -> None:
    layer, go_on = layer_of(registry), threading.Event()
    registry.before = lambda path: go_on.wait(60) if path == layer else None
    first, second = submit(services, name), submit(services, name)
    until(lambda: layer in registry.requests, timeout=30)
    services.runner.stop(first)
    until(lambda: services.tasks.get(first).state is TaskState.CANCELLED, timeout=2)
    go_on.set()
    until(lambda: services.tasks.get(second).state.final, timeout=60)
    assert services.tasks.get(second).state is TaskState.SUCCEEDED
    assert registry.requests.count(layer) == 1


def test_f21_stop_works_before_the_engine_has_said_a_word(services: Services, registry: Registry, name: str) -> None:
    """The manifest does not come: until it does, the engine does not answer at all."""
    registry.before = lambda path: registry.resumed.wait(60) if "/manifests/" in path else None
    tasks = [submit(services, name), submit(services, name)]
    until(lambda: any("/manifests/" in path for path in registry.requests), timeout=30)
    for task in tasks:
        services.runner.stop(task)
        until(lambda task=task: services.tasks.get(task).state is TaskState.CANCELLED, timeout=2)
    until(lambda: [one for one in threading.enumerate() if one.name == "engine-stream"] == [], timeout=5)


def test_f5_killed_in_the_middle_of_a_pull_a_task_says_so_and_the_next_one_pulls(
    registry: Registry, name: str, cli: Cli
) -> None:
    layer = layer_of(registry)
    registry.before = lambda path: registry.resumed.wait(60) if path == layer else None
    process = subprocess.Popen(
        [sys.executable, "-m", "agents_runner", "run", name, "true"],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: layer in registry.requests, timeout=30)
    process.kill()
    process.wait()
    (task,) = cli("tasks", "list", "--json").json
    assert task["state"] == "failed"
    assert "The application ended" in cli("tasks", "show", task["id"], "--json").json["error"]
    registry.resumed.set()
    assert cli("run", name, "echo ran", "--json").log == ["ran"]
