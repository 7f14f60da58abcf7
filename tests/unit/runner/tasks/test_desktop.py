"""Looking at a task's desktop by its record: addresses, pictures, and why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agents_runner.core.container import ContainerSpec, task_container
from agents_runner.core.environment import NoWorkspace
from agents_runner.core.errors import NoDesktop, StoreError
from agents_runner.core.events import TaskState
from agents_runner.core.task import Task
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.desktop import container_paths
from agents_runner.desktop.access_tokens import AccessTokens
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.engine.port import Ran
from agents_runner.runner.tasks.desktop import DesktopService, last_picture

PICTURE = b"\x89PNG\r\n\x1a\nand so on"
CONFIG = DockerRunnerConfig(
    task_id="t", environment_id="e", environment_name="E", base_image="base:1", headless_desktop_enabled=True,
    workspace=NoWorkspace(), uid=1000, gid=1000, agent=None, token="0",
)  # fmt: skip


@dataclass
class Files:
    """One task and what is kept of it."""

    state: TaskState = TaskState.RUNNING
    plan: DockerRunnerConfig = CONFIG
    here: dict[str, bytes] = field(default_factory=dict)
    full: bool = False

    def get(self, task_id: str) -> Task:
        return Task(
            id="t", environment_id="e", environment_name="E", agent="x", prompt="p", state=self.state, created=0.0
        )

    def config(self, task_id: str) -> str:
        return self.plan.model_dump_json()

    def keep(self, task_id: str, name: str, data: bytes) -> None:
        if self.full:
            raise StoreError("The disk is full.")
        self.here[name] = data

    def kept(self, task_id: str, name: str) -> bytes | None:
        return self.here.get(name)

    def forget(self, task_id: str, name: str) -> None:
        self.here.pop(name, None)


def waits(_spec: ContainerSpec, console: Console) -> int:
    console.stopped.wait(60)
    return 0


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine(waits)
    made.add_image("base:1")
    made.create(ContainerSpec(name=task_container("t"), image="base:1"))
    return made


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def service(engine: FakeEngine, files: Files) -> DesktopService:
    return DesktopService(engine=lambda: engine, files=files)


def test_an_open_proxy_has_an_address_until_it_is_closed(
    service: DesktopService, engine: FakeEngine, files: Files
) -> None:
    proxy = service.open(CONFIG, engine)
    control, view = service.address("t"), service.address("t", view_only=True)
    tokens = AccessTokens.from_json(files.here["desktop.json"])
    assert tokens is not None
    assert control.url == f"{proxy.url}#token={tokens.control}"
    assert view.url == f"{proxy.url}#token={tokens.view}&view=1"
    assert (control.view_only, view.view_only) == (False, True)
    proxy.close()
    assert "desktop.json" not in files.here
    with pytest.raises(NoDesktop, match="not there \\(yet\\)"):
        service.address("t")


def test_a_proxy_that_a_killed_application_left_is_opened_with_the_same_keys(
    service: DesktopService, engine: FakeEngine, files: Files
) -> None:
    left = AccessTokens(port=1, control="c" * 32, view="v" * 32)
    files.here["desktop.json"] = left.to_json()
    with pytest.raises(NoDesktop, match="cannot be reached"):
        service.address("t")
    proxy = service.open(CONFIG, engine)
    try:
        assert service.address("t").url.endswith("#token=" + "c" * 32)
    finally:
        proxy.close()


def test_keys_that_cannot_be_kept_leave_no_proxy_open(
    service: DesktopService, engine: FakeEngine, files: Files
) -> None:
    files.full = True
    with pytest.raises(StoreError):
        service.open(CONFIG, engine)


def test_a_picture_of_a_running_task(service: DesktopService, engine: FakeEngine) -> None:
    engine.start(task_container("t"))
    answers = [
        Ran(exit_code=0, stdout=PICTURE, stderr=b""),
        Ran(exit_code=3, stdout=b"", stderr=b"noise\nThere is no desktop in this container.\n"),
        Ran(exit_code=0, stdout=b"<html>", stderr=b""),
    ]
    looks = container_paths.as_person("1000:1000", container_paths.PICTURE)
    engine.insiders.append(lambda argv: answers.pop(0) if argv == looks else None)
    assert service.picture("t").data == PICTURE
    with pytest.raises(NoDesktop, match="There is no desktop in this container"):
        service.picture("t")
    with pytest.raises(NoDesktop, match="nothing came"):
        service.picture("t")
    engine.close()


def test_a_task_that_has_ended_has_its_last_picture(service: DesktopService, files: Files) -> None:
    files.state = TaskState.SUCCEEDED
    with pytest.raises(NoDesktop, match="has ended"):
        service.picture("t")
    service.keep_picture("t", PICTURE)
    found = service.picture("t")
    assert (found.data, found.live) == (PICTURE, False)
    with pytest.raises(NoDesktop, match="has ended"):
        service.address("t")


def test_an_environment_without_a_desktop_says_how_to_get_one(service: DesktopService, files: Files) -> None:
    files.plan = CONFIG.model_copy(update={"headless_desktop_enabled": False})
    for look in (service.address, service.picture):
        with pytest.raises(NoDesktop, match="Turn the desktop on"):
            look("t")


@pytest.mark.parametrize("data", [None, b"", b"not a picture", b"\x89PNG"])
def test_what_is_no_picture_is_not_kept(engine: FakeEngine, data: bytes | None) -> None:
    if data is not None:
        engine.put_file(task_container("t"), container_paths.LAST_PICTURE, data)
    assert last_picture(engine, task_container("t")) is None
