"""Tests are guests: a person's running task of another home, and whatever else is a person's, lives through them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from agents_runner.core import container as labels
from agents_runner.core.container import task_container
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.images.mini_base import CHANGES, make_mini_base
from tests.support import held_back, sweep
from tests.support.cli import Cli
from tests.support.docker_program import docker as run_docker
from tests.support.guests import Neighbour
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
WHOLE = (
    "tests/contract/test_session_contract.py",
    "tests/docker/test_cleaning.py::test_s10_look_alikes_and_images_in_use_stay",
    "tests/docker/test_cleaning.py::test_a_layer_that_lost_its_tag_goes_too_and_a_persons_does_not",
    "tests/docker/test_sweep.py",
)
"""What of the suite lists, cleans and removes most."""
LONG = "tests/docker/test_cleaning.py::test_stop_ends_a_build_a_running_task_and_leaves_nothing"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone with a home of their own, a task that runs, and the layer that it was started from."""

    cli: Cli
    task: str
    image: str
    workspace: Path
    process: subprocess.Popen[str]

    def finish(self) -> list[dict[str, object]]:
        """Let the task end; what its command line printed."""
        (self.workspace / "go").touch()
        out, _ = self.process.communicate(timeout=60)
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def person(engine: DockerEngine, tmp_path: Path) -> Iterator[Person]:
    """A task with a port, so that it is on the network that all installations share."""
    base, workspace, home = f"a-persons-base:{secrets.token_hex(4)}", tmp_path / "theirs", tmp_path / "person"
    workspace.mkdir()
    engine.import_image(make_mini_base().blocks(), base, (*CHANGES, f"LABEL whose={base}"))
    cli = Cli(home=home)
    fields = {
        "base_image": base,
        "workspace": str(workspace),
        "agent": "shell",
        "cache_container_build": "true",
        "cached_preflight_script": "echo made > /opt/made\n",
        "ports": "3000",
    }
    cli("env", "create", "mine", *(word for field, value in fields.items() for word in ("--set", f"{field}={value}")))
    prompt = "touch begun; while [ ! -e go ]; do sleep 0.1; done; cat /opt/made"
    process = subprocess.Popen(
        [sys.executable, "-m", "agents_runner", "run", "mine", "--json", prompt],
        env=os.environ | {"AGENTS_RUNNER_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until((workspace / "begun").exists)
        (task,) = cli("tasks", "list", "--json").json
        image = cli("plan", "mine", "--json").json["image"]
        yield Person(cli=cli, task=task["id"], image=image, workspace=workspace, process=process)
    finally:
        process.kill()
        process.communicate()
        with contextlib.suppress(subprocess.CalledProcessError):
            run_docker("rm", "-f", task_container(task["id"]))
        cli("clean")
        run_docker("rmi", base)


def session(folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """A session of the tests as scripts/test.sh begins one, where nobody says that it is alone on its engine."""
    folder.mkdir()
    variables |= {"AGENTS_RUNNER_TEST_STATE": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/chosen", *words],
        env={name: value for name, value in os.environ.items() if name != "CI"} | variables,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def unharmed(engine: DockerEngine, person: Person) -> bool:
    state = engine.inspect(task_container(person.task))
    return state is not None and state.running and engine.find_image(person.image) is not None


def ends_well(person: Person) -> None:
    events = person.finish()
    assert events[-1]["state"] == "succeeded"
    assert [one["line"] for one in events if one["event"] == "log" and one["stream"] == "stdout"] == ["made"]
    assert not [one for one in events if one["event"] == "notice"]


def test_a_persons_task_lives_through_a_session_and_what_they_do_meanwhile_fails_no_test(
    engine: DockerEngine, person: Person, tmp_path: Path
) -> None:
    """Things that were there at the session's beginning vanish, others appear: each of every kind."""
    token, go = secrets.token_hex(4), tmp_path / "go-on"
    kinds = ("container", "volume", "network")
    early, late = (f"a-persons-{when}-{token}" for when in ("early", "late"))

    def make(name: str) -> None:
        run_docker("create", "--name", name, person.image, "true")
        run_docker("commit", name, f"{name}:1")
        run_docker("volume", "create", name)
        run_docker("network", "create", name)

    def remove(name: str) -> None:
        for words in (*((kind, "rm", name) for kind in kinds), ("rmi", f"{name}:1")):
            with contextlib.suppress(subprocess.CalledProcessError):
                run_docker(*words)

    make(early)
    running = session(tmp_path / "state", "-p", held_back.__name__, *WHOLE, **{held_back.GO: str(go)})
    try:
        until(lambda: running.poll() is not None or (tmp_path / "state" / "before.json").exists())
        remove(early)
        make(late)
        go.touch()
        out, _ = running.communicate(timeout=500)
        assert running.returncode == 0, out[-3000:]
        assert unharmed(engine, person)
        for kind in kinds:
            run_docker(kind, "inspect", late)
        run_docker("image", "inspect", f"{late}:1")
        ends_well(person)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        remove(early)
        remove(late)


def test_a_persons_task_lives_through_a_killed_session_and_the_sweep_after_it(
    engine: DockerEngine, person: Person, tmp_path: Path
) -> None:
    """What the session itself left running goes, and what it made to look after: base image and neighbour."""
    client = docker.from_env()
    state = tmp_path / "state"

    def left() -> list[str]:
        """Containers and layers of the killed session: of the homes below its folder."""
        instances = {path.read_text().strip() for path in state.rglob("instance")}
        boxes = client.api.containers(all=True)
        layers = client.api.images(filters={"label": f"{labels.IMAGE_MANAGED}=true"})
        names = (labels.CONTAINER_INSTANCE, labels.IMAGE_INSTANCE)
        things = [(one["Id"], one.get("Labels") or {}) for one in (*boxes, *layers)]
        return [made for made, values in things if {values.get(name) for name in names} & instances]

    running = session(state, LONG)
    try:
        until(lambda: running.poll() is not None or left(), timeout=120)
        assert running.poll() is None, running.communicate()[0][-3000:]
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        # A task of it is detached, with a process that outlives the session.
        assert left()
        subprocess.run([sys.executable, "-m", "tests.support.sweep", str(state)], cwd=ROOT, check=True)
        assert left() == []
        made = json.loads((state / sweep.MADE).read_text())
        assert client.images.list(made["base"]) == []
        assert Neighbour.of(client, made["neighbour"]).present() == []
        assert unharmed(engine, person)
        ends_well(person)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        client.close()
