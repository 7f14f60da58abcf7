"""Tasks with ports do not reach each other: one network of the application's own, made once, never one a task."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from agents_runner.core.container import NETWORK_KIND, ContainerSpec
from agents_runner.core.errors import EngineRefused
from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker

NAME = "agents-runner-apart"
LABELS = {NETWORK_KIND: "apart"}
SERVE = "exec 3<>/dev/tcp/{address}/8080"


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
