"""Tasks with ports do not reach each other: one network of the application's own, made once, never one a task.

On an engine of their own: on a shared one a person's task may be on that network, and must not lose it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.core.container import NETWORK_KIND, ContainerSpec
from agents_runner.core.errors import EngineRefused
from agents_runner.engine.docker_engine import DockerEngine, connect
from agents_runner.images.mini_base import import_mini_base
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.own_engine import OwnEngine
from tests.support.waiting import until

NAME = "agents-runner-apart"
LABELS = {NETWORK_KIND: "apart"}
SERVE = "exec 3<>/dev/tcp/{address}/8080"


pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and os.environ.get("CI") != "true", reason="starting an engine of its own needs root"
)


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    """All that these tests start asks this one, the engine's own program too."""
    with OwnEngine(apart=True) as own, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", own.host)
        found = connect()
        yield found
        found.close()


@pytest.fixture(scope="module")
def mini_base(engine: DockerEngine) -> str:
    return import_mini_base(engine)


@pytest.fixture
def network(engine: DockerEngine) -> Iterator[str]:
    engine.ensure_network(NAME, LABELS)
    yield NAME
    engine.remove_network(NAME)


def test_s7_siblings_on_the_network_do_not_reach_each_other(
    engine: DockerEngine, mini_base: str, network: str
) -> None:
    """The same two containers reach each other on the engine's own network: what is tried does work."""
    reached = {}
    for where in ("bridge", network):
        listener = f"agents-runner-test-listener-{where}"
        spec = ContainerSpec(
            name=listener, image=mini_base, entrypoint=("/bin/bash", "-c", "sleep 60"), network=where
        )
        engine.create(spec)
        try:
            engine.start(listener)
            address = docker(
                "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", listener
            ).strip()
            # A refused connection came to the sibling and back; one that is dropped runs into the time limit.
            probe = f"timeout 3 bash -c '{SERVE.format(address=address)}'; echo code $?"
            reached[where] = docker("run", "--rm", "--network", where, mini_base, "/bin/bash", "-c", probe)
        finally:
            engine.remove(listener)
    assert "code 1\n" in reached["bridge"]
    assert "code 124\n" in reached[network]


