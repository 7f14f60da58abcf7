"""A task as a list of events, on a fake engine: phases, states, fallbacks, stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agents_runner.containers.cancellation import LocalCancellation
from agents_runner.core import container as labels
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
from agents_runner.core.ports import Port
from agents_runner.core.task_plan import AgentLaunch, DockerRunnerConfig
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.engine.port import Engine
from agents_runner.images import following
from agents_runner.images.planning import plan_image
from agents_runner.runner.tasks.run_task import run_task
from tests.support.tools import plain_tools

Behaviour = Callable[[ContainerSpec, Console, str], int]
CONFIG = DockerRunnerConfig(
    task_id="t1", environment_id="e", environment_name="E", base_image="base:1", container_cache_enabled=True,
    cached_preflight_script="true\n", run_preflight_script="true\n", workspace=NoWorkspace(), uid=0, gid=0,
    agent=AgentLaunch(name="x", argv=("x",), install_hint="Install x."), token="feed",
)  # fmt: skip


def token_of(console: Console) -> str:
    return console.input.get(timeout=10).decode().strip()


def plays(build: Behaviour, task: Behaviour) -> Callable[[ContainerSpec, Console], int]:
    def program(spec: ContainerSpec, console: Console) -> int:
        act = build if spec.name.startswith("agents-runner-build-") else task
        return act(spec, console, f"\x1e{token_of(console)} ")

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
    engine: FakeEngine, tmp_path: Path, config: DockerRunnerConfig = CONFIG, stop: LocalCancellation | None = None
) -> list[Event]:
    tools = plain_tools(engine, tmp_path, stop)
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


class VanishingLayer(FakeEngine):
    """Somebody removes the cached image at the n-th call, `at`."""

    at = 0

    def _called(self, name: str) -> None:
        super()._called(name)
        if len(self.calls) == self.at:
            self.images = {made: one for made, one in self.images.items() if not one.is_ours()}


@pytest.mark.parametrize("at", range(1, 7))
def test_f11_a_cached_image_that_vanishes_at_any_moment_fails_no_task(tmp_path: Path, at: int) -> None:
    engine = VanishingLayer(plays(builds, works))
    engine.add_image("base:1")
    events_of(engine, tmp_path)
    engine.calls.clear()
    engine.at = at
    events = events_of(engine, tmp_path)
    assert len(engine.calls) > at, "it vanished in the middle"
    assert result(events).state is TaskState.SUCCEEDED
    assert engine.calls.count("commit") <= 1


class MovingTag(FakeEngine):
    """Somebody moves the base image's tag at the n-th call."""

    def __init__(self, at: int) -> None:
        super().__init__(plays(builds, works))
        self.at = at
        self.bases = (self.add_image("base:1", user="one").id, self.add_image("other:1", user="two").id)
        self.created: list[ContainerSpec] = []

    def _called(self, name: str) -> None:
        super()._called(name)
        if len(self.calls) == self.at:
            self.tag(self.bases[1], "base:1")

    def create(self, spec: ContainerSpec) -> str:
        self.created.append(spec)
        return super().create(spec)


@pytest.mark.parametrize("at", range(1, 13))
def test_f12_a_base_tag_that_moves_on_the_way_mixes_no_images(tmp_path: Path, at: int) -> None:
    engine = MovingTag(at)
    events = events_of(engine, tmp_path)
    assert len(engine.calls) > at, "it moved in the middle"
    assert result(events).state is TaskState.SUCCEEDED
    assert phases(events)["build.env"] == (True, "built")
    build, task = engine.created
    base = engine.images[build.image]
    layer = engine.images[task.image]
    assert base.id == engine.bases[1 if at < 2 else 0]
    assert (layer.parent, layer.labels[labels.IMAGE_PARENT]) == (base.id, base.id)
    assert layer.user == base.user
    plan = plan_image(CONFIG, base)
    assert (layer.tags, layer.labels[labels.IMAGE_KEY]) == ((plan.layers[0].tag,), plan.layers[0].key)


