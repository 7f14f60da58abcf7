"""Answers that are lost, streams that are cut, and an engine that is out of reach for a while, on the real engine."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.app import build_services
from agents_runner.core.container import CONTAINER_TASK, IMAGE_KEY
from agents_runner.core.task import Task, TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.waiting import until

TIMES = int(os.environ.get("AGENTS_RUNNER_FAULTS", "1"))
"""How often each fault is tried; docs/reliability.md says what a longer run gave."""


@pytest.fixture
def proxy(engine: DockerEngine) -> Iterator[FaultProxy]:
    # Not pytest's own folder: a socket's path may have 107 bytes only.
    with tempfile.TemporaryDirectory(prefix="ar-") as folder, fault_proxy(Path(folder)) as found:
        yield found


@pytest.fixture
def services(ar_home: Path, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The application, whose engine is behind the proxy."""
    with monkeypatch.context() as changed:
        changed.setenv("DOCKER_HOST", proxy.address)
        made = build_services()
        try:
            made.engine_info()
            yield made
        finally:
            made.close()


def submit(services: Services, name: str, prompt: str) -> str:
    environment = services.environments.get(name)
    return services.runner.submit(TaskRequest(environment_id=environment.id, prompt=prompt)).id


def ended(services: Services, task: str, seconds: float = 60) -> Task:
    until(lambda: services.tasks.get(task).state.final, timeout=seconds)
    return services.tasks.get(task)


def lines(services: Services, task: str) -> list[str]:
    return [line for _, line in services.tasks.log(task)]


ASKED = {
    "create": r"POST .*/containers/create",
    "start": r"POST .*/start",
    "commit": r"POST .*/commit",
    "tag": r"POST .*/tag",
    "inspect": r"GET .*/containers/.*/json",
    "look up": r"GET .*/images/.*/json",
    "remove": r"DELETE .*/containers/",
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("time", range(TIMES))
def test_f6_a_lost_answer_is_found_again(
    make_environment: MakeEnvironment,
    services: Services,
    proxy: FaultProxy,
    engine: DockerEngine,
    workspace: Path,
    what: str,
    time: int,
) -> None:
    """The engine has done it, for the build's container and for the task's, and nobody heard."""
    name = make_environment(cached_preflight_script=f"# {os.urandom(8).hex()}\nprintf x >>/opt/baked\n")
    fault = proxy.fault(ASKED[what], times=2)
    script = "printf y >>/opt/baked; cat /opt/baked; echo; while [ ! -e end ]; do sleep 0.05; done"
    task = submit(services, name, script)
    until(lambda: "xy" in "".join(lines(services, task)) or services.tasks.get(task).state.final)
    at_work = engine.list_containers({CONTAINER_TASK: task})
    (workspace / "end").touch()
    done = ended(services, task)
    assert fault.happened
    assert (done.state, lines(services, task)) == (TaskState.SUCCEEDED, ["xy"]), (done.error, done.notices)
    assert [one.cache for one in done.phases if one.phase == "build.env"] == ["built"], done.notices
    assert len(at_work) == 1
    (layer,) = services.images.plan(services.environments.get(name)).plan.layers
    assert [one.tags for one in engine.list_images({IMAGE_KEY: layer.key})] == [(layer.tag,)]
    until(lambda: engine.list_containers({CONTAINER_TASK: task}) == [], timeout=10)
    assert engine.list_containers({"io.agents-runner.container.key": layer.key}) == []


@pytest.mark.parametrize("seed", range(2 * TIMES))
def test_f4_a_log_that_is_cut_again_and_again_is_whole(
    make_environment: MakeEnvironment, services: Services, proxy: FaultProxy, seed: int
) -> None:
    """Cut at any byte, in the middle of frames and of lines, first the attached stream and then what follows it."""
    pick = random.Random(seed)
    name = make_environment()
    proxy.fault(r"POST .*/attach", after=pick.randrange(1000, 100_000))
    for _ in range(4):
        proxy.fault(r"GET .*/logs", after=pick.randrange(1000, 400_000))
    script = "for n in {1..20000}; do echo line $n; if ((n % 3 == 0)); then echo err $n >&2; fi; done"
    task = submit(services, name, script)
    done = ended(services, task, 120)
    assert done.state is TaskState.SUCCEEDED, (done.error, seed)
    log = services.tasks.log(task)
    assert [line for stream, line in log if stream == "stdout"] == [f"line {n}" for n in range(1, 20001)], seed
    assert [line for stream, line in log if stream == "stderr"] == [f"err {n}" for n in range(3, 20001, 3)], seed


# A unix socket to which docker-py could not connect is left to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("meanwhile", ["ends", "is removed", "goes on"])
def test_f26_what_happened_while_the_engine_was_out_of_reach_is_found_out(
    make_environment: MakeEnvironment,
    services: Services,
    proxy: FaultProxy,
    engine: DockerEngine,
    workspace: Path,
    meanwhile: str,
) -> None:
    name = make_environment()
    script = "echo first; while [ ! -e end ]; do sleep 0.1; done; echo last; exit 7"
    task = submit(services, name, script)
    until(lambda: lines(services, task) == ["first"], timeout=30)
    (container,) = engine.list_containers({CONTAINER_TASK: task})
    proxy.down()
    if meanwhile == "ends":
        (workspace / "end").touch()
        until(lambda: not getattr(engine.inspect(container.id), "running", False), timeout=20)
    elif meanwhile == "is removed":
        engine.remove(container.id)
    assert not services.tasks.get(task).state.final
    proxy.up()
    if meanwhile == "goes on":
        (workspace / "end").touch()
    done = ended(services, task, 35)
    if meanwhile == "is removed":
        assert (done.state, "container is gone" in done.error) == (TaskState.FAILED, True), done.error
    else:
        assert (done.exit_code, lines(services, task)) == (7, ["first", "last"])
