"""A task that has no container yet is left or stopped: its base image comes down, or its repository does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agents_runner.core.events import TaskState
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.runner.services import Services, TaskRequest
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.quitting import TASKS, Quitting
from tests.support.registry import Registry
from tests.support.repository import git, make_repository
from tests.support.waiting import until
from tests.support.window_program import WindowProcess


@dataclass(frozen=True, kw_only=True)
class Held:
    """Something that an environment needs and that does not come until `go_on` is set."""

    fields: dict[str, str]
    asked: threading.Event
    go_on: threading.Event


@pytest.fixture
def pull(mini_base: str, engine: DockerEngine) -> Iterator[Held]:
    asked, go_on = threading.Event(), threading.Event()
    registry = Registry()

    def before(path: str) -> None:
        if "/blobs/" in path:
            asked.set()
            go_on.wait(60)

    registry.before = before
    ref = registry.publish("base", "1", mini_base, {"more": b"more"})
    yield Held(fields={"base_image": ref, "pull": "missing"}, asked=asked, go_on=go_on)
    go_on.set()
    if engine.find_image(ref) is not None:
        until(lambda: engine.list_containers(TASKS) == [])
        docker("rmi", ref)
    registry.close()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Held]:
    asked, go_on = threading.Event(), threading.Event()
    work, bare = tmp_path / "work", tmp_path / "served" / "repo.git"
    make_repository(work)
    git("clone", "-q", "--bare", work, bare)
    git("-C", bare, "update-server-info")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            go_on.wait(60)
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(bare.parent)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"git+http://127.0.0.1:{server.server_address[1]}/repo.git"
    yield Held(fields={"workspace": address}, asked=asked, go_on=go_on)
    go_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["pull", "clone"])
def held(request: pytest.FixtureRequest) -> Held:
    found: Held = request.getfixturevalue(request.param)
    return found


Begin = Callable[[WindowProcess], None]


@pytest.fixture
def quitting(
    make_environment: MakeEnvironment,
    cli: Cli,
    workspace: Path,
    engine: DockerEngine,
    services: Services,
    held: Held,
) -> Quitting:
    name = make_environment(**held.fields)
    return Quitting(home=cli.home, workspace=workspace, environment=name, engine=engine, services=services)


@pytest.fixture
def begin(quitting: Quitting, held: Held) -> Begin:
    def run(window: WindowProcess) -> None:
        environment = quitting.services.environments.get(quitting.environment)
        window.order("run", environment=environment.id, prompt="echo ran; ls -d .git || true")
        assert held.asked.wait(30)

    return run


def test_f23_what_is_left_before_it_has_a_container_begins_anew(quitting: Quitting, held: Held, begin: Begin) -> None:
    with WindowProcess(quitting.home) as window:
        begin(window)
        quitting.closed(window, "leave")
    assert [task.state.final for task in quitting.services.tasks.list()] == [False]
    held.go_on.set()
    with WindowProcess(quitting.home) as window:
        until(lambda: all(task.state.final for task in quitting.services.tasks.list()))
        window.order("wait")
        quitting.closed(window)
    (task,) = quitting.services.tasks.list()
    assert (task.state, task.error) == (TaskState.SUCCEEDED, "")
    lines = [line for stream, line in quitting.services.tasks.log(task.id) if stream == "stdout"]
    assert lines[0] == "ran"
    assert lines[1:] == ([".git"] if "workspace" in held.fields else [])


def test_f23_what_is_stopped_before_it_has_a_container_leaves_nothing(
    quitting: Quitting, held: Held, begin: Begin
) -> None:
    with WindowProcess(quitting.home) as window:
        begin(window)
        quitting.closed(window, "stop")
    (task,) = quitting.services.tasks.list()
    assert task.state is TaskState.CANCELLED
    assert quitting.engine.list_containers(TASKS) == []
    assert not (quitting.home / "workspaces" / task.id).exists()


def test_f21_stop_works_while_a_server_is_silent(quitting: Quitting, held: Held) -> None:
    services = quitting.services
    environment = services.environments.get(quitting.environment)
    task = services.runner.submit(TaskRequest(environment_id=environment.id, prompt="echo never")).id
    assert held.asked.wait(30)
    services.runner.stop(task)
    until(lambda: services.tasks.get(task).state is TaskState.CANCELLED, timeout=2)
    assert not (quitting.home / "workspaces" / task).exists()