@pytest.mark.parametrize("phase", ["build", "task"])
def test_stopping_while_building_and_while_running(engine: FakeEngine, tmp_path: Path, phase: str) -> None:
    stop = LocalCancellation()

    def waits(_spec: ContainerSpec, console: Console, _mark: str) -> int:
        console.write("waiting\n")
        stop.cancel()
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


def test_a_layer_above_its_limit_is_not_committed_and_costs_no_task(engine: FakeEngine, tmp_path: Path) -> None:
    engine.written = 1_000_001
    events = events_of(engine, tmp_path, CONFIG.model_copy(update={"max_layer_bytes": 1_000_000}))
    assert result(events).state is TaskState.SUCCEEDED
    assert "commit" not in engine.calls
    (told,) = [one for one in events if isinstance(one, Notice)]
    assert "What the build left has 0.001 GB; a layer may have 0.001 GB at most." in told.message
    assert phases(events)["build.env"] == (False, "fallback")
    events = events_of(engine, tmp_path, CONFIG.model_copy(update={"max_layer_bytes": 1_000_001}))
    assert phases(events)["build.env"] == (True, "built")


def test_a_left_build_whose_result_is_refused_is_in_nobodys_way(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "COMMIT_PATIENCE_S", 0.2)
    config = CONFIG.model_copy(update={"instance": "0123456789ab", "max_layer_bytes": 1_000_000})
    made: list[ContainerSpec] = []
    create = engine.create

    def noted(spec: ContainerSpec) -> str:
        made.append(spec)
        return create(spec)

    engine.create = noted  # type: ignore[method-assign]
    events_of(engine, tmp_path, config)
    engine.create = create  # type: ignore[method-assign]
    for tag in [tag for image in engine.list_images() for tag in image.tags if tag.startswith("agent-runner-env:")]:
        engine.remove_tag(tag)
    left = engine.create(
        replace(next(spec for spec in made if spec.name.startswith("agents-runner-build-")), mounts=())
    )
    engine.attach(left, stdin=True).send(b"token\n")
    engine.start(left)
    assert engine.wait(left).exit_code == 0
    engine.written = 1_000_001
    events = events_of(engine, tmp_path, config)
    assert phases(events)["build.env"] == (False, "fallback")
    assert result(events).state is TaskState.SUCCEEDED
    engine.written = 0
    events = events_of(engine, tmp_path, config)
    assert phases(events)["build.env"] == (True, "built")


def test_a_layer_whose_size_nobody_can_say_in_time_is_committed(engine: FakeEngine, tmp_path: Path) -> None:
    engine.failures.append(("written_bytes", errors.EngineTimeout("Too many files.")))
    events = events_of(engine, tmp_path, CONFIG.model_copy(update={"max_layer_bytes": 1_000_000}))
    assert phases(events)["build.env"] == (True, "built")


def test_s7_a_network_that_was_removed_before_the_start_is_made_again(engine: FakeEngine, tmp_path: Path) -> None:
    """A clean-up may do so: nothing was on it yet."""
    config = CONFIG.model_copy(update={"isolated": True, "container_cache_enabled": False})
    engine.failures.append(("start", errors.NetworkMissing("The network is gone.")))
    events = events_of(engine, tmp_path, config)
    assert result(events).state is TaskState.SUCCEEDED
    assert not [one for one in events if isinstance(one, Notice)]
    assert engine.calls.count("ensure_network") == 2
    engine.failures += [("start", errors.NetworkMissing("The network is gone."))] * 3
    events = events_of(engine, tmp_path, config)
    assert result(events).state is TaskState.SUCCEEDED, "slower or elsewhere, but the task is not lost"
    (told,) = [one for one in events if isinstance(one, Notice)]
    assert told.message.startswith("This task shares its network with other containers: its own was removed")
    engine.failures += [("start", errors.NetworkMissing("The network is gone."))] * 9
    events = events_of(engine, tmp_path, config)
    assert result(events).error == "The network is gone."


