"""One task from its plan to its end: a plain generator of events, without threads and without a window."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolder, ControlFolders
from agents_runner.containers.watch import Watch
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerSpec, ContainerState, ImageInfo, task_container
from agents_runner.core.environment import FolderWorkspace, GitWorkspace
from agents_runner.core.errors import (
    AgentError,
    AgentsRunnerError,
    Cancelled,
    ContainerMissing,
    Detached,
    EngineError,
    ImageMissing,
    LimitReached,
    MountRefused,
    PortInUse,
    StageFailed,
)
from agents_runner.core.events import (
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
)
from agents_runner.core.mounts import Mount
from agents_runner.core.repository_url import without_credentials
from agents_runner.core.secrets import SECRETS_PATH, SecretGrant, SecretValues, secret_input
from agents_runner.core.task_plan import WORKSPACE_PATH, DockerRunnerConfig
from agents_runner.engine.port import Engine, LogStream
from agents_runner.engine.ticks import with_ticks
from agents_runner.images.build import BuildOptions
from agents_runner.images.ensure import Ensured, Ensurer
from agents_runner.images.planning import StartPlan, plan_image, plan_start
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.launcher.files import (
    LauncherPlan,
    control_files,
    secrets_for,
    secrets_of,
    token_line,
)
from agents_runner.launcher.protocol import NEEDS_ROOT, Mark, OutputParser, clocked
from agents_runner.launcher.tools import LAUNCH
from agents_runner.runner.tasks.base_image import base_image
from agents_runner.runner.tasks.desktop import DoorPort
from agents_runner.runner.tasks.exit_messages import ending, stage_failed, with_tail
from agents_runner.runner.tasks.isolation import network_for
from agents_runner.runner.tasks.limits import Limits
from agents_runner.runner.tasks.redacting import redacted
from agents_runner.runner.tasks.sweeping import Sweeper, sweep_time
from agents_runner.runner.tasks.task_screen import DESKTOP_PHASES, TaskScreen
from agents_runner.workspace.folders import check_unmoved
from agents_runner.workspace.git import Clone
from agents_runner.workspace.owner import foreign_owner

TAIL_LINES = 20
STOP_GRACE_S = 5.0
LIMIT_GRACE_S = 1.0
LIMIT_WAIT_S = 30.0
CANCELLED_EXIT = 130
T = TypeVar("T")


def new_token() -> str:
    """128 random bits: marks the launcher's own lines."""
    return secrets.token_hex(16)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a task works with, handed in by whoever starts it."""

    engine: Engine
    control: ControlFolders
    cancel: Cancellation
    workspaces: Path
    """Folder below which clones are made, one a task."""
    read_login: Callable[[str], bytes | None]
    """Reads a login file of the host, None if it is gone."""
    on_login_used: Callable[[str, str, bytes, bytes], None] = lambda _target, _path, _old, _new: None
    """Told a login file's path below the home folder and on the host, the bytes given and found at the end."""
    on_image_used: Callable[[str], None] = lambda _tag: None
    secrets: Mapping[str, str] = field(default_factory=SecretValues)
    """Values of the plan's secrets, by name."""
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    asked_at: float = field(default_factory=time.time)
    """When the person asked for the task, in seconds since the epoch."""
    open_door: Callable[[], DoorPort] | None = None
    """Opens the way to the task's desktop; raises StoreError. None where nobody is to look at it."""
    keep_picture: Callable[[bytes], None] = lambda _png: None
    """Told the last picture of the desktop; raises StoreError."""
    stop_grace_s: Callable[[], float] = lambda: STOP_GRACE_S
    """Seconds that a stopped container has for its own end."""


def run_task(config: DockerRunnerConfig, prompt: bytes, tools: Tools) -> Iterator[Event]:
    """Run one task; the last event is its `TaskResult`. Closing the generator removes its container.

    Raises Detached, with its container left as it is, where `tools.cancel` does. No event holds a secret's value.
    """
    yield from redacted(_events(config, prompt, tools), tools.secrets.values())


def _events(config: DockerRunnerConfig, prompt: bytes, tools: Tools) -> Generator[Event, None, None]:
    run = _Run(config=config, prompt=prompt, tools=tools)
    yield from _guarded(run, run.all())


