"""Tasks on threads: records them, runs them, stops them, and tells listeners what happens."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from agents_runner.containers.control_folder import ControlFolders
from agents_runner.core.container import ContainerState, task_container
from agents_runner.core.environment import Environment
from agents_runner.core.errors import STOP_GRACE_S, AgentsRunnerError, ContainerMissing, Detached, StoreError
from agents_runner.core.events import Event, StateChanged, TaskResult, TaskState
from agents_runner.core.secrets import SecretGrant, SecretValues
from agents_runner.core.settings import MAX_LOG_MB
from agents_runner.core.task import Task, TaskKind, new_task_id
from agents_runner.core.task_plan import AgentLaunch, DockerRunnerConfig
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.runner.services import ActiveTasks, Listener, TaskRequest
from agents_runner.runner.tasks.adoption import RecordedProgress, resume_task
from agents_runner.runner.tasks.agent_events import with_agent_messages
from agents_runner.runner.tasks.cancellation import TaskCancellation
from agents_runner.runner.tasks.desktop import DesktopProxyPort
from agents_runner.runner.tasks.late_record import LateRecords, PatientRecord, StoredRecord
from agents_runner.runner.tasks.log_limit import limited
from agents_runner.runner.tasks.plan_launch import Host, check_prompt, plan_launch, without_caches
from agents_runner.runner.tasks.recording import recorded
from agents_runner.runner.tasks.redacting import withheld
from agents_runner.runner.tasks.run_task import run_task
from agents_runner.runner.tasks.test_preflight import NO_AGENT
from agents_runner.runner.tasks.tools import Tools
from agents_runner.runner.tasks.workers import Workers

DETACH_PATIENCE_S = 60.0
"""How long a detached task may wait for its own process to begin, in seconds."""
HAND_OVER_S = 15.0
QUIT_GRACE_S = 2.0
"""Seconds that a container has for its own end when the application ends and stops its tasks."""
LEFT = "left"
"""File of a task that the application left when it was closed: one that had no container yet begins anew."""
log = logging.getLogger(__name__)


class TaskRecords(Protocol):
    """What the runner needs of the task database."""

    def create(self, task: Task, *, prompt: str, config_json: str) -> None: ...
    def get(self, task_id: str) -> Task: ...
    def prompt(self, task_id: str) -> str: ...
    def config(self, task_id: str) -> str: ...
    def record(self, task_id: str) -> StoredRecord: ...
    def own(self, task_id: str, pid: int) -> None: ...
    def claim(self, task_id: str, old: int | None, new: int) -> bool: ...
    def unfinished(self) -> tuple[Task, ...]: ...
    def log_bytes(self, task_id: str) -> int: ...
    def container_lines(self, task_id: str) -> Mapping[str, int] | None: ...
    def request_stop(self, task_id: str) -> None: ...
    def stop_requested(self, task_id: str) -> bool: ...
    def begin_anew(self, task_id: str) -> None: ...
    def keep(self, task_id: str, name: str, data: bytes) -> None: ...
    def kept(self, task_id: str, name: str) -> bytes | None: ...
    def forget(self, task_id: str, name: str) -> None: ...
    def kept_result(self, task_id: str) -> TaskResult | None: ...


class OwnersPort(Protocol):
    """Which processes of the application live."""

    def hold(self) -> int:
        """Say that this one does; returns its number."""
        ...

    def is_alive(self, pid: int | None) -> bool: ...


@dataclass(kw_only=True)
class TaskRunner:
    """See `runner.services.RunnerPort`."""

    engine: EngineFactory
    host: Callable[[], Host]
    environment: Callable[[str], Environment]
    agent_launch: Callable[[str, tuple[str, ...]], AgentLaunch]
    """Agent name and extra arguments to how it is started; raises InvalidInput at `agent`."""
    records: TaskRecords
    run_dir: Path
    workspaces: Path
    accept_login: Callable[[str, str, str, bytes, bytes], None]
    """Agent, path below home, host path, bytes given, bytes found: write a refreshed login back, if allowed."""
    image_used: Callable[[str, str], None]
    """Told a tag and an environment's id."""
    owners: OwnersPort
    secret_values: Callable[[str, Iterable[SecretGrant]], SecretValues] = lambda _id, _grants: SecretValues()
    """Environment id and grants to the values; raises InvalidInput for one that has none."""
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    open_proxy: Callable[[DockerRunnerConfig, Engine], DesktopProxyPort] | None = None
    """Opens the way to a task's desktop."""
    keep_picture: Callable[[str, bytes], None] = lambda _task, _png: None
    """Told a task's id and the last picture of its desktop."""
    max_running: int = 8
    max_log_mb: Callable[[], int] = lambda: MAX_LOG_MB
    """MB (10^6 bytes) of a task's output that are kept."""
    log_file: Path = Path("application.log")
    """The application's own log, for the sentence that sends somebody there."""
    _workers: Workers = field(init=False)
    _late: LateRecords = field(default_factory=LateRecords)
    """Ends of tasks that the disk has refused so far."""
    _flags: dict[str, TaskCancellation] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)
    """Those of `_flags` that have a container."""
    _closed: bool = False
    _quits: bool = False
    """The application ends and stops its tasks: their containers have less time."""
    _listeners: list[Listener] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._workers = Workers(limit=self.max_running, name="task")

    # -- the port ----------------------------------------------------------------------------------

    def submit(self, request: TaskRequest) -> Task:
        task = self.prepare(request)
        self.start(task.id)
        return task

    def prepare(self, request: TaskRequest) -> Task:
        """Check and record a task, without starting it."""
        environment = self.environment(request.environment_id)
        is_test = request.kind.is_test
        if not is_test:
            check_prompt(request.prompt)
        name = NO_AGENT if is_test else request.agent or environment.agent
        args = environment.agent_args if name == environment.agent else ()
        launch = None if is_test else self.agent_launch(name, args)
        task_id = new_task_id()
        host = self.host()
        plan_kind: Literal["task", "test"] = "test" if is_test else "task"
        config = plan_launch(environment, task_id=task_id, agent=launch, host=host, kind=plan_kind)
        if request.kind is TaskKind.FRESH_TEST:
            config = without_caches(config)
        self.secret_values(environment.id, config.secrets)
        task = Task(
            id=task_id,
            environment_id=environment.id,
            environment_name=environment.name,
            agent=name,
            prompt=request.prompt.strip().split("\n", 1)[0][:200],
            state=TaskState.QUEUED,
            created=time.time(),
            kind=request.kind,
        )
        self.records.create(task, prompt=request.prompt, config_json=config.model_dump_json())
        return task

    def start(self, task_id: str, *, running: bool = False) -> None:
        """Work on it on a thread; `running` for one that has a container already."""
        flag = TaskCancellation(self.records, task_id)
        with self._lock:
            if self._closed:
                return  # its record says that nobody works on it
            self._flags[task_id] = flag
            if running:
                self._running.add(task_id)
        self._workers.submit(partial(self._work, task_id, flag))

    def stop(self, task_id: str) -> None:
        with self._lock:
            flag = self._flags.get(task_id)
        if flag is not None:
            flag.cancel(self._grace_s())
            return
        task = self.records.get(task_id)
        try:
            self.records.request_stop(task_id)
        except StoreError:
            # The wish cannot be written down; what runs can be stopped all the same, and its process sees that.
            if task.state.final or self.engine().inspect(task_container(task.id)) is None:
                raise
            self.engine().stop(task_container(task.id), self._grace_s())
            return
        if not task.state.final and not self.owners.is_alive(task.owner_pid):
            self._end_orphan(task)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def active_tasks(self) -> ActiveTasks:
        with self._lock:
            running = frozenset(self._running)
            return ActiveTasks(running=running, waiting=frozenset(self._flags) - running)

    def detach_all(self, timeout: float = 5.0) -> None:
        with self._lock:
            self._closed = True
            flags = dict(self._flags)
        for task_id, flag in flags.items():
            # A record that cannot be written costs a task that has no container yet, not the application's end.
            with contextlib.suppress(StoreError):
                self.records.own(task_id, self.owners.hold())
                self.records.keep(task_id, LEFT, b"")
            flag.detach()
        self._workers.close(timeout)
        self._late.close()

    def close(self, timeout: float = 5.0) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = self._quits = True
            flags = tuple(self._flags.values())
        for flag in flags:
            flag.cancel(self._grace_s())
        if not self._workers.close(timeout):
            with self._lock:
                late = tuple(self._flags)
            for task_id in late:
                # Whoever takes it up stops it.
                with contextlib.suppress(StoreError):
                    self.records.own(task_id, self.owners.hold())
                    self.records.request_stop(task_id)
        self._late.close()

    # -- a task on its thread ------------------------------------------------------------------------

    def _work(self, task_id: str, flag: TaskCancellation) -> None:
        record = PatientRecord(self.records.record(task_id))
        try:
            if flag.detached:
                return
            self.records.own(task_id, self.owners.hold())
            self.records.forget(task_id, LEFT)
            if self._quits:
                self._end_orphan(self.records.get(task_id))
                return
            events = limited(self._events(task_id, flag), self.max_log_mb(), already=self.records.log_bytes(task_id))
            self._record(task_id, events, record)
        except Detached:
            log.info("task %s goes on without the application", task_id)
        except Exception as error:
            if flag.detached:
                # The application has ended around it: the next start takes the task up.
                log.warning("task %s was not left in time", task_id)
                return
            # Top of a thread: whatever was not foreseen ends the task with a sentence, never silently.
            if not isinstance(error, AgentsRunnerError):
                log.exception("task %s ended by an unexpected error", task_id)
            self._crashed(task_id, record, error)
        finally:
            try:
                self._put_away(task_id, record)
            finally:
                with self._lock:
                    self._flags.pop(task_id, None)
                    self._running.discard(task_id)

    def _events(self, task_id: str, flag: TaskCancellation) -> Iterator[Event]:
        config = DockerRunnerConfig.model_validate_json(self.records.config(task_id))
        try:
            engine = self.engine()
            local = engine.info().local
            lines = self.records.container_lines(task_id)
            values, unknown = self._values(config, running=lines is not None)
        except AgentsRunnerError as error:
            yield from failed(task_id, error)
            return
        agent = config.agent.name if config.agent else ""
        tools = Tools(
            engine=engine,
            control=ControlFolders(root=self.run_dir, local=local, instance=config.instance),
            cancel=flag,
            workspaces=self.workspaces,
            read_login=_read,
            on_login_used=lambda target, path, old, new: self.accept_login(agent, target, path, old, new),
            open_proxy=partial(self.open_proxy, config, engine) if self.open_proxy else None,
            keep_picture=partial(self.keep_picture, task_id),
            on_image_used=partial(self._note_image, config.environment_id),
            secrets=values,
            coordinator=self.coordinator,
            asked_at=self.records.get(task_id).created,
        )
        if lines is None:
            prompt = self.records.prompt(task_id).encode("utf-8")
            events = run_task(config, prompt, tools)
        else:
            events = resume_task(config, tools, _known(self.records.get(task_id), lines))
        if unknown is not None:
            events = withheld(events, unknown)
        try:
            yield from with_agent_messages(events, agent)
        except ContainerMissing:
            yield from failed(task_id, _died(self.records.get(task_id)))

    def _note_image(self, environment_id: str, tag: str) -> None:
        """Worth knowing for the next clean-up, and never worth a task."""
        try:
            self.image_used(tag, environment_id)
        except StoreError as error:
            log.warning("the use of %s was not noted: %s", tag, error)

    def _grace_s(self) -> float:
        return QUIT_GRACE_S if self._quits else STOP_GRACE_S

    def _values(self, config: DockerRunnerConfig, *, running: bool) -> tuple[SecretValues, AgentsRunnerError | None]:
        """The plan's secrets. A task that runs already goes on without; its lines are then not shown, and why."""
        try:
            return self.secret_values(config.environment_id, config.secrets), None
        except AgentsRunnerError as error:
            if not running:
                raise
            return SecretValues(), error

    # -- tasks whose process died --------------------------------------------------------------------

    def adopt_orphans(self, spawn: Callable[[str], None] | None = None) -> tuple[str, ...]:
        """Adopt the tasks of processes that died, or that let go of them; returns their ids.

        With `spawn` a task that still runs goes to a process of its own, and the others are settled before this
        returns; without it all are resumed on this process's threads. Raises EngineErrors, with nothing done.
        """
        self._late.settle()
        taken: list[str] = []
        for task in self.records.unfinished():
            if self._closed:
                break
            if self.owners.is_alive(task.owner_pid) or self._is_beginning(task):
                continue
            name = task_container(task.id)
            state = self.engine().inspect(name)
            if not self.records.claim(task.id, task.owner_pid, self.owners.hold()):
                continue
            taken.append(task.id)
            result = self.records.kept_result(task.id)
            if result is not None:
                self.engine().remove(name)
                self._close_ended(result)
            elif state is None or state.status == "created" or self.records.container_lines(task.id) is None:
                self.engine().remove(name)
                if self.records.kept(task.id, LEFT) is not None and _never_ran(task, state):
                    self._anew(task.id, spawn)
                else:
                    self._close_record(task.id, failed(task.id, _died(task)))
            elif spawn is None:
                self.start(task.id, running=True)
            elif state.running:
                spawn(task.id)
                self._handed_over(task.id)
            else:
                self._work(task.id, TaskCancellation(self.records, task.id))
        return tuple(taken)

    def _anew(self, task_id: str, spawn: Callable[[str], None] | None) -> None:
        """From the beginning: nothing of it had run, and a build that was under way is found by its name."""
        shutil.rmtree(self.workspaces / task_id, ignore_errors=True)
        self.records.begin_anew(task_id)
        if spawn is None:
            self.start(task_id)
        else:
            spawn(task_id)
            self._handed_over(task_id)

    def _handed_over(self, task_id: str) -> None:
        """Wait until the other process works on it: until then it would look as if nobody did."""
        mine = self.owners.hold()
        end = time.monotonic() + HAND_OVER_S
        while self.records.get(task_id).owner_pid == mine and time.monotonic() < end:
            time.sleep(0.05)

    def _is_beginning(self, task: Task) -> bool:
        """True for a task that waits for its turn here, or whose process has just been started."""
        with self._lock:
            mine = task.id in self._flags
        return mine or (task.owner_pid is None and abs(time.time() - task.created) < DETACH_PATIENCE_S)

    def _close_record(self, task_id: str, events: Iterator[Event]) -> None:
        record = PatientRecord(self.records.record(task_id))
        try:
            self._record(task_id, events, record)
        finally:
            self._put_away(task_id, record)

    def _close_ended(self, result: TaskResult) -> None:
        """A task that ended when its result could not be recorded: first the steps that are missing as well."""
        record = PatientRecord(self.records.record(result.task))
        try:
            for state in (TaskState.PREPARING, TaskState.STARTING, TaskState.RUNNING):
                record.apply(StateChanged(state=state), time.time())
            self._record(result.task, (StateChanged(state=result.state), result), record)
        finally:
            self._put_away(result.task, record)

    def _put_away(self, task_id: str, record: PatientRecord) -> None:
        record.close()
        self._late.keep(task_id, record)

    def _record(self, task_id: str, events: Iterable[Event], record: PatientRecord) -> None:
        for event in recorded(events, record):
            trouble = record.trouble()
            if trouble is not None:
                self._tell(task_id, tuple(recorded((trouble,), record)))
            if isinstance(event, StateChanged) and event.state is TaskState.STARTING:
                with self._lock:
                    self._running.add(task_id)
            self._tell(task_id, (event,))

    def _crashed(self, task_id: str, record: PatientRecord, error: Exception) -> None:
        """The result is told, whatever else goes wrong: somebody waits for it."""
        if not isinstance(error, AgentsRunnerError):
            error = AgentsRunnerError(
                "The task ended by an error of the application.", f"The details are in {self.log_file}."
            )
        try:
            self._record(task_id, failed(task_id, error), record)
        except Exception:
            log.exception("the end of task %s could not be recorded", task_id)
            self._tell(task_id, tuple(failed(task_id, error)))

    def _end_orphan(self, task: Task) -> None:
        """A task whose process is gone: its container is stopped here, and its record closed."""
        try:
            if self.records.container_lines(task.id) is not None:
                engine = self.engine()
                engine.stop(task_container(task.id), self._grace_s())
                engine.remove(task_container(task.id))
        except AgentsRunnerError as error:
            log.warning("container of task %s: %s", task.id, error)
        result = TaskResult(
            task=task.id, state=TaskState.CANCELLED, exit_code=130, image=task.image, error="Stopped."
        )
        self._close_record(task.id, iter([result]))

    def _tell(self, task_id: str, batch: tuple[Event, ...]) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener(task_id, batch)
            except Exception:
                # One that shows the task must not end it, nor keep the others from hearing.
                log.exception("a listener failed at an event of task %s", task_id)