def test_s7_no_address_range_left_is_said_and_no_task_fails_for_it(engine: FakeEngine, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"isolated": True, "container_cache_enabled": False})
    engine.failures.append(("ensure_network", errors.NoAddresses("There is none left.", "Remove some.")))
    events = events_of(engine, tmp_path, config)
    assert result(events).state is TaskState.SUCCEEDED
    told = [one for one in events if isinstance(one, Notice)]
    assert [(one.message, one.hint) for one in told] == [
        ("This task shares its network with other containers: There is none left.", "Remove some.")
    ]


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


class DesktopProxy:
    """A desktop's proxy that notes where it leads."""

    url = "http://127.0.0.1:1/"

    def __init__(self) -> None:
        self.attached: list[str] = []
        self.closed = False

    def attach(self, container: str) -> None:
        self.attached.append(container)

    def close(self) -> None:
        self.closed = True


PICTURE = b"\x89PNG\r\n\x1a\n and so on"
DESKTOP = CONFIG.model_copy(update={"headless_desktop_enabled": True, "desktop_cache_enabled": True})


def plan_of(spec: ContainerSpec) -> list[str]:
    control = next(mount.source for mount in spec.mounts if mount.target.endswith("/in"))
    return (Path(control) / "plan.sh").read_text().splitlines()


@dataclass
class DesktopRun:
    """One task with a desktop: its events, its plan for the launcher, its proxy, its kept pictures."""

    events: list[Event]
    plan: list[str]
    proxy: DesktopProxy
    pictures: list[bytes]

    @property
    def notices(self) -> str:
        return "\n".join(event.message for event in self.events if isinstance(event, Notice))


@dataclass
class Desktops:
    """A `DesktopsPort` with one proxy."""

    proxy: DesktopProxy
    pictures: list[bytes]

    def open(self, _config: DockerRunnerConfig, _engine: Engine) -> DesktopProxy:
        return self.proxy

    def keep_picture(self, _task_id: str, data: bytes) -> None:
        self.pictures.append(data)


def with_desktop(
    engine: FakeEngine,
    tmp_path: Path,
    config: DockerRunnerConfig = DESKTOP,
    *,
    failing: str = "",
    status: int = 1,
    at_start: tuple[str, ...] = ("begin desktop", "end desktop 0"),
) -> DesktopRun:
    """Run it; the build of a layer of the kind `failing` ends with `status`."""
    proxy, plans, pictures = DesktopProxy(), list[list[str]](), list[bytes]()

    def build(spec: ContainerSpec, _console: Console, _mark: str) -> int:
        return status if failing and any(f"begin build.{failing}" in line for line in plan_of(spec)) else 0

    def task(spec: ContainerSpec, console: Console, mark: str) -> int:
        plans.append(plan_of(spec))
        engine.containers[next(iter(engine.containers))].files["/tmp/agents-runner-desktop/last.png"] = PICTURE
        for line in at_start:
            console.write(f"{mark}{line}\n" if line.startswith(("begin", "end")) else f"{line}\n")
        return works(spec, console, mark)

    engine.program = plays(build, task)
    tools = plain_tools(engine, tmp_path, desktops=Desktops(proxy, pictures))
    events = list(run_task(config, b"prompt", tools))
    assert result(events).state is TaskState.SUCCEEDED
    assert engine.containers == {}
    assert proxy.closed or not proxy.attached
    return DesktopRun(events=events, plan=plans[-1], proxy=proxy, pictures=pictures)


def test_a_desktop_is_a_layer_and_a_stage(engine: FakeEngine, tmp_path: Path) -> None:
    run = with_desktop(engine, tmp_path)
    assert list(phases(run.events)) == [
        "workspace", "pull", "build.desktop", "build.env", "start", "desktop", "preflight.run", "agent", "collect",
    ]  # fmt: skip
    assert result(run.events).image.startswith("agent-runner-env:desktop-1-")
    assert "ar_desktop_install" not in run.plan
    assert run.plan.index("ar_desktop_start") < run.plan.index("ar_begin preflight.run")
    assert any("AGENTS_RUNNER_DESKTOP_URL=http://127.0.0.1:1/" in line for line in run.plan)
    assert len(run.proxy.attached) == 1
    assert run.pictures == [PICTURE]
    again = with_desktop(engine, tmp_path)
    assert phases(again.events)["build.desktop"] == phases(again.events)["build.env"] == (True, "hit")


