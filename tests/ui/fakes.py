"""Services in memory: environments, a runner that plays scripted events on a thread, images with slow calls."""

from __future__ import annotations

import builtins
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.core.checks import FieldProblem
from agents_runner.core.container import EngineInfo
from agents_runner.core.environment import COLORS, Environment
from agents_runner.core.errors import AgentsRunnerError, EngineUnreachable, InvalidInput, NoDesktop, NotFound
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LayerDone,
    LogLine,
    Phase,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
)
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.migrate import environment_to_json
from agents_runner.core.results import ImportReport, Listing, Problem
from agents_runner.core.secrets import SecretUse
from agents_runner.core.settings import Settings
from agents_runner.core.task import Task, TaskKind, applied, new_task_id
from agents_runner.engine.port import Engine
from agents_runner.runner.environment_service import EnvironmentService
from agents_runner.runner.machine import HostSource
from agents_runner.runner.services import (
    ActiveTasks,
    CachedImage,
    Check,
    CleanReport,
    CleanRequest,
    DesktopAddress,
    KeptImage,
    Listener,
    Picture,
    PlannedImage,
    Services,
    ShownSecret,
    StartupFigures,
    TaskRequest,
)
from agents_runner.runner.settings_service import AgentCatalogue
from agents_runner.runner.tasks.plan_launch import Host, check_prompt, problems_of
from agents_runner.runner.tasks.recording import recorded
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.paths import Paths
from agents_runner.store.window_state import WindowState

Script = Callable[[Task, threading.Event], Iterator[Event]]
WAIT_S = 30.0
AGENTS = ("codex", "claude", "copilot", "gemini", "shell", "demo")


class Gate:
    """A point that worker threads pass; `hold` makes them wait there until `release`."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()
        self.count = 0
        self.threads: set[int] = set()

    def hold(self) -> None:
        self.reached.clear()
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def __call__(self) -> None:
        self.count += 1
        self.threads.add(threading.get_ident())
        self.reached.set()
        assert self._open.wait(WAIT_S), "nobody opened the gate"


@dataclass(frozen=True)
class Offer:
    """See `ImportOffer`."""

    title: str = "devcontainer.json"
    fields: Mapping[str, object] = field(
        default_factory=lambda: {
            "base_image": "mcr.microsoft.com/devcontainers/base:bookworm",
            "cached_preflight_script": "apt-get update\napt-get install -y graphviz\n",
            "run_preflight_script": "npm ci\n",
            "env_vars": {"SHOP_REGION": "eu"},
            "ports": ("3000",),
            "remote_user": "node",
        }
    )
    report: tuple[str, ...] = (
        "onCreateCommand goes to the cached preflight.",
        "postStartCommand goes to the run preflight.",
        "The feature ghcr.io/devcontainers/features/docker-in-docker cannot be carried over.",
    )


@dataclass
class FakeMemory:
    """See `Memory`; what one window saved is what the next one finds."""

    state: WindowState = field(default_factory=WindowState)
    gate: Gate = field(default_factory=Gate)

    def load(self) -> WindowState:
        return self.state

    def save(self, state: WindowState) -> None:
        self.gate()
        self.state = state


@dataclass
class FakeEnvironments:
    """See `EnvironmentsPort`."""

    known: dict[str, Environment] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    read_only: frozenset[str] = frozenset()
    gate: Gate = field(default_factory=Gate)
    save_error: AgentsRunnerError | None = None
    state_dir: Path = Path("/nonexistent/state")
    offers: tuple[Offer, ...] = ()
    """What every folder holds."""
    remarks_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By an environment's id."""
    discovered: builtins.list[Path] = field(default_factory=list)

    def list(self) -> Listing:
        self.gate()
        found = sorted(self.known.values(), key=lambda one: one.name.casefold())
        return Listing(environments=tuple(found), problems=self.problems, read_only=self.read_only)

    def get(self, name_or_id: str) -> Environment:
        for one in self.known.values():
            if name_or_id in (one.id, one.name):
                return one
        raise NotFound(f"There is no environment {name_or_id!r}.")

    def save(self, environment: Environment, base: Environment | None = None) -> Environment:
        del base  # nobody else works here
        self.gate()
        if self.save_error is not None:
            raise self.save_error
        self.known[environment.id] = environment
        return environment

    def delete(self, environment_id: str) -> None:
        del self.known[environment_id]

    def check(self, environment: Environment) -> tuple[FieldProblem, ...]:
        return problems_of(environment, Host(uid=1000, gid=1000, state_dir=self.state_dir))

    def remarks(self, environment: Environment) -> tuple[str, ...]:
        return self.remarks_of.get(environment.id, ())

    def export(self, name_or_id: str) -> str:
        return environment_to_json(self.get(name_or_id))

    def import_file(self, path: Path, *, name: str = "", dry_run: bool = False) -> ImportReport:
        return ImportReport(environments=())

    def discover(self, folder: Path) -> tuple[Offer, ...]:
        self.discovered.append(folder)
        return self.offers


