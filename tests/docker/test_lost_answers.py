"""Answers that get lost, logs that are cut, connections that are gone for a while: between us and the engine."""

from __future__ import annotations

import collections
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from agents_runner.containers.cancellation import NeverCancelled
from agents_runner.containers.watch import Watch
from agents_runner.core.container import IMAGE_MANAGED, ContainerSpec, ContainerState
from agents_runner.core.environment import NoWorkspace
from agents_runner.core.errors import ContainerMissing
from agents_runner.core.events import Event, LogLine, Notice, PhaseFinished, TaskResult, TaskState
from agents_runner.core.task_plan import AgentLaunch, DockerRunnerConfig
from agents_runner.engine.docker_engine import DockerEngine, connect
from agents_runner.launcher.files import new_token
from agents_runner.launcher.protocol import OutputParser
from agents_runner.runner.tasks.run_task import run_task
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.tools import plain_tools
from tests.support.waiting import until

SEED = int(os.environ.get("AGENTS_RUNNER_TEST_SEED", "7"))
TIMES = int(os.environ.get("AGENTS_RUNNER_TEST_TIMES", "1"))
CUTS = int(os.environ.get("AGENTS_RUNNER_TEST_CUTS", "5"))
OURS = {"label": f"{IMAGE_MANAGED}=true"}
NAME = "agents-runner-lost-answers"


