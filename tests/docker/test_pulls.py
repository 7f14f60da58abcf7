"""Pulls that meet a silent registry, a cut connection, a broken credential helper, or a person who stops them."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from agents_runner.containers.cancellation import LocalCancellation, NeverCancelled
from agents_runner.core.container import ImageInfo
from agents_runner.core.environment import NoWorkspace
from agents_runner.core.errors import EngineUnreachable, ImageMissing
from agents_runner.core.events import Event, Notice, PhaseStarted, Progress, TaskResult, TaskState
from agents_runner.core.task_plan import AgentLaunch, DockerRunnerConfig
from agents_runner.engine.docker_engine import DockerEngine, Patience, connect
from agents_runner.runner.tasks.base_image import base_image
from agents_runner.runner.tasks.run_task import run_task
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.registry import Registry
from tests.support.tools import plain_tools
from tests.support.waiting import until

SILENCE_S = 2.0
HELPER_S = 1.0


@pytest.fixture
def registry(engine: DockerEngine) -> Iterator[Registry]:
    found = Registry()
    yield found
    for image in engine.list_images():
        for tag in image.tags:
            if tag.startswith(found.address):
                engine.remove_tag(tag)
    found.close()


@pytest.fixture
def hasty(engine: DockerEngine) -> Iterator[DockerEngine]:
    """The engine, with less patience for pulls than a person would have."""
    made = connect(patience=Patience(pull_s=SILENCE_S, helper_s=HELPER_S))
    yield made
    made.close()


def publish(registry: Registry, size: int = 20_000_000) -> str:
    return registry.publish("silent", "1", "", {"file": os.urandom(size)})


def drained(body: Generator[Event, None, ImageInfo]) -> tuple[list[Event], ImageInfo]:
    events = []
    while True:
        try:
            events.append(next(body))
        except StopIteration as end:
            return events, end.value


def config(ref: str, pull: str = "missing") -> DockerRunnerConfig:
    return DockerRunnerConfig(
        task_id="pull1", environment_id="e", environment_name="E", base_image=ref, pull=pull, workspace=NoWorkspace(),
        uid=0, gid=0, token="feed", agent=AgentLaunch(name="x", argv=("x",), install_hint=""),
    )  # fmt: skip


def test_f9_a_silent_registry_ends_the_pull_of_each_who_waits(hasty: DockerEngine, registry: Registry) -> None:
    ref = publish(registry)
    registry.stall_after = 100_000
    said: list[str] = []

    def wait() -> None:
        with pytest.raises(ImageMissing) as caught:
            list(base_image(hasty, config(ref), NeverCancelled()))
        said.append(caught.value.message)

    waiters = [threading.Thread(target=wait) for _ in range(2)]
    began = time.monotonic()
    for one in waiters:
        one.start()
    for one in waiters:
        one.join()
    assert time.monotonic() - began < SILENCE_S + 5
    assert len(said) == 2
    assert all("stood still for 2 s" in one for one in said), said
    registry.resumed.set()
    assert registry.hung_up.wait(10), "the engine does not go on pulling"
    # The registry is well again: the next task has its image.
    registry.stall_after = None
    list(base_image(hasty, config(ref), NeverCancelled()))
    assert hasty.find_image(ref) is not None


@pytest.mark.parametrize("how", ["stall", "reset", "cut"])
def test_f9_the_image_that_is_there_is_used(
    hasty: DockerEngine, registry: Registry, tmp_path: Path, how: str
) -> None:
    ref = publish(registry)
    list(base_image(hasty, config(ref), NeverCancelled()))
    there = hasty.find_image(ref)
    publish(registry)
    registry.stall_after, registry.reset = (0 if how == "stall" else None), how == "reset"
    with FaultProxy(tmp_path, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")) as proxy:
        proxy.faults = [Fault(request="/images/create", kind="cut", after=lambda: 250)] if how == "cut" else []
        through = connect(proxy.host, Patience(pull_s=SILENCE_S))
        pulling = base_image(through, config(ref, "always"), NeverCancelled())
        events, used = drained(pulling)
        through.close()
    assert used == there
    notices = [one for one in events if isinstance(one, Notice)]
    assert [one.message for one in notices] == [f"{ref} could not be pulled, so the image that is there is used."]
    assert {"stall": "stood still", "reset": "cannot be pulled", "cut": "broke off"}[how] in notices[0].hint or (
        how == "reset" and "refused" in notices[0].hint
    )


def test_f9_a_cut_pull_is_no_normal_end(registry: Registry, engine: DockerEngine, tmp_path: Path) -> None:
    ref = publish(registry)
    with FaultProxy(tmp_path, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")) as proxy:
        proxy.faults = [Fault(request="/images/create", kind="cut", after=lambda: 250)]
        through = connect(proxy.host)
        with pytest.raises(EngineUnreachable, match="broke off"):
            list(through.pull(ref))
        through.close()


@pytest.mark.parametrize("silent", ["engine", "registry"])
def test_f21_stop_ends_a_pull_within_two_seconds(
    engine: DockerEngine, registry: Registry, tmp_path: Path, silent: str
) -> None:
    ref = publish(registry)
    registry.stall_after = 100_000
    with FaultProxy(tmp_path, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")) as proxy:
        if silent == "engine":
            proxy.faults = [Fault(request="/images/create", kind="stall")]
        through, stop = connect(proxy.host), LocalCancellation()
        tools = plain_tools(through, tmp_path, stop)
        asked: list[float] = []

        def press() -> None:
            assert registry.stalled.wait(20)
            asked.append(time.monotonic())
            stop.cancel()

        presser = threading.Thread(target=press)
        presser.start()
        events = list(run_task(config(ref), b"prompt", tools))
        took = time.monotonic() - asked[0]
        presser.join()
        through.close()
    assert took < 2
    result = events[-1]
    assert isinstance(result, TaskResult)
    assert result.state is TaskState.CANCELLED
    assert any(isinstance(one, PhaseStarted) and one.phase.value == "pull" for one in events)
    registry.resumed.set()
    assert registry.hung_up.wait(10), "the engine does not go on pulling"
    assert engine.find_image(ref) is None
    until(lambda: not any(one.name == "engine-stream" for one in threading.enumerate()), timeout=5)


HELPERS: dict[str, str | None] = {
    "missing": None,
    "failing": "#!/bin/sh\necho 'error getting credentials' ; exit 1\n",
    "hung": "#!/bin/sh\nsleep 600 & wait\n",
    "garbled": "#!/bin/sh\necho '{]'\n",
    "empty": "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n",
}


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Makes a credential helper for all registries, and logins of other registries that nobody may be sent."""

    def make(script: str | None) -> None:
        folder = tmp_path / "docker-config"
        folder.mkdir()
        other = base64.b64encode(b"someone:secret").decode()
        (folder / "config.json").write_text(
            json.dumps({"credsStore": "of-the-test", "auths": {"other.example": {"auth": other}}})
        )
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        programs = tmp_path / "programs"
        programs.mkdir()
        if script is not None:
            (programs / "docker-credential-of-the-test").write_text(script)
            (programs / "docker-credential-of-the-test").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    return make