@dataclass(frozen=True, kw_only=True)
class RecordedProgress:
    """What is recorded of a task whose application died: `lines` of its container, by stream."""

    lines: Mapping[str, int]
    begun: frozenset[Phase]
    finished: frozenset[Phase]
    notices: frozenset[str]


def follow_task(config: DockerRunnerConfig, tools: Tools, known: RecordedProgress) -> Iterator[Event]:
    """Take up a task whose container is there: what is known is left out, the rest is as if nothing had been.

    The last event is its `TaskResult`. Raises ContainerMissing where there is nothing to take up.
    """
    yield from redacted(_taken_up(config, tools, known), tools.secrets.values())


def _taken_up(config: DockerRunnerConfig, tools: Tools, known: RecordedProgress) -> Generator[Event, None, None]:
    run = _Run(config=config, prompt=b"", tools=tools, known=known)
    name = task_container(config.task_id)
    state = tools.engine.inspect(name)
    if state is None or state.status == "created":
        raise ContainerMissing("The task's container is not there, or never started.")
    yield from _guarded(run, run.again(state))


def _guarded(run: _Run, events: Iterator[Event]) -> Iterator[Event]:
    try:
        yield from events
    except Cancelled:
        yield from run.ended(TaskState.CANCELLED, CANCELLED_EXIT, "Stopped.")
    except StageFailed as error:
        yield from run.ended(TaskState.FAILED, error.status, error.message, error.hint, error.tail)
    except AgentError as error:
        yield from run.ended(TaskState.FAILED, 127, error.message, error.hint)
    except AgentsRunnerError as error:
        yield from run.ended(TaskState.FAILED, 1, error.message, error.hint)