@pytest.fixture
def proxy(engine: DockerEngine, tmp_path: Path) -> Iterator[FaultProxy]:
    with FaultProxy(tmp_path, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")) as made:
        yield made


@pytest.fixture
def through(proxy: FaultProxy) -> Iterator[DockerEngine]:
    engine = connect(proxy.host)
    yield engine
    engine.close()


@pytest.fixture
def client(engine: DockerEngine) -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture
def left(engine: DockerEngine) -> Iterator[str]:
    yield NAME
    engine.remove(NAME)


def config(base: str, number: int, script: str = "echo made > /opt/made\n") -> DockerRunnerConfig:
    return DockerRunnerConfig(
        task_id=f"lost{number}", environment_id="e", environment_name="E", base_image=base,
        container_cache_enabled=True, cached_preflight_script=f"{script}# {SEED} {number}\n",
        workspace=NoWorkspace(), uid=0, gid=0, token=new_token(),
        agent=AgentLaunch(name="x", argv=("sh", "-c", "cat /opt/made; echo ran"), install_hint=""),
    )  # fmt: skip


def run(engine: DockerEngine, what: DockerRunnerConfig, folder: Path) -> list[Event]:
    tools = plain_tools(engine, folder)
    return list(run_task(what, b"prompt", tools))


FIRST = {
    "create": r"POST .*/containers/create",
    "start": r"POST .*/start$",
    "commit": r"POST .*/commit",
    "tag": r"POST .*/tag",
}


@pytest.mark.parametrize("what", [*FIRST, "create-task", "start-task"])
def test_f6_a_lost_answer_is_found_again(
    what: str, through: DockerEngine, proxy: FaultProxy, client: docker.DockerClient, mini_base: str, tmp_path: Path
) -> None:
    call, _, of_task = what.partition("-")
    for number in range(TIMES):
        wanted = config(mini_base, number)
        if of_task:
            run(through, wanted, tmp_path)  # the layer is there now: the next call is the task's own
        proxy.requests.clear()
        proxy.happened.clear()
        proxy.faults = [Fault(request=FIRST[call], kind="drop")]
        before = {one["Id"] for one in client.api.images(filters=OURS)}
        events = run(through, wanted, tmp_path)
        assert len(proxy.happened) == 1
        result = events[-1]
        assert isinstance(result, TaskResult)
        assert (result.state, result.error) == (TaskState.SUCCEEDED, "")
        assert [one.line for one in events if isinstance(one, LogLine)][-2:] == ["made", "ran"], "it ran once"
        assert not [one for one in events if isinstance(one, Notice)]
        build = [one for one in events if isinstance(one, PhaseFinished) and one.cache]
        assert [one.cache for one in build] == ["hit" if of_task else "built"]
        names = [name for one in client.api.containers(all=True) for name in one["Names"]]
        assert not [name for name in names if "agents-runner-build" in name or "task-lost" in name]
        # One image, under its final tag; no second one without.
        new = [one for one in client.api.images(filters=OURS) if one["Id"] not in before]
        assert [one["RepoTags"] for one in new] == ([] if of_task else [[result.image]])
        assert proxy.count(r"/containers/create") == (1 if of_task else 2), "nothing was made twice"
        if of_task:
            assert proxy.count(r"/start$") == 1
        client.api.remove_image(result.image)


def lines_of(engine: DockerEngine, container: str, states: list[ContainerState]) -> Iterator[str]:
    watch = Watch(engine=engine, container=container, parser=OutputParser(""), cancel=NeverCancelled())
    stream = engine.attach(container)
    engine.start(container)
    lines = watch.run(stream)
    while True:
        try:
            item = next(lines)
        except StopIteration as end:
            states.append(end.value)
            return
        assert isinstance(item, LogLine)
        yield f"{item.stream} {item.line}"


def test_f4_a_log_that_is_cut_again_and_again_has_each_line_once(
    through: DockerEngine, proxy: FaultProxy, engine: DockerEngine, mini_base: str, left: str
) -> None:
    rng = random.Random(SEED)
    count = 20_000
    script = (
        f"n=0; while [ $n -lt {count} ]; do n=$((n+1)); "
        'if [ $((n % 3)) = 0 ]; then echo "err same" >&2; else echo "out $n ünïcode"; fi; done'
    )
    made = through.create(ContainerSpec(name=left, image=mini_base, command=("bash", "-c", script)))
    truth_lines = collections.Counter(
        "stderr err same" if n % 3 == 0 else f"stdout out {n} ünïcode" for n in range(1, count + 1)
    )
    # Some after a few bytes only, in the middle of a frame's head; some late, when the container has ended.
    size = 28 * count
    proxy.faults = [
        Fault(
            request=r"(/attach|/logs)\?",
            kind="cut",
            times=CUTS,
            after=lambda: rng.choice((rng.randrange(1, 400), rng.randrange(1, size))),
        )
    ]
    states: list[ContainerState] = []
    found = collections.Counter(lines_of(through, made, states))
    assert found == truth_lines, f"seed {SEED}"
    # Once the last line is known nothing is read again, so not every cut is met.
    assert proxy.happened
    assert states[0].exit_code == 0


def test_f4_lines_that_are_all_alike_are_counted_too(
    through: DockerEngine, proxy: FaultProxy, mini_base: str, left: str
) -> None:
    rng = random.Random(SEED)
    made = through.create(ContainerSpec(name=left, image=mini_base, command=("bash", "-c", "yes '' | head -n 20000")))
    # Most of it is still under way when the container has ended: only the log tells how many there were.
    proxy.faults = [Fault(request=r"/attach\?", kind="cut", after=lambda: rng.randrange(1_000, 18_000))]
    found = list(lines_of(through, made, []))
    assert (set(found), len(found)) == ({"stdout "}, 20_000), f"seed {SEED}"
    assert len(proxy.happened) == 1


def test_f26_an_end_during_a_lost_connection_is_seen_when_it_returns(
    through: DockerEngine, proxy: FaultProxy, engine: DockerEngine, mini_base: str, left: str
) -> None:
    go = 'echo up; read -r line; echo "after $line"; exit 7'
    made = through.create(ContainerSpec(name=left, image=mini_base, command=("bash", "-c", go), stdin=True))
    other = engine.attach(made, stdin=True)
    states: list[ContainerState] = []
    lines = lines_of(through, made, states)
    assert next(lines) == "stdout up"
    proxy.sever()
    other.send(b"all\n")
    until(lambda: (state := engine.inspect(made)) is not None and state.ended)
    back = threading.Timer(3.0, proxy.restore)
    back.start()
    assert list(lines) == ["stdout after all"]
    assert states[0].exit_code == 7
    assert not back.is_alive()
    other.close()


def test_f26_a_removal_during_a_lost_connection_is_seen_when_it_returns(
    through: DockerEngine, proxy: FaultProxy, engine: DockerEngine, mini_base: str, left: str
) -> None:
    made = through.create(ContainerSpec(name=left, image=mini_base, command=("bash", "-c", "echo up; sleep 300")))
    lines = lines_of(through, made, [])
    assert next(lines) == "stdout up"
    proxy.sever()
    engine.remove(made)
    threading.Timer(3.0, proxy.restore).start()
    with pytest.raises(ContainerMissing):
        list(lines)


def test_f26_an_end_behind_a_silent_connection_is_seen(
    through: DockerEngine, proxy: FaultProxy, engine: DockerEngine, mini_base: str, left: str
) -> None:
    proxy.faults = [Fault(request=r"/attach\?", kind="stall", after=lambda: 400)]
    script = "for n in 1 2 3 4 5 6 7 8; do echo $n; head -c 200 /dev/zero | tr '\\0' x; echo; done; exit 7"
    made = through.create(ContainerSpec(name=left, image=mini_base, command=("bash", "-c", script)))
    states: list[ContainerState] = []
    found = list(lines_of(through, made, states))
    assert len(proxy.happened) == 1
    assert [line for line in found if "x" not in line] == [f"stdout {n}" for n in range(1, 9)]
    assert states[0].exit_code == 7
