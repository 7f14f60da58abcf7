"""One task from its plan to its end: a plain generator of events, without threads and without a window."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from agents_runner.containers.session import WAITED, Session
from agents_runner.core.container import ContainerState, ImageInfo
from agents_runner.core.environment import FolderWorkspace, GitWorkspace
from agents_runner.core.errors import (
    AgentError,
    AgentsRunnerError,
    Cancelled,
    EngineError,
    ImageMissing,
    LimitReached,
    MountRefused,
    NetworkMissing,
    PortInUse,
    StageFailed,
)
from agents_runner.core.events import Event, LogLine, Notice, Phase, StateChanged, TaskResult, TaskState
from agents_runner.core.mounts import Mount
from agents_runner.core.repository_url import without_credentials
from agents_runner.core.task_plan import WORKSPACE_PATH, DockerRunnerConfig
from agents_runner.engine.ticks import with_ticks
from agents_runner.images.ensure import Ensured, Ensurer
from agents_runner.images.planning import plan_image, plan_start
from agents_runner.launcher.protocol import NEEDS_ROOT, Mark, clocked
from agents_runner.runner.tasks.attempts import Attempt, next_attempt, said
from agents_runner.runner.tasks.base_image import base_image
from agents_runner.runner.tasks.exit_messages import ending, stage_failed, with_tail
from agents_runner.runner.tasks.isolation import network_for
from agents_runner.runner.tasks.limits import Limits
from agents_runner.runner.tasks.phases import PhaseClock
from agents_runner.runner.tasks.redacting import redacted
from agents_runner.runner.tasks.sweeping import Sweeper, sweep_time
from agents_runner.runner.tasks.task_job import task_job
from agents_runner.runner.tasks.task_screen import DESKTOP_PHASES, TaskScreen
from agents_runner.runner.tasks.tools import Tools, build_options, new_token
from agents_runner.workspace.folders import check_unmoved
from agents_runner.workspace.git import Clone
from agents_runner.workspace.owner import foreign_owner

LIMIT_GRACE_S = 1.0
LIMIT_WAIT_S = 30.0
CANCELLED_EXIT = 130


def run_task(config: DockerRunnerConfig, prompt: bytes, tools: Tools) -> Iterator[Event]:
    """Run one task; the last event is its `TaskResult`. Closing the generator removes its container.

    Raises Detached, with its container left as it is, where `tools.cancel` does. No event holds a secret's value.
    """
    run = TaskRun(config=config, prompt=prompt, tools=tools)
    yield from redacted(run.to_its_end(run.from_the_beginning()), tools.secrets.values())


@dataclass(kw_only=True)
class TaskRun:
    """One task at work; also its container's `Deadline`."""

    config: DockerRunnerConfig
    tools: Tools
    prompt: bytes = b""
    image: str = ""
    phases: PhaseClock = field(default_factory=PhaseClock)
    limits: Limits = field(init=False)
    screen: TaskScreen = field(init=False)
    made_at: float | None = None
    """When its container was made; None while there is none."""
    _failed: StageFailed | AgentError | None = None
    _state_told: bool = False
    _wanted_root: set[str] = field(default_factory=set)
    """Programs of ours that the agent's side named once already: it may say so as often as it likes."""
    _home: str = "/root"
    _login: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tools = self.tools
        self.limits = Limits(self.config)
        self.screen = TaskScreen(
            config=self.config, engine=tools.engine, open_proxy=tools.open_proxy, keep=tools.keep_picture
        )

    def deadline(self) -> float | None:
        return self.limits.deadline(self.phases.now)

    def excludes(self, seconds: float) -> None:
        self.limits.excludes(seconds)

    # -- the whole way -------------------------------------------------------------------------------

    def from_the_beginning(self) -> Generator[Event, None, None]:
        """The task's events; raises what `to_its_end` makes its end of."""
        yield StateChanged(state=TaskState.PREPARING)
        mounts = yield from self.phases.timed(Phase.WORKSPACE, self._workspace())
        pulled = base_image(self.tools.engine, self.config, self.tools.cancel)
        base = yield from self.phases.timed(Phase.PULL, pulled)
        ensured = yield from self._image(base)
        yield StateChanged(state=TaskState.STARTING)
        yield self.phases.begin(Phase.START)
        yield from self.screen.open(ensured)
        try:
            yield from self._attempts(base, ensured, mounts)
        finally:
            self.screen.close()

    def to_its_end(self, events: Iterator[Event]) -> Generator[Event, None, None]:
        """The events, and the result that an error stands for."""
        try:
            yield from events
        except Cancelled:
            yield from self._ended(TaskState.CANCELLED, CANCELLED_EXIT, "Stopped.")
        except StageFailed as error:
            yield from self._ended(TaskState.FAILED, error.status, error.message, error.hint, error.tail)
        except AgentError as error:
            yield from self._ended(TaskState.FAILED, 127, error.message, error.hint)
        except AgentsRunnerError as error:
            yield from self._ended(TaskState.FAILED, 1, error.message, error.hint)

    def _ended(
        self, state: TaskState, code: int, error: str = "", hint: str = "", tail: tuple[str, ...] = ()
    ) -> Generator[Event, None, None]:
        if self.phases.now is not None:
            yield self.phases.finish(ok=state is TaskState.SUCCEEDED)
        yield from self._swept()
        yield StateChanged(state=state)
        yield TaskResult(
            task=self.config.task_id, state=state, exit_code=code, image=self.image, error=error, hint=hint, tail=tail
        )

    def _swept(self) -> Generator[Event, None, None]:
        """Look at what the task left in the person's folders, where they are on this machine."""
        since, self.made_at = self.made_at, None
        if since is None or not self.tools.control.local:
            return
        clone = self.tools.workspaces / self.config.task_id
        workspace = str(clone) if isinstance(self.config.workspace, GitWorkspace) else ""
        yield from Sweeper(
            engine=self.tools.engine, config=self.config, cancel=self.tools.cancel, workspace=workspace, since=since
        ).events()

    # -- before the container ------------------------------------------------------------------------

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
                    self.tools.cancel.check()
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

    def _attempts(self, base: ImageInfo, ensured: Ensured, mounts: tuple[Mount, ...]) -> Generator[Event, None, None]:
        attempt: Attempt | None = Attempt(ensured=ensured, ports=self.config.ports)
        while attempt is not None:
            try:
                yield from self._attempt(base, attempt, mounts)
                return
            except (ImageMissing, NetworkMissing, PortInUse) as error:
                attempt = next_attempt(attempt, error, base, self.config.base_image)
                if attempt is None:
                    raise
                notice = said(error)
                if notice is not None:
                    yield notice

    def _attempt(self, base: ImageInfo, attempt: Attempt, mounts: tuple[Mount, ...]) -> Generator[Event, None, None]:
        tools, ensured = self.tools, attempt.ensured
        self.config = self.config.model_copy(update={"ports": attempt.ports})
        self.image = ensured.image
        self.read_logins()
        network, notice = network_for(tools.engine, self.config)
        if notice is not None:
            yield notice
        job = task_job(
            self.config,
            base=base,
            image_id=ensured.image_id,
            start=plan_start(self.config, baked=ensured.baked.get("env", 0)),
            mounts=mounts,
            login=self._login,
            desktop=self.screen.start(ensured),
            prompt=self.prompt,
            network=network,
            secrets=tools.secrets,
        )
        self.made_at = self.made_at or sweep_time()
        with Session(engine=tools.engine, control=tools.control, job=job, cancel=tools.cancel) as session:
            self._check_mounts(mounts)
            session.start()
            self.screen.attach(session.container)
            if self.image != self.config.base_image:
                tools.on_image_used(self.image)
            yield from self._ports(session.container)
            self.limits = Limits(self.config)
            yield from self.watched(session, session.run(self))

    def _check_mounts(self, mounts: tuple[Mount, ...]) -> None:
        """A source that became a link to elsewhere since it was checked is not mounted."""
        if not self.tools.control.local:
            return
        for mount in mounts:
            if os.path.realpath(mount.source) != mount.source:
                raise MountRefused(f"{mount.source} changed while the task was prepared.", "Run the task again.")

    def read_logins(self) -> None:
        """What the agent is to be given, and what it is compared with at the end."""
        login = self.config.agent.login if self.config.agent else {}
        found = {target: self.tools.read_login(path) for target, path in login.items()}
        self._login = {target: data for target, data in found.items() if data is not None}

    def watched(
        self, session: Session, items: Generator[LogLine | Mark, None, ContainerState]
    ) -> Generator[Event, None, None]:
        """The container's lines and what its marks stand for, to its end and what is taken back from it."""
        engine, container = self.tools.engine, session.container
        try:
            while True:
                item = next(items)
                if isinstance(item, LogLine):
                    self.phases.tail.append(item.line)
                    yield item
                else:
                    yield from self._marked(item)
        except StopIteration as end:
            state: ContainerState = end.value
        except Cancelled as stop:
            self.screen.picture_now(container)
            engine.stop(container, stop.grace_s)
            raise
        except LimitReached:
            self._failed = self.limits.error(self.phases.now)
            self.screen.picture_now(container)
            engine.stop(container, LIMIT_GRACE_S)
            state = engine.wait(container, LIMIT_WAIT_S)
        yield from self._over(session, state)

    def _ports(self, container: str) -> Generator[Event, None, None]:
        if not self.config.ports:
            return
        state = self.tools.engine.inspect(container)
        for inner, (address, port) in sorted((state.ports if state else {}).items()):
            yield LogLine(stream="system", line=f"Port {inner} of the container is at {address}:{port}.")

    # -- the launcher's marks ------------------------------------------------------------------------

    def _marked(self, mark: Mark) -> Generator[Event, None, None]:
        match mark.word:
            case "begin":
                words, clock = clocked(mark)
                yield from self._phase_begins(Phase(words[0]), clock)
            case "end":
                (phase, status, *_), clock = clocked(mark)
                yield from self._phase_ends(Phase(phase), int(status), clock)
            case "agent-missing":
                hint = self.config.agent.install_hint if self.config.agent else ""
                self._failed = AgentError(f"The program {mark.rest} is not in the image.", hint)
            case "error":
                self._failed = AgentError(mark.rest)
            case "home":
                self._home = mark.rest
            case "note":
                yield Notice(message=mark.rest)
            case "lost-exports":
                yield Notice(
                    message="A preflight script replaced its shell (exec), so what it exported is lost.",
                    hint="Start the last program without exec.",
                )
            case _ if mark.word == WAITED:
                yield Notice(message="The task waited for the application to send its secrets; it goes on now.")
            case _ if mark.word == NEEDS_ROOT and mark.rest not in self._wanted_root:
                self._wanted_root.add(mark.rest)
                yield Notice(
                    message=f"The agent's {mark.rest} needs root, which the agent does not have.",
                    hint="Add what it wanted to the cached preflight, or choose the profile Sudo.",
                )

    def _phase_begins(self, phase: Phase, clock: float | None) -> Generator[Event, None, None]:
        if self.phases.now is Phase.START:
            yield self.phases.finish()
        if not self._state_told:
            # The first stage ends the start; the agent's own beginning is the state's last move.
            self._state_told = True
            yield StateChanged(state=TaskState.RUNNING)
        yield self.phases.begin(phase, clock)

    def _phase_ends(self, phase: Phase, code: int, clock: float | None) -> Generator[Event, None, None]:
        of_screen = phase in DESKTOP_PHASES
        if code and not of_screen:
            self._failed = stage_failed(phase, code)
        yield self.phases.finish(ok=code == 0, clock=clock)
        if of_screen:
            yield from self.screen.stage_over(phase, code, self.phases.tail)

    # -- after the container has ended ---------------------------------------------------------------

    def _over(self, session: Session, state: ContainerState) -> Generator[Event, None, None]:
        code = state.exit_code if state.exit_code is not None else 1
        if self.phases.now is not None:
            ok = code == 0 and self._failed is None
            yield self.phases.finish(ok=ok, clock=self.phases.end_of(state))
        tail = tuple(self.phases.tail)
        yield from self.phases.timed(Phase.COLLECT, self._collect(session))
        if isinstance(self._failed, StageFailed):
            # Only now: what a script said on its error stream may come after the mark of its end.
            raise with_tail(self._failed, tail)
        if self._failed is not None:
            raise self._failed
        error, hint = ending(code, oom=state.oom_killed, engine_away=session.was_away)
        yield from self._ended(TaskState.FAILED if code else TaskState.SUCCEEDED, code, error, hint)

    def _collect(self, session: Session) -> Generator[Event, None, None]:
        """Take back a login that the agent refreshed, where the agent's rule accepts it."""
        for target, old in self._login.items() if self.config.agent else ():
            new = None
            with contextlib.suppress(EngineError):
                new = session.read(f"{self._home}/{target}")
            if new is not None and new != old and self.config.agent:
                self.tools.on_login_used(target, self.config.agent.login[target], old, new)
        self.screen.picture_at_end(session.container)
        yield from ()