@dataclass(kw_only=True)
class _Run:
    config: DockerRunnerConfig
    prompt: bytes
    tools: Tools
    known: RecordedProgress | None = None
    """Set where a task is taken up again."""
    image: str = ""
    _phase: Phase | None = None
    _phase_began: float = 0.0
    _clock: float | None = None
    """When the phase began, by the container's clock."""
    _first_clock: float | None = None
    _engine_away: bool = False
    _wanted_root: set[str] = field(default_factory=set)
    """Programs of ours that the agent's side named once already: it may say so as often as it likes."""
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _failed: StageFailed | AgentError | None = None
    _agent_began: bool = False
    _home: str = "/root"
    _network: str = ""
    _made_at: float | None = None
    """When its container was made; None while there is none."""
    _login: dict[str, bytes] = field(default_factory=dict)
    _screen: TaskScreen = field(init=False)

    def __post_init__(self) -> None:
        tools = self.tools
        self._screen = TaskScreen(
            config=self.config, engine=tools.engine, open_door=tools.open_door, keep=tools.keep_picture
        )

    def all(self) -> Generator[Event, None, None]:
        yield StateChanged(state=TaskState.PREPARING)
        mounts = yield from self._timed(Phase.WORKSPACE, self._workspace())
        base = yield from self._timed(Phase.PULL, base_image(self.tools.engine, self.config, self.tools.cancel))
        ensured = yield from self._image(base)
        yield from self._container(base, ensured, mounts)

    # -- phases --------------------------------------------------------------------------------------

    def _timed(self, phase: Phase, body: Generator[Event, None, T]) -> Generator[Event, None, T]:
        yield self._begin(phase)
        try:
            value = yield from body
        except AgentsRunnerError:
            yield self._finish(ok=False)
            raise
        yield self._finish()
        return value

    def _begin(self, phase: Phase) -> PhaseStarted:
        self._phase, self._phase_began = phase, time.monotonic()
        self._tail.clear()
        return PhaseStarted(phase=phase)

    def _finish(self, *, ok: bool = True, clock: float | None = None) -> PhaseFinished:
        phase, self._phase = self._phase or Phase.START, None
        seconds = time.monotonic() - self._phase_began
        if self.known is not None and clock is not None and self._clock is not None:
            # Nobody watched: what counts is when the container did it, not when it was read.
            seconds = max(0.0, clock - self._clock)
        return PhaseFinished(phase=phase, seconds=seconds, ok=ok)

    def ended(
        self, state: TaskState, code: int, error: str = "", hint: str = "", tail: tuple[str, ...] = ()
    ) -> Generator[Event, None, None]:
        if self._phase is not None:
            yield self._finish(ok=state is TaskState.SUCCEEDED)
        yield from self._swept()
        yield StateChanged(state=state)
        yield TaskResult(
            task=self.config.task_id, state=state, exit_code=code, image=self.image, error=error, hint=hint, tail=tail
        )

    def _swept(self) -> Generator[Event, None, None]:
        """Look at what the task left in the person's folders, where they are on this machine."""
        since, self._made_at = self._made_at, None
        if since is None or not self.tools.control.local:
            return
        clone = self.tools.workspaces / self.config.task_id
        workspace = str(clone) if isinstance(self.config.workspace, GitWorkspace) else ""
        yield from Sweeper(
            engine=self.tools.engine, config=self.config, cancel=self.tools.cancel, workspace=workspace, since=since
        ).events()

    def _workspace(self) -> Generator[Event, None, tuple[Mount, ...]]:
        workspace = self.config.workspace
        for mount in self.config.mounts:
            check_unmoved(mount)
        if isinstance(workspace, FolderWorkspace):
            live = Mount(source=workspace.path, target=WORKSPACE_PATH)
            check_unmoved(live)
            notice = foreign_owner(workspace.path)
            if notice is not None:
                yield notice
            return (live, *self.config.mounts)
        if isinstance(workspace, GitWorkspace):
            folder = self.tools.workspaces / self.config.task_id
            yield LogLine(stream="system", line=f"Cloning {without_credentials(workspace.url)} ...")
            clone = Clone(workspace.url, workspace.branch, folder)
            # A server that is silent must not keep a task from stopping.
            with contextlib.closing(with_ticks(clone.lines(), clone.stop)) as lines:
                for line in lines:
                    if self.tools.cancel.is_set():
                        raise Cancelled("Stopped.")
                    if line is not None:
                        yield LogLine(stream="system", line=line)
            return (Mount(source=str(folder.resolve()), target=WORKSPACE_PATH), *self.config.mounts)
        return self.config.mounts

    def _image(self, base: ImageInfo) -> Generator[Event, None, Ensured]:
        plan = plan_image(self.config, base)
        if plan.layers:
            yield StateChanged(state=TaskState.BUILDING)
        ensurer = Ensurer(
            engine=self.tools.engine,
            control=self.tools.control,
            options=build_options(self.config, self.tools.secrets),
            cancel=self.tools.cancel,
            instance=self.config.instance,
            coordinator=self.tools.coordinator,
            asked_at=self.tools.asked_at,
            new_token=new_token,
        )
        return (yield from ensurer.run(plan))

    # -- the container -------------------------------------------------------------------------------

    def _container(
        self, base: ImageInfo, ensured: Ensured, mounts: tuple[Mount, ...]
    ) -> Generator[Event, None, None]:
        yield StateChanged(state=TaskState.STARTING)
        yield self._begin(Phase.START)
        self._network, notice = network_for(self.tools.engine, self.config)
        if notice is not None:
            yield notice
        yield from self._screen.open(ensured)
        try:
            yield from self._made(base, ensured, mounts)
        finally:
            self._screen.close()

    def _made(self, base: ImageInfo, ensured: Ensured, mounts: tuple[Mount, ...]) -> Generator[Event, None, None]:
        try:
            yield from self._attempts(base, ensured, mounts)
        except ImageMissing as error:
            if not ensured.baked:
                raise
            # The cached image vanished between the look and the start: slower, not wrong.
            yield Notice(
                message="The cached image was just removed; its cached preflight runs at task start instead."
            )
            bare = Ensured(image=self.config.base_image, image_id=base.id, error=error)
            yield from self._attempts(base, bare, mounts)

    def _attempts(self, base: ImageInfo, ensured: Ensured, mounts: tuple[Mount, ...]) -> Generator[Event, None, None]:
        """Create and run; once more on free ports if a wanted one is taken, so that the task is not lost."""
        start = plan_start(self.config, baked=ensured.baked.get("env", 0))
        self.image = ensured.image
        try:
            yield from self._attempt(base, ensured, start, mounts)
        except PortInUse as error:
            if all(port.host == 0 for port in self.config.ports):
                raise
            yield Notice(message=f"{error.message} The engine chooses free ones for this task.")
            ports = tuple(replace(port, host=0) for port in self.config.ports)
            self.config = self.config.model_copy(update={"ports": ports})
            yield from self._attempt(base, ensured, start, mounts)

    def _attempt(
        self, base: ImageInfo, ensured: Ensured, start: StartPlan, mounts: tuple[Mount, ...]
    ) -> Generator[Event, None, None]:
        container, folder = self._created(base, ensured, start, mounts)
        goes_on = False
        try:
            yield from self._started(container)
        except Detached:
            goes_on = True
            raise
        finally:
            if not goes_on:
                with contextlib.suppress(EngineError):
                    self.tools.engine.remove(container)
                with contextlib.suppress(EngineError):
                    folder.remove(self.tools.engine)

    def _created(
        self, base: ImageInfo, ensured: Ensured, start: StartPlan, mounts: tuple[Mount, ...]
    ) -> tuple[str, ControlFolder]:
        folder = self.tools.control.named(
            task_container(self.config.task_id), uid=self.config.uid, gid=self.config.gid
        )
        files = control_files(self._launcher_plan(base, ensured, start, mounts))
        self._made_at = self._made_at or sweep_time()
        spec = folder.prepare(self.tools.engine, self._spec(base, ensured, mounts, start), files)
        try:
            container = self.tools.engine.create(spec)
            self._check_mounts(mounts)
        except BaseException:
            self.tools.engine.remove(spec.name)
            folder.remove(self.tools.engine)
            raise
        return container, folder

    def _check_mounts(self, mounts: tuple[Mount, ...]) -> None:
        """A source that became a link to elsewhere since it was checked is not mounted."""
        if not self.tools.control.local:
            return
        for mount in mounts:
            if os.path.realpath(mount.source) != mount.source:
                raise MountRefused(f"{mount.source} changed while the task was prepared.", "Run the task again.")

    def _launcher_plan(
        self, base: ImageInfo, ensured: Ensured, start: StartPlan, mounts: tuple[Mount, ...]
    ) -> LauncherPlan:
        config = self.config
        self._read_logins()
        return LauncherPlan(
            token=config.token,
            kind="task",
            uid=config.uid,
            gid=config.gid,
            image_user=base.user,
            image_home=dict(entry.partition("=")[::2] for entry in base.environment).get("HOME", ""),
            variables=config.env_vars,
            fixed={
                "AGENTS_RUNNER": "1",
                "AGENTS_RUNNER_WORKSPACE": WORKSPACE_PATH,
                "AGENTS_RUNNER_TASK_ID": config.task_id,
                "AGENTS_RUNNER_ENVIRONMENT": config.environment_name,
            },
            stages=start.stages,
            desktop=self._screen.start(ensured),
            mounted=tuple(mount.target for mount in mounts if not mount.read_only),
            login=self._login,
            agent=config.agent,
            prompt=self.prompt,
            secrets=self._secrets(start),
            profile=config.profile,
        )

    def _read_logins(self) -> None:
        login = self.config.agent.login if self.config.agent else {}
        found = {target: self.tools.read_login(path) for target, path in login.items()}
        self._login = {target: data for target, data in found.items() if data is not None}

    def _secrets(self, start: StartPlan) -> tuple[SecretGrant, ...]:
        return secrets_for(self.config.secrets, start.stages, agent=self.config.agent is not None)

    def _spec(self, base: ImageInfo, ensured: Ensured, mounts: tuple[Mount, ...], start: StartPlan) -> ContainerSpec:
        config = self.config
        secrets = bool(self._secrets(start))
        return ContainerSpec(
            name=task_container(config.task_id),
            image=ensured.image_id,
            entrypoint=LAUNCH,
            user="0:0" if base.user else "",
            labels={
                labels.CONTAINER_KIND: "task",
                labels.CONTAINER_NAME: task_container(config.task_id),
                labels.CONTAINER_TASK: config.task_id,
                labels.CONTAINER_ENVIRONMENT: config.environment_id,
                labels.CONTAINER_INSTANCE: config.instance,
            },
            mounts=mounts,
            ports=config.ports,
            resources=config.resources,
            init=True,
            platform=config.platform,
            network=self._network,
            memory_folders=(SECRETS_PATH,) if secrets else (),
            stdin=True,
            stdin_stays=True,
        )

    def _started(self, container: str) -> Generator[Event, None, None]:
        engine = self.tools.engine
        stream = engine.attach(container, stdin=True)
        try:
            stream.send(token_line(self.config.token))
            engine.start(container)
        except BaseException:
            stream.close()
            raise
        self._screen.lead_to(container)
        if self.image != self.config.base_image:
            self.tools.on_image_used(self.image)
        yield from self._ports(container)
        yield from self._watched(container, stream)

    def again(self, state: ContainerState) -> Generator[Event, None, None]:
        """From a container that is there: its whole output is read once more, and what is known left out."""
        engine, known = self.tools.engine, self.known
        if known is None:
            raise ContainerMissing("There is nothing to take up.")
        image = engine.find_image(state.image_id)
        ours = image.labels.get(labels.IMAGE_REF, "") if image is not None and image.is_ours() else ""
        self.image = ours or self.config.base_image
        self._read_logins()
        self._made_at = state.created or None
        self._phase, self._phase_began = Phase.START, time.monotonic()
        self._screen.open_again()
        self._screen.lead_to(state.id)
        left = dict(known.lines)
        goes_on = False
        try:
            # Both by the engine's clock: ours may be another one, or have been set meanwhile.
            age = max(0.0, engine.clock() - state.started) if state.started else 0.0
            for event in self._watched(state.id, engine.follow(state.id), age_s=age):
                if isinstance(event, LogLine) and left.get(event.stream, 0) > 0:
                    left[event.stream] -= 1
                elif not _is_known(event, known):
                    yield event
        except Detached:
            goes_on = True
            raise
        finally:
            self._screen.close()
            if not goes_on:
                with contextlib.suppress(EngineError):
                    engine.remove(state.id)
                    self.tools.control.sweep(engine, task_container(self.config.task_id))

    def _watched(self, container: str, stream: LogStream, *, age_s: float = 0.0) -> Generator[Event, None, None]:
        engine = self.tools.engine
        watch = Watch(
            engine=engine, container=container, parser=OutputParser(self.config.token), cancel=self.tools.cancel
        )
        limits = Limits(self.config, age_s=age_s)
        lines = watch.run(stream)
        try:
            while True:
                watch.deadline = limits.deadline(self._phase)
                item = next(lines)
                if isinstance(item, LogLine):
                    self._tail.append(item.line)
                    yield item
                else:
                    yield from self._marked(item, container)
        except StopIteration as end:
            state: ContainerState = end.value
            self._engine_away = watch.was_away
        except Cancelled:
            self._screen.picture_now(container)
            engine.stop(container, self.tools.stop_grace_s())
            raise
        except LimitReached:
            self._failed = limits.error(self._phase)
            self._screen.picture_now(container)
            engine.stop(container, LIMIT_GRACE_S)
            state = engine.wait(container, LIMIT_WAIT_S)
        yield from self._over(container, state)

    def _ports(self, container: str) -> Generator[Event, None, None]:
        if not self.config.ports:
            return
        state = self.tools.engine.inspect(container)
        for inner, (address, port) in sorted((state.ports if state else {}).items()):
            yield LogLine(stream="system", line=f"Port {inner} of the container is at {address}:{port}.")

    # -- the launcher's marks ------------------------------------------------------------------------

    def _marked(self, mark: Mark, container: str) -> Generator[Event, None, None]:
        if mark.word == "secrets":
            names = secrets_of(self.config.secrets, mark.rest.partition(" ")[0])
            self.tools.engine.send(container, secret_input(names, self.tools.secrets))
        elif mark.word == "begin":
            words, clock = clocked(mark)
            yield from self._phase_begins(Phase(words[0]))
            self._clock = clock
            self._first_clock = self._first_clock if self._first_clock is not None else clock
        elif mark.word == "end":
            (phase, status, *_), clock = clocked(mark)
            code = int(status)
            of_screen = Phase(phase) in DESKTOP_PHASES
            if code and not of_screen:
                self._failed = stage_failed(Phase(phase), code)
            yield self._finish(ok=code == 0, clock=clock)
            if of_screen:
                yield from self._screen.stage_over(Phase(phase), code, self._tail)
        elif mark.word == "agent-missing":
            hint = self.config.agent.install_hint if self.config.agent else ""
            self._failed = AgentError(f"The program {mark.rest} is not in the image.", hint)
        elif mark.word == "error":
            self._failed = AgentError(mark.rest)
        elif mark.word == "home":
            self._home = mark.rest
        elif mark.word == "note":
            yield Notice(message=mark.rest)
        elif mark.word == NEEDS_ROOT and mark.rest not in self._wanted_root:
            self._wanted_root.add(mark.rest)
            yield Notice(
                message=f"The agent's {mark.rest} needs root, which the agent does not have.",
                hint="Add what it wanted to the cached preflight, or choose the profile Sudo.",
            )
        elif mark.word == "lost-exports":
            yield Notice(
                message="A preflight script replaced its shell (exec), so what it exported is lost.",
                hint="Start the last program without exec.",
            )

    def _phase_begins(self, phase: Phase) -> Generator[Event, None, None]:
        if self._phase is Phase.START:
            yield self._finish()
        if not self._agent_began:
            # The first stage ends the start; the agent's own beginning is the state's last move.
            self._agent_began = True
            yield StateChanged(state=TaskState.RUNNING)
        yield self._begin(phase)

    def _over(self, container: str, state: ContainerState) -> Generator[Event, None, None]:
        code = state.exit_code if state.exit_code is not None else 1
        if self._phase is not None:
            yield self._finish(ok=code == 0 and self._failed is None, clock=self._end_clock(state))
        tail = tuple(self._tail)
        yield from self._timed(Phase.COLLECT, self._collect(container))
        if isinstance(self._failed, StageFailed):
            # Only now: what a script said on its error stream may come after the mark of its end.
            raise with_tail(self._failed, tail)
        if self._failed is not None:
            raise self._failed
        error, hint = ending(code, oom=state.oom_killed, engine_away=self._engine_away)
        yield from self.ended(TaskState.FAILED if code else TaskState.SUCCEEDED, code, error, hint)

    def _end_clock(self, state: ContainerState) -> float | None:
        """The container's end by its own clock: it began with the first phase, as near as can be told."""
        if self._first_clock is None or not state.finished or not state.started:
            return None
        return self._first_clock + state.finished - state.started

    def _collect(self, container: str) -> Generator[Event, None, None]:
        """Take back a login that the agent refreshed, where the agent's rule accepts it."""
        if self.config.agent and self._login:
            for target, old in self._login.items():
                new = self._login_now(container, target)
                if new is not None and new != old:
                    self.tools.on_login_used(target, self.config.agent.login[target], old, new)
        self._screen.picture_at_end(container)
        yield from ()

    def _login_now(self, container: str, target: str) -> bytes | None:
        with contextlib.suppress(EngineError):
            return self.tools.engine.get_file(container, f"{self._home}/{target}")
        return None


def _is_known(event: Event, known: RecordedProgress) -> bool:
    match event:
        case PhaseStarted():
            return event.phase in known.begun
        case PhaseFinished():
            return event.phase in known.finished
        case Notice():
            return f"{event.message} {event.hint}".strip() in known.notices
        case _:
            return False


def build_options(config: DockerRunnerConfig, secrets: Mapping[str, str]) -> BuildOptions:
    return BuildOptions(
        uid=config.uid,
        gid=config.gid,
        env_vars=config.env_vars,
        timeout_s=config.build_timeout_s,
        token="",
        resources=config.resources,
        environment_id=config.environment_id,
        package_cache=config.package_caches,
        secrets=secrets,
        grants=config.secrets,
    )