@pytest.mark.parametrize("cached", [False, True], ids=["desktop-at-start", "desktop-cached"])
@pytest.mark.parametrize("env", [False, True], ids=["env-at-start", "env-cached"])
def test_the_four_combinations(engine: FakeEngine, tmp_path: Path, cached: bool, env: bool) -> None:
    config = DESKTOP.model_copy(update={"desktop_cache_enabled": cached, "container_cache_enabled": env})
    run = with_desktop(engine, tmp_path, config)
    calls = [line for line in run.plan if line.startswith(("ar_desktop_", "ar_begin "))]
    assert calls == [
        *([] if cached else ["ar_desktop_install"]),
        *([] if env else ["ar_begin preflight.cached"]),
        "ar_desktop_start",
        "ar_begin preflight.run",
    ]
    prefix = {(True, True): "agent-runner-env:desktop-1-", (False, True): "agent-runner-env:1-"}
    prefix |= {(True, False): "agent-runner-desktop:1-", (False, False): "base:1"}
    assert result(run.events).image.startswith(prefix[cached, env])


def test_a_failed_desktop_build_keeps_the_environments_layer(engine: FakeEngine, tmp_path: Path) -> None:
    run = with_desktop(engine, tmp_path, failing="desktop")
    assert phases(run.events)["build.desktop"] == (False, "fallback")
    assert phases(run.events)["build.env"] == (True, "built")
    assert result(run.events).image.startswith("agent-runner-env:1-")
    assert "ar_desktop_install" in run.plan
    assert "ar_begin preflight.cached" not in run.plan
    assert "installed at task start instead" in run.notices
    # It is the layer of an environment without a desktop: the next such task finds it.
    plain = events_of(engine, tmp_path, CONFIG)
    assert phases(plain)["build.env"] == (True, "hit")


def test_a_failed_environment_build_keeps_the_desktops_layer(engine: FakeEngine, tmp_path: Path) -> None:
    run = with_desktop(engine, tmp_path, failing="env")
    assert result(run.events).image.startswith("agent-runner-desktop:1-")
    assert "ar_desktop_install" not in run.plan
    assert "ar_begin preflight.cached" in run.plan


@pytest.mark.parametrize(("status", "word"), [(96, "no Debian, Ubuntu or Arch"), (97, "sudo")])
def test_a_base_that_can_have_none_is_said_once(engine: FakeEngine, tmp_path: Path, status: int, word: str) -> None:
    run = with_desktop(engine, tmp_path, failing="desktop", status=status, at_start=())
    assert word in run.notices
    assert "ar_desktop_install" not in run.plan
    assert "ar_desktop_start" not in run.plan
    assert len(run.notices.splitlines()) == 1
    assert phases(run.events)["build.env"] == (True, "built")


def test_an_install_or_a_start_that_fails_is_said(engine: FakeEngine, tmp_path: Path) -> None:
    config = DESKTOP.model_copy(update={"desktop_cache_enabled": False})
    run = with_desktop(engine, tmp_path, config, at_start=("begin desktop.install", "end desktop.install 100"))
    assert phases(run.events)["desktop.install"] == (False, None)
    assert "could not be installed (exit code 100)" in run.notices
    assert run.proxy.closed
    assert run.pictures == []
    died = ("begin desktop", "desktop: Xvnc ended (status 4). Its last lines:", "desktop:   | no", "end desktop 1")
    run = with_desktop(engine, tmp_path, at_start=died)
    assert phases(run.events)["desktop"] == (False, None)
    assert "did not start: Xvnc ended (status 4)" in run.notices
    assert run.pictures == []


def test_without_a_proxy_there_is_still_a_screen(engine: FakeEngine, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def task(spec: ContainerSpec, console: Console, mark: str) -> int:
        seen.append(plan_of(spec))
        return works(spec, console, mark)

    engine.program = plays(builds, task)
    events_of(engine, tmp_path, DESKTOP)
    assert "ar_desktop_start" in seen[0]