def test_s7_two_that_ask_at_once_make_one(engine: DockerEngine) -> None:
    threads = [threading.Thread(target=engine.ensure_network, args=(NAME, LABELS)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert docker("network", "ls", "-q", "--filter", f"name={NAME}").count("\n") == 1
    finally:
        engine.remove_network(NAME)
    engine.remove_network(NAME)  # nothing happens


def networks(name: str = NAME) -> int:
    return docker("network", "ls", "-q", "--filter", f"name={name}").count("\n")


def test_s7_two_processes_that_ask_at_once_make_one(engine: DockerEngine) -> None:
    """Each says that it is ready, and goes on once all are."""
    code = (
        "import sys; from agents_runner.engine.docker_engine import connect; "
        "from agents_runner.core.container import *; engine = connect(); print('ready', flush=True); "
        "sys.stdin.readline(); engine.ensure_network(APART_NETWORK, APART_LABELS); print('has it', flush=True)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        said = [one.communicate("go\n", timeout=60)[0] for one in processes]
        assert said == ["has it\n"] * 3
        assert networks() == 1
    finally:
        for one in processes:
            one.kill()
        engine.remove_network(NAME)


@pytest.mark.parametrize("what", [r"POST .*/networks/create", r"GET .*/networks"])
def test_s7_an_answer_that_is_lost_at_its_making_is_found_again(
    what: str, engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, tmp_path: Path
) -> None:
    name = make_environment(ports="3000")
    with FaultProxy(tmp_path, os.environ["DOCKER_HOST"]) as proxy:
        proxy.faults = [Fault(request=what, kind="drop")]
        through = Cli(home=cli.home, env={"DOCKER_HOST": proxy.host})
        done = through("run", name, "true", "--json")
        assert len(proxy.happened) == 1
        assert proxy.count("/networks/create") == 1, "nothing was made twice"
    try:
        assert done.result["state"] == "succeeded"
        assert not [one for one in done.events if one["event"] == "notice"]
        assert networks() == 1
    finally:
        engine.remove_network(NAME)


def test_s7_the_setting_puts_all_tasks_on_it_and_clean_removes_it_when_no_container_is_on_it(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, mini_base: str
) -> None:
    cli("settings", "--set", "isolate_tasks=true")
    cli("run", make_environment(), "true", "--json")
    assert networks() == 1
    # Not even one that does not run loses it, whoever made it.
    made = docker("create", "--network", NAME, "--label", "agents-runner.test=1", mini_base, "/bin/true").strip()
    try:
        left = {"kind": "network", "name": NAME}
        assert left not in cli("clean", "--dry-run", "--json").json["leftovers"]
        assert left not in cli("clean", "--json").json["leftovers"]
        assert networks() == 1
    finally:
        docker("rm", made)
    assert f"would remove  network {NAME}: no container uses it\n" in cli("clean", "--dry-run").out
    assert networks() == 1
    assert left in cli("clean", "--json").json["leftovers"]
    assert networks() == 0
    assert left not in cli("clean", "--json").json["leftovers"]


def test_s7_a_network_that_vanishes_between_the_look_and_the_start_is_made_again(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, tmp_path: Path
) -> None:
    name = make_environment(ports="3000", cache_container_build="false")
    with FaultProxy(tmp_path, os.environ["DOCKER_HOST"]) as proxy:
        # The container is made for the network; until its maker hears of that, the network goes.
        proxy.faults = [Fault(request=r"POST .*/containers/create", kind="delay", seconds=60)]
        process = subprocess.Popen(
            [sys.executable, "-m", "agents_runner", "run", name, "echo ran", "--json"],
            env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home), "DOCKER_HOST": proxy.host},
            stdout=subprocess.PIPE,
            text=True,
        )
        until(lambda: proxy.count(r"/containers/create") and engine.list_networks(LABELS)[0].containers)
        engine.remove_network(NAME)
        proxy.release()
        out = process.communicate(timeout=60)[0]
    try:
        events = [json.loads(line) for line in out.splitlines()]
        assert events[-1]["state"] == "succeeded"
        assert [one["line"] for one in events if one["event"] == "log" and one["stream"] == "stdout"] == ["ran"]
        assert networks() == 1
    finally:
        engine.remove_network(NAME)


def test_s7_without_an_address_range_a_task_runs_and_one_clear_sentence_says_so(ar_home: Path) -> None:
    pools = ("--default-address-pool", "base=172.29.254.0/24,size=24", "--bip", "172.29.255.1/24")
    with OwnEngine(apart=True, options=pools) as own:
        engine = connect(own.host)
        try:
            base = import_mini_base(engine)
        finally:
            engine.close()
        docker("--host", own.host, "network", "create", "takes-the-last")
        own_cli = Cli(home=ar_home, env={"DOCKER_HOST": own.host})
        words = [f"--set={word}" for word in (f"base_image={base}", "workspace=none", "agent=shell", "ports=3000")]
        own_cli("env", "create", "test", *words)
        done = own_cli("run", "test", "true", "--json")
        assert done.result["state"] == "succeeded"
        (told,) = [one for one in done.events if one["event"] == "notice"]
        assert told["message"] == (
            "This task shares its network with other containers: "
            "The engine has no address range left for a network (make a network)."
        )
        assert "docker network prune" in told["hint"]


def test_s7_somebody_elses_network_of_the_name_is_refused_and_no_task_fails_for_it(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli
) -> None:
    docker("network", "create", NAME)
    try:
        with pytest.raises(EngineRefused):
            engine.ensure_network(NAME, LABELS)
        done = cli("run", make_environment(ports="3000"), "true", "--json")
        assert any("shares its network" in one.get("message", "") for one in done.events)
    finally:
        docker("network", "rm", NAME)


@pytest.mark.parametrize("fields", [{"ports": "3000"}, {"profile": "strict", "workspace": "none"}, {}])
def test_s7_tasks_with_ports_and_strict_ones_are_on_it(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, fields: dict[str, str]
) -> None:
    cli("run", make_environment(**fields), "true", "--json")
    found = docker("network", "ls", "-q", "--filter", f"name={NAME}")
    engine.remove_network(NAME)
    assert bool(found) is bool(fields)
