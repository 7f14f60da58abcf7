"""Wall-clock limits on a real engine: they hold while a script is silent, floods, and ignores signals."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator

import docker
import pytest

from agents_runner.core.container import CONTAINER_INSTANCE
from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli, Done

LIMIT_S = 2
SLACK_S = 3.0
"""What a limit may be late: 2 s, and the machine's own slowness."""
HANGS = {
    "silent": "sleep 600",
    "ignores signals": "trap '' TERM INT HUP QUIT; sleep 600; while :; do sleep 600; done",
    "floods": "yes 'a line of some length, over and over'",
    "floods and ignores": "trap '' TERM INT HUP; while :; do echo 'a line of some length'; done",
    "leaves others behind": "(setsid sleep 600 &) ; setsid sh -c \"trap '' TERM; sleep 600\"",
}
hangs = pytest.mark.parametrize("hang", list(HANGS.values()), ids=list(HANGS))


class SilentServer:
    """Takes connections from containers and never says a word."""

    def __init__(self) -> None:
        client = docker.from_env()
        config = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
        # An engine at its very first start does not say the gateway: it is the subnet's first address.
        self.address = str(config.get("Gateway") or ipaddress.ip_network(config["Subnet"])[1])
        client.close()
        self.asked = 0
        self.hung_up = threading.Event()
        self._listener = socket.create_server((self.address, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                other, _ = self._listener.accept()
            except OSError:
                return
            self.asked += 1
            with other, contextlib.suppress(OSError):
                while other.recv(100):
                    pass
            self.hung_up.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def silent_server(engine: DockerEngine) -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


def timed(cli: Cli, environment: str, prompt: str = "echo reached") -> tuple[Done, float]:
    began = time.monotonic()
    done = cli("run", environment, prompt, "--json", check=False)
    return done, time.monotonic() - began


def nothing_left(cli: Cli) -> bool:
    client = docker.from_env()
    try:
        label = f"{CONTAINER_INSTANCE}={(cli.home / 'instance').read_text()}"
        return not client.containers.list(all=True, filters={"label": label})
    finally:
        client.close()


@hangs
def test_f14_a_build_that_hangs_is_ended_and_the_task_runs_without_it(
    cli: Cli, make_environment: MakeEnvironment, hang: str
) -> None:
    script = f'if [ "$AGENTS_RUNNER_STAGE" = build ]; then {hang}; fi\nexport MADE=at-start\n'
    environment = make_environment(cached_preflight_script=script, build_timeout_s=str(LIMIT_S))
    done, _ = timed(cli, environment, 'echo "made $MADE"')
    phase = done.phase("build.env")
    assert phase["cache"] == "fallback"
    assert LIMIT_S - 0.1 <= phase["seconds"] <= LIMIT_S + SLACK_S
    assert any(f"longer than its limit of {LIMIT_S} s" in one.get("message", "") for one in done.events)
    assert done.log[-1] == "made at-start"
    assert done.result["state"] == "succeeded"
    assert nothing_left(cli)


def test_f10_a_build_that_waits_for_a_dead_connection_is_ended(
    cli: Cli, make_environment: MakeEnvironment, silent_server: SilentServer
) -> None:
    waits = f"exec 3<>/dev/tcp/{silent_server.address}/{silent_server.port}; echo connected; cat <&3"
    script = f'if [ "$AGENTS_RUNNER_STAGE" = build ]; then {waits}; fi\nexport MADE=at-start\n'
    environment = make_environment(cached_preflight_script=script, build_timeout_s=str(LIMIT_S))
    done, _ = timed(cli, environment, 'echo "made $MADE"')
    assert silent_server.asked == 1
    assert "connected" in done.log
    phase = done.phase("build.env")
    assert phase["cache"] == "fallback"
    assert LIMIT_S - 0.1 <= phase["seconds"] <= LIMIT_S + SLACK_S
    assert any(f"longer than its limit of {LIMIT_S} s" in one.get("message", "") for one in done.events)
    assert (done.log[-1], done.result["state"]) == ("made at-start", "succeeded")
    assert nothing_left(cli)
    assert silent_server.hung_up.wait(10)


@hangs
def test_f14_a_run_preflight_that_hangs_fails_in_its_phase(
    cli: Cli, make_environment: MakeEnvironment, hang: str
) -> None:
    environment = make_environment(run_preflight_script=f"{hang}\n", run_preflight_timeout_s=str(LIMIT_S))
    done, _ = timed(cli, environment)
    phase = done.phase("preflight.run")
    assert phase["state"] == "failed"
    assert LIMIT_S - 0.1 <= phase["seconds"] <= LIMIT_S + SLACK_S
    assert done.phase("agent") == {}
    assert (done.code, done.result["state"]) == (124, "failed")
    assert done.result["error"] == f"The run preflight took longer than its limit of {LIMIT_S} s."
    assert nothing_left(cli)


@hangs
def test_f14_an_agent_that_hangs_is_ended_by_the_tasks_limit(
    cli: Cli, make_environment: MakeEnvironment, hang: str
) -> None:
    environment = make_environment(task_timeout_s=str(LIMIT_S))
    done, _ = timed(cli, environment, hang)
    assert done.phase("agent")["state"] == "failed"
    assert LIMIT_S - 1 <= done.phase("agent")["seconds"] <= LIMIT_S + SLACK_S
    assert (done.code, done.result["state"]) == (124, "failed")
    assert done.result["error"] == f"The task took longer than its limit of {LIMIT_S} s."
    assert nothing_left(cli)


def test_f14_the_tasks_limit_holds_in_a_cached_preflight_at_start(
    cli: Cli, make_environment: MakeEnvironment
) -> None:
    script = f"{HANGS['ignores signals']}\n"
    environment = make_environment(
        cache_container_build="false",
        cached_preflight_script=script,
        task_timeout_s=str(LIMIT_S),
        run_preflight_timeout_s="1",
    )
    done, _ = timed(cli, environment)
    assert done.phase("preflight.cached")["state"] == "failed"
    assert done.result["error"] == f"The task took longer than its limit of {LIMIT_S} s."


def test_f14_a_limit_of_the_run_preflight_is_not_the_agents(cli: Cli, make_environment: MakeEnvironment) -> None:
    environment = make_environment(run_preflight_script="true\n", run_preflight_timeout_s="1", task_timeout_s="0")
    done, _ = timed(cli, environment, "sleep 2.5; echo late")
    assert done.log[-1] == "late"
    assert done.result["state"] == "succeeded"


def test_f14_builds_and_pulls_do_not_count_for_the_tasks_limit(cli: Cli, make_environment: MakeEnvironment) -> None:
    environment = make_environment(cached_preflight_script="sleep 3\n", task_timeout_s=str(LIMIT_S))
    done, _ = timed(cli, environment)
    assert done.phase("build.env")["cache"] == "built"
    assert done.result["state"] == "succeeded"