@dataclass
class FakeTasks:
    """See `TasksPort`; `log_lag` hides that many of the newest lines, as a file not yet flushed does."""

    rows: dict[str, Task] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    log_lag: int = 0

    def list(self, limit: int = 500) -> tuple[Task, ...]:
        return tuple(sorted(self.rows.values(), key=lambda task: -task.created))[:limit]

    def get(self, task_id: str) -> Task:
        try:
            return self.rows[task_id]
        except KeyError as error:
            raise NotFound(f"There is no task {task_id!r}.") from error

    def log(self, task_id: str) -> tuple[tuple[str, str], ...]:
        lines = list(self.lines.get(task_id, ()))
        shown = lines[: len(lines) - self.log_lag] if self.log_lag else lines
        self.log_lag = 0
        self.gate()
        return tuple(shown)

    def log_from(self, task_id: str, position: int = 0) -> tuple[tuple[tuple[str, str], ...], int]:
        lines = self.log(task_id)[position:]
        return lines, position + len(lines)

    def prompt(self, task_id: str) -> str:
        return self.prompts[task_id]

    def add(self, task: Task, *, prompt: str = "", lines: tuple[tuple[str, str], ...] = ()) -> Task:
        self.rows[task.id] = task
        self.prompts[task.id] = prompt or task.prompt
        self.lines[task.id] = [*lines]
        return task


@dataclass
class FakeRecord:
    """Writes one task's events into `FakeTasks`, as the store does."""

    tasks: FakeTasks
    task_id: str

    def apply(self, event: Event, at: float) -> bool:
        before = self.tasks.rows[self.task_id]
        self.tasks.rows[self.task_id] = applied(before, event, at)
        return self.tasks.rows[self.task_id] is not before

    def line(self, stream: str, text: str) -> int:
        self.tasks.lines[self.task_id].append((stream, text))
        return len(self.tasks.lines[self.task_id])

    def close(self) -> None:
        pass


@dataclass
class FakeRunner:
    """See `RunnerPort`; plays `script` on a thread of its own for each task."""

    environments: FakeEnvironments
    tasks: FakeTasks
    script: Script
    requests: list[TaskRequest] = field(default_factory=list)
    tests_scripts: bool = False
    closed: bool = False
    left: bool = False
    submit_gate: Gate = field(default_factory=Gate)
    _listeners: list[Listener] = field(default_factory=list)
    _stops: dict[str, threading.Event] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def submit(self, request: TaskRequest) -> Task:
        self.submit_gate()
        self.requests.append(request)
        environment = self.environments.get(request.environment_id)
        check_prompt(request.prompt)
        task = Task(
            id=new_task_id(),
            environment_id=environment.id,
            environment_name=environment.name,
            agent=request.agent or environment.agent,
            prompt=request.prompt.strip().split("\n", 1)[0],
            state=TaskState.QUEUED,
            created=time.time(),
            kind=request.kind,
            profile=environment.profile,
        )
        self.tasks.add(task, prompt=request.prompt)
        stop = self._stops[task.id] = threading.Event()
        thread = threading.Thread(target=self._work, args=(task, stop), daemon=True)
        thread.start()
        self._threads.append(thread)
        return task

    def _work(self, task: Task, stop: threading.Event) -> None:
        for event in recorded(self.script(task, stop), FakeRecord(self.tasks, task.id)):
            for listener in tuple(self._listeners):
                listener(task.id, (event,))

    def detach(self, request: TaskRequest) -> Task:
        return self.submit(request)

    def start_recorded(self, task_id: str) -> None:
        pass

    def adopt_orphans(self, *, here: bool) -> tuple[str, ...]:
        return ()

    def stop(self, task_id: str) -> None:
        if task_id in self._stops:
            self._stops[task_id].set()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def active_tasks(self) -> ActiveTasks:
        mine = [task for task in self.tasks.rows.values() if task.id in self._stops and not task.state.final]
        running = frozenset(task.id for task in mine if task.state in (TaskState.STARTING, TaskState.RUNNING))
        return ActiveTasks(running=running, waiting=frozenset(task.id for task in mine) - running)

    def detach_all(self, timeout: float = 5.0) -> None:
        self.left = True

    def close(self, timeout: float = 5.0) -> None:
        self.closed = True
        for stop in self._stops.values():
            stop.set()
        for thread in self._threads:
            thread.join(timeout)