@pytest.mark.parametrize("kind", HELPERS)
def test_f22_a_broken_credential_helper_costs_time_not_the_pull(
    kind: str, helper: Callable[[str | None], None], engine: DockerEngine, registry: Registry
) -> None:
    ref = publish(registry)
    helper(HELPERS[kind])
    hasty = connect(patience=Patience(helper_s=HELPER_S))
    began = time.monotonic()
    events = list(base_image(hasty, config(ref), NeverCancelled()))
    assert time.monotonic() - began < HELPER_S + 3
    assert hasty.remote_digest(ref).startswith("sha256:")
    hasty.close()
    assert engine.find_image(ref) is not None
    assert set(registry.logins) == {""}
    texts = [one.text for one in events if isinstance(one, Progress)]
    told = [one for one in texts if one.startswith("The credential helper docker-credential-of-the-test ")]
    assert len(told) == (0 if kind == "empty" else 1), texts


def test_f22_a_login_of_a_helper_is_used(
    helper: Callable[[str | None], None], engine: DockerEngine, registry: Registry
) -> None:
    ref = publish(registry)
    helper(
        f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get {registry.address}' ] || exit 3\n"
        'echo \'{"ServerURL":"x","Username":"me","Secret":"canary"}\'\n'
    )
    registry.wants = base64.b64encode(b"me:canary").decode()
    own = connect()
    list(base_image(own, config(ref), NeverCancelled()))
    own.close()
    assert f"Basic {registry.wants}" in registry.logins
