"""Stop works within two seconds whatever a task is doing, and leaves nothing; builds have tests of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents_runner.core.container import CONTAINER_TASK
from agents_runner.core.task import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.waiting import until

BUSY = "echo started; sleep 60; echo never"
MOMENTS = {
    "the cached preflight at start": ({"cached_preflight_script": BUSY, "cache_container_build": "false"}, "true"),
    "the run preflight": ({"run_preflight_script": BUSY}, "true"),
    "the agent": ({}, BUSY),
    "many processes": ({}, "for n in 1 2 3 4 5; do sleep 60 & done; echo started; wait"),
}


@pytest.mark.parametrize(("fields", "prompt"), MOMENTS.values(), ids=MOMENTS)
def test_f21_stop_ends_a_task_in(
    make_environment: MakeEnvironment,
    services: Services,
    engine: DockerEngine,
    ar_home: Path,
    fields: dict[str, str],
    prompt: str,
) -> None:
    environment = services.environments.get(make_environment(**fields))
    task = services.runner.submit(TaskRequest(environment_id=environment.id, prompt=prompt)).id
    until(lambda: "started" in [line for _, line in services.tasks.log(task)], timeout=30)
    services.runner.stop(task)
    until(lambda: services.tasks.get(task).state is TaskState.CANCELLED, timeout=2)
    assert "never" not in [line for _, line in services.tasks.log(task)]
    until(lambda: engine.list_containers({CONTAINER_TASK: task}) == [], timeout=5)
    # Its folder goes after its container.
    until(lambda: not [one for _, _, files in os.walk(ar_home / "run") for one in files if task in one])