@dataclass
class FakeImages:
    """See `ImagesPort`."""

    images: tuple[CachedImage, ...] = ()
    planned: PlannedImage = field(
        default_factory=lambda: PlannedImage(
            plan=ImagePlan(base_ref="debian:bookworm", base_id="sha256:" + "0" * 64),
            states=("miss", "miss"),
            at_start=("run",),
        )
    )
    plan_error: AgentsRunnerError | None = None
    plan_gate: Gate = field(default_factory=Gate)
    list_gate: Gate = field(default_factory=Gate)
    build_gate: Gate = field(default_factory=Gate)
    build_error: AgentsRunnerError | None = None
    built: list[tuple[str, bool]] = field(default_factory=list)
    cleaned: list[bool] = field(default_factory=list)
    others: frozenset[str] = frozenset()
    """Tags that another installation made."""
    clean_error: AgentsRunnerError | None = None
    """What a clean-up that takes these too ends with."""

    def plan(self, environment: Environment) -> PlannedImage:
        self.plan_gate()
        if self.plan_error is not None:
            raise self.plan_error
        return self.planned

    def build(self, environment: Environment, *, force: bool = False) -> Iterator[Event]:
        self.built.append((environment.name, force))
        self.build_gate()
        if self.build_error is not None:
            raise self.build_error
        yield LayerDone(kind="env", step="", tag="agent-runner-env:new", result="built", seconds=1.0)

    def refresh(self, environment: Environment) -> Iterator[Event]:
        yield from ()

    def list(self) -> tuple[CachedImage, ...]:
        self.list_gate()
        return self.images

    def remove(self, tags: frozenset[str]) -> None:
        self.images = tuple(image for image in self.images if image.tag not in tags)

    def clean(self, request: CleanRequest) -> CleanReport:
        self.cleaned.append(request.dry_run)
        if request.others and self.clean_error is not None:
            raise self.clean_error
        foreign = frozenset() if request.others else self.others
        gone = [image for image in self.images if not image.in_use and image.tag not in foreign]
        kept = [image for image in self.images if image not in gone]
        if not request.dry_run:
            self.images = tuple(kept)
        return CleanReport(
            removed=tuple(image.tag for image in gone),
            kept=tuple(
                KeptImage(
                    tag=image.tag,
                    why="a container uses it" if image.in_use else "another installation made it",
                    others=not image.in_use,
                )
                for image in kept
            ),
            freed_bytes=sum(image.own_size for image in gone),
            dry_run=request.dry_run,
        )


@dataclass
class FakeDesktop:
    """See `DesktopPort`; without `data` there is no picture, `live` is whether the task still has its screen."""

    data: bytes = b""
    live: bool = True
    url: str = "http://127.0.0.1:9/#token="
    token: str = "secret-0123456789abcdef"
    sentence: str = "The desktop is not there (yet)."
    gate: Gate = field(default_factory=Gate)
    address_error: AgentsRunnerError | None = None
    addresses: list[bool] = field(default_factory=list)

    def address(self, task_id: str, *, view_only: bool = False) -> DesktopAddress:
        self.addresses.append(view_only)
        if self.address_error is not None:
            raise self.address_error
        return DesktopAddress(task=task_id, url=self.url + self.token, view_only=view_only)

    def picture(self, task_id: str) -> Picture:
        self.gate()
        if not self.data:
            raise NoDesktop(self.sentence)
        return Picture(data=self.data, live=self.live)


