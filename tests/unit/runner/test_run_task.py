"""A task as a list of events, on a fake engine: phases, states, fallbacks, stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agents_runner.core import errors
from agents_runner.core.container import ContainerSpec, ImageInfo
from agents_runner.core.environment import NoWorkspace
from agents_runner.core.events import (
    Event,
    LogLine,
    Notice,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
)
from agents_runner.core.launch import AgentLaunch, DockerRunnerConfig
from agents_runner.core.ports import Port
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.images.control import ControlFolders
from agents_runner.runner.run_task import Tools, run_task

Behaviour = Callable[[ContainerSpec, Console, str], int]
CONFIG = DockerRunnerConfig(
    task_id="t1", environment_id="e", environment_name="E", base_image="base:1", container_cache_enabled=True,
    cached_preflight_script="true\n", run_preflight_script="true\n", workspace=NoWorkspace(), uid=0, gid=0,
    agent=AgentLaunch(name="x", argv=("x",), install_hint="Install x."), token="feed",
)  # fmt: skip


def token_of(spec: ContainerSpec) -> str:
    state = next(mount.source for mount in spec.mounts if mount.target.endswith("/state"))
    return (Path(state) / "token").read_text().strip()


def plays(build: Behaviour, task: Behaviour) -> Callable[[ContainerSpec, Console], int]:
    def program(spec: ContainerSpec, console: Console) -> int:
        act = build if spec.name.startswith("agents-runner-build-") else task
        return act(spec, console, f"\x1e{token_of(spec)} ")

    return program


def builds(_spec: ContainerSpec, console: Console, _mark: str) -> int:
    console.write("building\n")
    return 0


def works(_spec: ContainerSpec, console: Console, mark: str) -> int:
    for line in ("begin preflight.run", "end preflight.run 0", "begin agent"):
        console.write(f"{mark}{line}\n")
    console.write("agent's line\n")
    return 0


@pytest.fixture
def engine() -> FakeEngine:
    made = FakeEngine()
    made.add_image("base:1")
    made.program = plays(builds, works)
    return made


def events_of(
    engine: FakeEngine, tmp_path: Path, config: DockerRunnerConfig = CONFIG, stop: threading.Event | None = None
) -> list[Event]:
    tools = Tools(
        engine=engine,
        control=ControlFolders(root=tmp_path / "run", local=True),
        cancel=stop or threading.Event(),
        workspaces=tmp_path / "work",
        read_login=lambda _path: None,
    )
    events = list(run_task(config, b"prompt", tools))
    # Whatever happens, nothing is left behind.
    assert engine.containers == {}
    assert list((tmp_path / "run").glob("*")) == []
    assert isinstance(events[-1], TaskResult)
    assert sum(isinstance(event, TaskResult) for event in events) == 1
    return events


def states(events: list[Event]) -> list[str]:
    return [event.state.value for event in events if isinstance(event, StateChanged)]


def phases(events: list[Event]) -> dict[str, tuple[bool, str | None]]:
    return {event.phase.value: (event.ok, event.cache) for event in events if isinstance(event, PhaseFinished)}


def result(events: list[Event]) -> TaskResult:
    assert isinstance(events[-1], TaskResult)
    return events[-1]


def test_the_whole_way(engine: FakeEngine, tmp_path: Path) -> None:
    events = events_of(engine, tmp_path)
    assert states(events) == ["preparing", "building", "starting", "running", "succeeded"]
    assert list(phases(events)) == ["workspace", "pull", "build.env", "start", "preflight.run", "agent", "collect"]
    assert phases(events)["build.env"] == (True, "built")
    started = [event.phase for event in events if isinstance(event, PhaseStarted)]
    assert started == list(phases(events))
    assert result(events).image.startswith("agent-runner-env:1-")
    again = events_of(engine, tmp_path)
    assert phases(again)["build.env"] == (True, "hit")


def test_caching_off_has_no_building(engine: FakeEngine, tmp_path: Path) -> None:
    events = events_of(engine, tmp_path, CONFIG.model_copy(update={"container_cache_enabled": False}))
    assert states(events) == ["preparing", "starting", "running", "succeeded"]
    assert result(events).image == "base:1"


FAULTS: list[tuple[str, Exception]] = [
    ("create", errors.EngineRefused("no")),
    ("create", errors.NoSpace("full")),
    ("start", errors.EngineRefused("no")),
    ("attach", errors.EngineUnreachable("away")),
    ("commit", errors.NoSpace("full")),
    ("commit", errors.EngineTimeout("slow")),
    ("tag", errors.EngineRefused("no")),
    ("changes", errors.EngineRefused("no")),
]


@pytest.mark.parametrize(("call", "error"), FAULTS, ids=[f"{call}-{type(error).__name__}" for call, error in FAULTS])
def test_f20_a_fault_in_the_build_is_a_fallback(
    engine: FakeEngine, tmp_path: Path, call: str, error: Exception
) -> None:
    engine.failures.append((call, error))
    seen: list[bool] = []

    def task(spec: ContainerSpec, console: Console, mark: str) -> int:
        control = next(mount.source for mount in spec.mounts if mount.target.endswith("/in"))
        seen.append("preflight.cached" in (Path(control) / "plan.sh").read_text())
        return works(spec, console, mark)

    engine.program = plays(builds, task)
    events = events_of(engine, tmp_path)
    assert result(events).state is TaskState.SUCCEEDED
    assert phases(events)["build.env"] == (False, "fallback")
    assert seen == [True]
    assert any(isinstance(event, Notice) and "runs at task start" in event.message for event in events)


def test_f11_an_image_gone_between_look_and_start(engine: FakeEngine, tmp_path: Path) -> None:
    events_of(engine, tmp_path)
    engine.failures.append(("create", errors.ImageMissing("gone")))
    events = events_of(engine, tmp_path)
    assert result(events).state is TaskState.SUCCEEDED
    assert result(events).image == "base:1"
    assert any(isinstance(event, Notice) and "just removed" in event.message for event in events)


@pytest.mark.parametrize("phase", ["build", "task"])
def test_stopping_while_building_and_while_running(engine: FakeEngine, tmp_path: Path, phase: str) -> None:
    stop = threading.Event()

    def waits(_spec: ContainerSpec, console: Console, _mark: str) -> int:
        console.write("waiting\n")
        stop.set()
        console.stopped.wait(20)
        return 137

    engine.program = plays(waits if phase == "build" else builds, waits)
    events = events_of(engine, tmp_path, stop=stop)
    assert result(events).state is TaskState.CANCELLED
    assert result(events).exit_code == 130


def test_a_build_that_never_ends_falls_back(engine: FakeEngine, tmp_path: Path) -> None:
    def waits(_spec: ContainerSpec, console: Console, _mark: str) -> int:
        console.stopped.wait(20)
        return 137

    engine.program = plays(waits, works)
    events = events_of(engine, tmp_path, CONFIG.model_copy(update={"build_timeout_s": 1}))
    assert result(events).state is TaskState.SUCCEEDED
    assert any(isinstance(event, Notice) and "longer than its limit of 1 s" in event.message for event in events)


def test_a_run_preflight_that_fails(engine: FakeEngine, tmp_path: Path) -> None:
    def fails(_spec: ContainerSpec, console: Console, mark: str) -> int:
        console.write(f"{mark}begin preflight.run\nlast words\n{mark}end preflight.run 4\n")
        return 4

    engine.program = plays(builds, fails)
    events = events_of(engine, tmp_path)
    assert (result(events).state, result(events).exit_code) == (TaskState.FAILED, 4)
    assert result(events).tail == ("last words",)
    assert "agent" not in phases(events)


def test_an_agent_that_is_not_there(engine: FakeEngine, tmp_path: Path) -> None:
    def missing(_spec: ContainerSpec, console: Console, mark: str) -> int:
        console.write(f"{mark}agent-missing x\n")
        return 127

    engine.program = plays(builds, missing)
    events = events_of(engine, tmp_path)
    assert result(events).exit_code == 127
    assert result(events).hint == "Install x."


def test_the_pull_policy(engine: FakeEngine, tmp_path: Path) -> None:
    engine.images.clear()
    never = events_of(engine, tmp_path, CONFIG.model_copy(update={"pull": "never"}))
    assert "never pulled" in result(never).error
    missing = events_of(engine, tmp_path)
    assert "cannot be pulled" in result(missing).error
    assert phases(missing)["pull"] == (False, None)
    engine.pullable["base:1"] = ImageInfo(id="sha256:" + "9" * 64, tags=("base:1",))
    assert result(events_of(engine, tmp_path)).state is TaskState.SUCCEEDED
    engine.pullable.clear()
    offline = events_of(engine, tmp_path, CONFIG.model_copy(update={"pull": "always"}))
    assert result(offline).state is TaskState.SUCCEEDED
    assert any(isinstance(event, Notice) and "could not be pulled" in event.message for event in offline)


def test_b5_a_taken_port(engine: FakeEngine, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"ports": (Port(container=80, host=80),), "container_cache_enabled": False})
    engine.failures.append(("start", errors.PortInUse("A port is taken.")))
    assert result(events_of(engine, tmp_path, config)).state is TaskState.SUCCEEDED
    engine.failures += [("start", errors.PortInUse("A port is taken."))] * 2
    assert result(events_of(engine, tmp_path, config)).state is TaskState.FAILED


def test_lines_are_in_order_and_whole(engine: FakeEngine, tmp_path: Path) -> None:
    def chatty(spec: ContainerSpec, console: Console, mark: str) -> int:
        works(spec, console, mark)
        for number in range(2000):
            console.write(f"{number}\n" if number % 2 else f"{number}")
            if not number % 2:
                console.write("\n")
        console.write("no end")
        return 0

    engine.program = plays(builds, chatty)
    lines = [event.line for event in events_of(engine, tmp_path) if isinstance(event, LogLine)]
    assert lines[-2001:] == [*map(str, range(2000)), "no end"]


def test_a_desktop_that_is_not_there_yet_is_said(engine: FakeEngine, tmp_path: Path) -> None:
    events = events_of(engine, tmp_path, CONFIG.model_copy(update={"headless_desktop_enabled": True}))
    assert result(events).state is TaskState.SUCCEEDED
    assert any(isinstance(event, Notice) and "without a screen" in event.message for event in events)