def failed(task_id: str, error: AgentsRunnerError) -> Generator[Event, None, None]:
    """The closing events of a task that could not begin."""
    yield StateChanged(state=TaskState.FAILED)
    yield TaskResult(
        task=task_id, state=TaskState.FAILED, exit_code=1, image="", error=error.message, hint=error.hint
    )


_BEFORE_A_CONTAINER = (TaskState.QUEUED, TaskState.PREPARING, TaskState.BUILDING)
_DIED = {
    TaskState.QUEUED: "before the task began",
    TaskState.PREPARING: "while the task was prepared",
    TaskState.BUILDING: "while the task's image was looked for or built",
    TaskState.STARTING: "while the task's container was started",
    TaskState.RUNNING: "while the task ran, and its container is gone",
}


def _never_ran(task: Task, state: ContainerState | None) -> bool:
    """True if no container of the task was started, so that nothing is done twice."""
    return task.state in _BEFORE_A_CONTAINER or (task.state is TaskState.STARTING and state is not None)


def _died(task: Task) -> AgentsRunnerError:
    when = _DIED.get(task.state, "in the middle of the task")
    return AgentsRunnerError(f"The application ended {when}.", "Run it again; what was built is used.")


def _known(task: Task, lines: Mapping[str, int]) -> RecordedProgress:
    return RecordedProgress(
        lines=lines,
        begun=frozenset(record.phase for record in task.phases),
        finished=frozenset(record.phase for record in task.phases if record.seconds is not None),
        notices=frozenset(task.notices),
    )


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