@dataclass
class FakeSecrets:
    """See `SecretsPort`; values are by environment id and name."""

    environments: FakeEnvironments
    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    error: AgentsRunnerError | None = None

    def list(self, name_or_id: str) -> tuple[ShownSecret, ...]:
        self.gate()
        if self.error is not None:
            raise self.error
        environment = self.environments.get(name_or_id)
        return tuple(
            ShownSecret(**grant.model_dump(), has_value=(environment.id, grant.name) in self.kept)
            for grant in environment.secret_grants
        )

    def set(self, name_or_id: str, name: str, value: str, use: SecretUse | None = None) -> str:
        self.gate()
        if self.error is not None:
            raise self.error
        self.kept[self.environments.get(name_or_id).id, name] = value
        return "It is short." if len(value) < 6 else ""

    def delete(self, name_or_id: str, name: str) -> None:
        self.kept.pop((self.environments.get(name_or_id).id, name), None)


@dataclass
class FakeSettings:
    """See `SettingsPort`."""

    saved: Settings = field(default_factory=lambda: Settings(theme="light"))
    error: AgentsRunnerError | None = None

    def load(self) -> Settings:
        if self.error is not None:
            raise self.error
        return self.saved

    def save(self, settings: Settings, base: Settings | None = None) -> None:
        self.saved = settings

    def agents(self) -> tuple[str, ...]:
        return AGENTS


@dataclass
class FakeSystem:
    """See `SystemPort`."""

    runner: FakeRunner
    engine_error: AgentsRunnerError | None = None
    engine_gate: Gate = field(default_factory=Gate)

    def engine_info(self) -> EngineInfo:
        self.engine_gate()
        if self.engine_error is not None:
            raise self.engine_error
        return EngineInfo(endpoint="fake", version="1", api="1.44", platform="linux/amd64", local=True)

    def doctor(self) -> tuple[Check, ...]:
        return ()

    def bench_startup(self, environment: Environment, runs: int) -> Generator[Event | str, None, StartupFigures]:
        yield "nothing is measured here"
        return StartupFigures(
            bare_s=(1.0,),
            bare_shared_s=(1.0,),
            bare_apart_s=(1.0,),
            cached_s=(1.0,),
            uncached_s=(1.0,),
            decide_ms=(1.0,),
        )

    def import_demo_base(self) -> str:
        return ""

    def demo_folder(self) -> Path | None:
        return None

    def picture(self, services: Services, path: Path, environment_id: str) -> None:
        pass

    def wait(self, seconds: float) -> None:
        pass

    def window_opened(self) -> None:
        pass

    def close(self) -> None:
        self.runner.close()


@dataclass(slots=True)
class FakeWorld:
    """The fakes behind one bundle, for a test to look at and to turn knobs of."""

    environments: FakeEnvironments = field(default_factory=FakeEnvironments)
    tasks: FakeTasks = field(default_factory=FakeTasks)
    images: FakeImages = field(default_factory=FakeImages)
    desktop: FakeDesktop = field(default_factory=FakeDesktop)
    settings: FakeSettings = field(default_factory=FakeSettings)
    memory: FakeMemory = field(default_factory=FakeMemory)
    secrets: FakeSecrets = field(init=False)
    runner: FakeRunner = field(init=False)
    system: FakeSystem = field(init=False)

    def __post_init__(self) -> None:
        self.secrets = FakeSecrets(self.environments)
        self.runner = FakeRunner(self.environments, self.tasks, quick_success)
        self.system = FakeSystem(self.runner)

    @property
    def tested(self) -> list[tuple[str, bool]]:
        """The environments whose scripts were tested, and whether without cached images."""
        return [
            (one.environment_id, one.kind is TaskKind.FRESH_TEST) for one in self.runner.requests if one.kind.is_test
        ]

    def add(self, name: str, **fields: object) -> Environment:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:60].strip("-")
        values = {"id": slug or "nameless", "name": name, "base_image": "debian:bookworm", **fields}
        environment = Environment.model_validate(values)
        self.environments.known[environment.id] = environment
        return environment

    def services(self) -> Services:
        return Services(
            environments=self.environments,
            secrets=self.secrets,
            tasks=self.tasks,
            runner=self.runner,
            images=self.images,
            desktop=self.desktop,
            settings=self.settings,
            system=self.system,
        )


class NoValues:
    """See `ValueStore`: holds nothing."""

    def get(self, environment_id: str, name: str) -> str | None:
        return None

    def set(self, environment_id: str, name: str, value: str) -> None:
        raise NotImplementedError

    def delete(self, environment_id: str, name: str) -> None:
        pass


class Nobody:
    """See `SaveListener`."""

    def saved(self, environment: Environment) -> None:
        pass


def no_engine() -> Engine:
    raise EngineUnreachable("There is no engine here.")


