"""One task from its plan to its end: a plain generator of events, without threads and without a window."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.containers.session import Session
from agents_runner.core.container import ContainerState, ImageInfo
from agents_runner.core.errors import (
    AgentError,
    AgentsRunnerError,
    Cancelled,
    ImageMissing,
    LimitReached,
    NetworkMissing,
    PortInUse,
    StageFailed,
    StoreError,
)
from agents_runner.core.events import Event, LogLine, Phase, StateChanged, TaskResult, TaskState
from agents_runner.core.mounts import Mount
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.images.ensure import Ensured, Ensurer
from agents_runner.images.planning import plan_image, plan_start
from agents_runner.launcher.protocol import Mark
from agents_runner.runner.tasks.attempts import Attempt, next_attempt, said
from agents_runner.runner.tasks.base_image import base_image
from agents_runner.runner.tasks.exit_messages import ending, with_tail
from agents_runner.runner.tasks.isolation import network_for
from agents_runner.runner.tasks.limits import Limits
from agents_runner.runner.tasks.login import LoginCopies
from agents_runner.runner.tasks.output_reader import OutputReader
from agents_runner.runner.tasks.phases import PhaseClock
from agents_runner.runner.tasks.redacting import redacted
from agents_runner.runner.tasks.sweeping import look_after, sweep_time
from agents_runner.runner.tasks.task_job import task_job
from agents_runner.runner.tasks.task_mounts import check_mounts_unmoved, prepare_mounts
from agents_runner.runner.tasks.task_screen import TaskScreen
from agents_runner.runner.tasks.tools import Tools

LIMIT_GRACE_S = 1.0
LIMIT_WAIT_S = 30.0
CANCELLED_EXIT = 130
log = logging.getLogger(__name__)


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
    output: OutputReader = field(init=False)
    login: LoginCopies = field(init=False)

    def __post_init__(self) -> None:
        tools, agent = self.tools, self.config.agent
        self.limits = Limits(self.config)
        self.screen = TaskScreen(config=self.config, engine=tools.engine, desktops=tools.desktops)
        self.login = LoginCopies(logins=tools.logins, agent=agent)
        self.output = OutputReader(
            phases=self.phases, screen=self.screen, install_hint=agent.install_hint if agent else ""
        )

    def deadline(self) -> float | None:
        return self.limits.deadline(self.phases.now)

    def excludes(self, seconds: float) -> None:
        self.limits.excludes(seconds)

    # -- the whole way -------------------------------------------------------------------------------

    def from_the_beginning(self) -> Generator[Event, None, None]:
        """The task's events; raises what `to_its_end` makes its end of."""
        yield StateChanged(state=TaskState.PREPARING)
        prepared = prepare_mounts(self.config, self._clone(), self.tools.cancel)
        mounts = yield from self.phases.timed(Phase.WORKSPACE, prepared)
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
        yield from look_after(
            self.config,
            engine=self.tools.engine,
            control=self.tools.control,
            cancel=self.tools.cancel,
            workspaces=self.tools.workspaces,
            since=since,
        )

    # -- before the container ------------------------------------------------------------------------

    def _clone(self) -> Path:
        """Where the task's own clone is, if it works in one."""
        return self.tools.workspaces / self.config.task_id

    def _image(self, base: ImageInfo) -> Generator[Event, None, Ensured]:
        plan = plan_image(self.config, base)
        if plan.layers:
            yield StateChanged(state=TaskState.BUILDING)
        return (yield from Ensurer(context=self.tools.build_context(self.config)).run(plan))

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
        network, notice = network_for(tools.engine, self.config, lost=attempt.shares_network)
        if notice is not None:
            yield notice
        job = task_job(
            self.config,
            base=base,
            image_id=ensured.image_id,
            start=plan_start(self.config, baked=ensured.baked.get("env", 0)),
            mounts=mounts,
            login=self.login.read(),
            desktop=self.screen.start(ensured),
            prompt=self.prompt,
            network=network,
            secrets=tools.secrets,
        )
        self.made_at = self.made_at or sweep_time()
        with Session(engine=tools.engine, control=tools.control, job=job, cancel=tools.cancel) as session:
            if tools.control.local:
                check_mounts_unmoved(mounts)
            session.start()
            self.screen.attach(session.container)
            self._note_image()
            yield from self._ports(session.container)
            self.limits = Limits(self.config)
            yield from self.watched(session, session.run(self))

    def _note_image(self) -> None:
        """Worth knowing for the next clean-up, and never worth a task."""
        if self.image == self.config.base_image:
            return
        try:
            self.tools.uses.started(self.image, self.config.environment_id)
        except StoreError as error:
            log.warning("the use of %s was not noted: %s", self.image, error)

    def watched(
        self, session: Session, items: Generator[LogLine | Mark, None, ContainerState]
    ) -> Generator[Event, None, None]:
        """The container's lines and what its marks stand for, to its end and what is taken back from it."""
        engine, container = self.tools.engine, session.container
        try:
            while True:
                yield from self.output.events(next(items))
        except StopIteration as end:
            state: ContainerState = end.value
        except Cancelled as stop:
            self.screen.picture_now(container)
            engine.stop(container, stop.grace_s)
            raise
        except LimitReached:
            self.output.failed = self.limits.error(self.phases.now)
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

    # -- after the container has ended ---------------------------------------------------------------

    def _over(self, session: Session, state: ContainerState) -> Generator[Event, None, None]:
        code = state.exit_code if state.exit_code is not None else 1
        if self.phases.now is not None:
            ok = code == 0 and self.output.failed is None
            yield self.phases.finish(ok=ok, clock=self.phases.end_of(state))
        tail = tuple(self.phases.tail)
        yield from self.phases.timed(Phase.COLLECT, self._collect(session))
        failed = self.output.failed
        if isinstance(failed, StageFailed):
            # Only now: what a script said on its error stream may come after the mark of its end.
            raise with_tail(failed, tail)
        if failed is not None:
            raise failed
        error, hint = ending(code, oom=state.oom_killed, engine_away=session.was_away)
        yield from self._ended(TaskState.FAILED if code else TaskState.SUCCEEDED, code, error, hint)

    def _collect(self, session: Session) -> Generator[Event, None, None]:
        """What outlives the container: a refreshed login, and the last picture."""
        self.login.take_back(session, self.output.home)
        self.screen.picture_at_end(session.container)
        yield from ()
