"""Pulls from a registry on loopback: shared, stalled, reset, stopped, and with broken helpers for logins."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from agents_runner.core.errors import EngineTimeout
from agents_runner.core.task import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.engine.endpoint import resolve
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.registry import Registry
from tests.support.waiting import until


@pytest.fixture
def registry() -> Iterator[Registry]:
    found = Registry()
    yield found
    found.close()


@pytest.fixture
def published(registry: Registry, mini_base: str) -> Iterator[str]:
    """An image with some 20 MB to fetch, in the registry only."""
    ref = registry.publish("base", "1", mini_base, {"filling": os.urandom(20_000_000)})
    try:
        yield ref
    finally:
        subprocess.run(["docker", "rmi", ref], check=False, capture_output=True)


def layer_of(registry: Registry) -> str:
    with urlopen(f"http://{registry.address}/v2/base/manifests/1") as manifest:
        (layer,) = json.load(manifest)["layers"]
    return f"/v2/base/blobs/{layer['digest']}"


def submit(services: Services, name: str) -> str:
    return services.runner.submit(TaskRequest(environment_id=name, prompt="echo ran")).id


def test_l7_ten_tasks_share_one_pull_of_their_base(
    make_environment: MakeEnvironment, services: Services, engine: DockerEngine, registry: Registry, published: str
) -> None:
    name = make_environment(base_image=published, pull="missing")
    assert engine.find_image(published) is None
    sent = [submit(services, name) for _ in range(10)]
    until(lambda: all(services.tasks.get(one).state.final for one in sent), timeout=120)
    tasks = [services.tasks.get(one) for one in sent]
    assert [one.state for one in tasks] == [TaskState.SUCCEEDED] * 10, [one.error for one in tasks]
    assert registry.requests.count(layer_of(registry)) == 1


@pytest.mark.parametrize("where", ["/manifests/", "/blobs/"])
def test_f21_stop_works_at_once_while_a_pull_is_stuck(
    make_environment: MakeEnvironment, services: Services, registry: Registry, published: str, where: str
) -> None:
    """Before the engine has said a word (the manifest does not come), and in the midst of a layer."""
    layer = layer_of(registry)
    registry.fault = lambda path, size: ("stall", size // 2) if where in path and size > 100 else None
    name = make_environment(base_image=published, pull="missing")
    first, second = submit(services, name), submit(services, name)
    asked = layer if where == "/blobs/" else where
    until(lambda: any(asked in path for path in registry.requests), timeout=30)
    until(lambda: [services.tasks.get(one).state for one in (first, second)] == [TaskState.PREPARING] * 2)
    for one in (first, second):
        services.runner.stop(one)
        until(lambda one=one: services.tasks.get(one).state is TaskState.CANCELLED, timeout=2)
    until(lambda: [one.name for one in threading.enumerate() if one.name == "engine-stream"] == [], timeout=5)


def test_f21_one_who_leaves_does_not_stop_the_others_pull(
    make_environment: MakeEnvironment, services: Services, registry: Registry, published: str
) -> None:
    layer, go_on = layer_of(registry), threading.Event()

    def hold(path: str, _size: int) -> None:
        if path == layer:
            go_on.wait(60)

    registry.fault = hold
    name = make_environment(base_image=published, pull="missing")
    first, second = submit(services, name), submit(services, name)
    until(lambda: layer in registry.requests, timeout=30)
    services.runner.stop(first)
    until(lambda: services.tasks.get(first).state is TaskState.CANCELLED, timeout=2)
    go_on.set()
    until(lambda: services.tasks.get(second).state.final, timeout=60)
    assert services.tasks.get(second).state is TaskState.SUCCEEDED


@pytest.mark.parametrize("where", ["/manifests/", "/blobs/"])
def test_f9_a_pull_that_falls_silent_is_given_up(
    mini_base: str, registry: Registry, published: str, where: str
) -> None:
    impatient = DockerEngine(resolve(), pull_silence_s=1.5)
    registry.fault = lambda path, size: ("stall", size // 2) if where in path and size > 100 else None
    try:
        began = time.monotonic()
        with pytest.raises(EngineTimeout, match=r"Nothing came for 1\.5 s while 127\.0\.0\.1.* was pulled"):
            list(impatient.pull(published))
        assert time.monotonic() - began < 1.5 + 5
        assert impatient.find_image(published) is None
    finally:
        impatient.close()


def test_f9_with_an_image_at_hand_a_broken_pull_costs_nothing(
    make_environment: MakeEnvironment, cli: Cli, registry: Registry, published: str, mini_base: str
) -> None:
    name = make_environment(base_image=published, pull="always")
    assert cli("run", name, "echo ran", "--json").log == ["ran"]
    registry.publish("base", "1", mini_base, {"filling": os.urandom(3_000_000)})
    layer = layer_of(registry)
    # The engine tries a reset connection again, after 5 s and 10 s; from the third on it gives up here.
    registry.fault = lambda path, size: ("reset", size // 2) if path == layer or "/manifests/" in path else None
    done = cli("run", name, "echo ran", "--json")
    assert done.log == ["ran"]
    assert any("could not be pulled" in one.get("message", "") for one in done.events if one["event"] == "notice")


HELPERS = {
    "missing": ("", "is not installed"),
    "fails": ("#!/bin/sh\necho broken >&2\nexit 1\n", ""),
    "says nonsense": ("#!/bin/sh\necho nonsense\n", ""),
    "hangs": ("#!/bin/sh\nsleep 600 & wait\n", "did not answer within"),
}


@pytest.mark.parametrize("how", HELPERS)
def test_f22_a_broken_helper_for_logins_does_not_stop_a_public_pull(
    make_environment: MakeEnvironment, cli: Cli, registry: Registry, published: str, tmp_path: Path, how: str
) -> None:
    script, said = HELPERS[how]
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"credsStore": "broken"}))
    if script:
        helper = folder / "docker-credential-broken"
        helper.write_text(script)
        helper.chmod(0o755)
    with_helper = Cli(home=cli.home, env={"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"})
    name = make_environment(base_image=published, pull="missing")
    began = time.monotonic()
    assert with_helper("run", name, "echo ran", "--json").log == ["ran"]
    assert time.monotonic() - began < 10 + 20, "the helper is waited for once, for 10 s"
    # What was wrong is told where it may be the cause.
    other = make_environment("other", base_image=published.replace(":1", ":2"), pull="missing")
    if how != "hangs":
        failed = with_helper("run", other, "echo ran", check=False)
        assert "docker-credential-broken gave no login" in failed.out + failed.err
        assert said in failed.out + failed.err


def test_f22_an_unreadable_configuration_is_named(cli: Cli, tmp_path: Path, mini_base: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"example.com": {"auth": "%%%"}}}))
    broken = Cli(home=cli.home, env={"DOCKER_CONFIG": str(tmp_path)})
    done = broken("images", check=False)
    assert "config.json" in done.err
    assert done.err.count("\n") == 1