def real_environments(paths: Paths, world: FakeWorld) -> EnvironmentService:
    """The real use cases on real files, for the agents of a world."""
    return EnvironmentService(
        files=EnvironmentStore(paths=paths),
        values=NoValues(),
        hosts=HostSource(state_dir=paths.data, instance="", engine=no_engine, settings=world.settings),
        agents=AgentCatalogue(settings=world.settings),
        listener=Nobody(),
    )


# -- scripts that tasks play -------------------------------------------------------------------------------


SAID = '{"type":"item.completed","item":{"type":"agent_message","text":"All done."}}'
"""A line of codex's, which means the message `All done.`"""


def quick_success(task: Task, _stop: threading.Event) -> Iterator[Event]:
    """A task that builds one layer and succeeds at once."""
    yield StateChanged(state=TaskState.PREPARING)
    yield PhaseStarted(phase=Phase.BUILD_ENV)
    yield StateChanged(state=TaskState.BUILDING)
    yield LogLine(stream="stdout", line="installing")
    yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=1.5, cache="built")
    yield StateChanged(state=TaskState.STARTING)
    yield StateChanged(state=TaskState.RUNNING)
    yield PhaseStarted(phase=Phase.AGENT)
    yield LogLine(stream="stdout", line=SAID)
    yield AgentMessage(kind="message", text="All done.")
    yield LogLine(stream="stderr", line="a warning")
    yield PhaseFinished(phase=Phase.AGENT, seconds=0.25)
    yield from ending(task, TaskState.SUCCEEDED, 0)


def ending(task: Task, state: TaskState, code: int, error: str = "", hint: str = "") -> Iterator[Event]:
    if state is TaskState.SUCCEEDED:
        # Nothing succeeds that has not started; one that has is not started twice.
        yield StateChanged(state=TaskState.STARTING)
    yield StateChanged(state=state)
    yield TaskResult(
        task=task.id, state=state, exit_code=code, image="agent-runner-env:bookworm-1", error=error, hint=hint
    )


@dataclass
class BuildUntil:
    """A task that builds until `go` is set (then it succeeds) or it is stopped."""

    go: threading.Event = field(default_factory=threading.Event)
    building: threading.Event = field(default_factory=threading.Event)

    def __call__(self, task: Task, stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        yield StateChanged(state=TaskState.BUILDING)
        yield PhaseStarted(phase=Phase.BUILD_ENV)
        self.building.set()
        while not self.go.is_set():
            if stop.wait(0.005):
                yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=0.1, ok=False)
                yield from ending(task, TaskState.CANCELLED, 130, "Stopped.")
                return
            yield LogLine(stream="stdout", line="still building")
        yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=0.1, cache="built")
        yield StateChanged(state=TaskState.STARTING)
        yield StateChanged(state=TaskState.RUNNING)
        yield from ending(task, TaskState.SUCCEEDED, 0)


@dataclass
class Failing:
    """A task that fails with this sentence after these lines."""

    error: InvalidInput | AgentsRunnerError
    lines: tuple[str, ...] = ()

    def __call__(self, task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        yield PhaseStarted(phase=Phase.RUN)
        for line in self.lines:
            yield LogLine(stream="stderr", line=line)
        yield PhaseFinished(phase=Phase.RUN, seconds=0.1, ok=False)
        yield StateChanged(state=TaskState.FAILED)
        yield TaskResult(
            task=task.id,
            state=TaskState.FAILED,
            exit_code=3,
            image="",
            error=self.error.message,
            hint=self.error.hint,
            tail=self.lines,
        )


def image(number: int, *, in_use: bool = False, name: str = "") -> CachedImage:
    return CachedImage(
        tag=name or f"agent-runner-env:bookworm-3f1a9c07d2be-{number:012x}-77aa01b2c3d4",
        id=f"sha256:{number:064x}",
        kind="env",
        step="" if number % 2 else "tools",
        key=f"{number:064x}",
        size=712_000_000 + number * 1_000_000,
        own_size=96_000_000 + number * 1_000_000,
        created=time.time() - 3600 * (number + 1),
        last_used=time.time() - 600 if number % 2 else None,
        environments=(f"{COLORS[number % len(COLORS)]} project",) if number % 2 else (),
        in_use=in_use,
        hits=7 if number % 2 else 0,
        seconds_saved=252.0 if number % 2 else 0.0,
    )
