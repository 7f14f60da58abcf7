"""A base image that many tasks want at once comes down once, by one engine that shares its downloads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from agents_runner.core.task import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.registry import Registry
from tests.support.waiting import until


@pytest.fixture
def registry() -> Iterator[Registry]:
    found = Registry()
    yield found
    found.close()


def test_l7_ten_tasks_share_one_pull_of_their_base(
    make_environment: MakeEnvironment, services: Services, engine: DockerEngine, registry: Registry, mini_base: str
) -> None:
    ref = registry.publish("shared", "1", mini_base, {"filling": bytes(20_000_000)})
    name = make_environment(base_image=ref, pull="missing")
    try:
        assert engine.find_image(ref) is None
        sent = [services.runner.submit(TaskRequest(environment_id=name, prompt="echo ran")) for _ in range(10)]
        until(lambda: all(services.tasks.get(one.id).state.final for one in sent), timeout=120)
        tasks = [services.tasks.get(one.id) for one in sent]
        assert [one.state for one in tasks] == [TaskState.SUCCEEDED] * 10, [one.error for one in tasks]
        with urlopen(f"http://{registry.address}/v2/shared/manifests/1") as manifest:
            (layer,) = json.load(manifest)["layers"]
        assert registry.requests.count(f"/v2/shared/blobs/{layer['digest']}") == 1
    finally:
        subprocess.run(["docker", "rmi", ref], check=True, capture_output=True)
