"""Tasks whose process died, or let go of them: resumed, begun anew, or ended with a sentence."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.containers.cancellation import AlreadyCancelled
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.core.container import ContainerState, task_container
from agents_runner.core.errors import STOP_GRACE_S, AgentsRunnerError
from agents_runner.core.events import Event, TaskResult, TaskState
from agents_runner.core.task import Task
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import EngineFactory
from agents_runner.runner.tasks.exit_messages import application_ended, failed
from agents_runner.runner.tasks.records import OwnersPort, TaskRecords
from agents_runner.runner.tasks.stories import TaskStories
from agents_runner.runner.tasks.sweeping import look_after

DETACH_PATIENCE_S = 60.0
"""How long a detached task may wait for its own process to begin, in seconds."""
HAND_OVER_S = 15.0
DETACHED = "left"
"""File of a task that the application left when it was closed: one that had no container yet begins anew."""
_BEFORE_A_CONTAINER = (TaskState.QUEUED, TaskState.PREPARING, TaskState.BUILDING)
log = logging.getLogger(__name__)


class ApartPort(Protocol):
    """Has tasks worked on by processes of their own."""

    def work_on(self, task_id: str) -> None: ...


class WorkPort(Protocol):
    """Works on tasks in this process; see `task_runner.TaskRunner`."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be started any more."""
        ...

    def has(self, task_id: str) -> bool:
        """Whether it is worked on, or waits for its turn, here."""
        ...

    def start(self, task_id: str, *, running: bool = False) -> None:
        """Work on it on a thread; `running` for one that has a container already."""
        ...

    def settle(self, task_id: str) -> None:
        """Work on it on this thread, up to its end."""
        ...


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """Finds them by the lock that their process no longer holds."""

    engine: EngineFactory
    records: TaskRecords
    owners: OwnersPort
    stories: TaskStories
    workspaces: Path
    run_dir: Path

    def adopt(self, work: WorkPort, apart: ApartPort | None) -> tuple[str, ...]:
        """Adopt all of them; returns their ids. Raises EngineErrors, with nothing done.

        With `apart` a task that still runs goes to a process of its own, and the others are settled before this
        returns; without it all are resumed on this process's threads.
        """
        self.stories.settle()
        taken: list[str] = []
        for task in self.records.unfinished():
            if work.closed:
                break
            if self.owners.is_alive(task.owner_pid) or work.has(task.id) or _is_beginning(task):
                continue
            state = self.engine().inspect(task_container(task.id))
            if self.records.claim(task.id, task.owner_pid, self.owners.hold()):
                taken.append(task.id)
                self._take(task, state, work, apart)
        return tuple(taken)

    def end(self, task: Task, grace_s: float) -> None:
        """Stop its container, which has so many seconds for its own end, and close its record."""
        left: tuple[Event, ...] = ()
        try:
            if self.records.container_lines(task.id) is not None:
                engine, name = self.engine(), task_container(task.id)
                state = engine.inspect(name)
                engine.stop(name, grace_s)
                engine.remove(name)
                left = self._left_behind(task, state, grace_s)
        except AgentsRunnerError as error:
            log.warning("container of task %s: %s", task.id, error)
        result = TaskResult(
            task=task.id, state=TaskState.CANCELLED, exit_code=130, image=task.image, error="Stopped."
        )
        self.stories.end(task.id, [*left, result])

    def _take(self, task: Task, state: ContainerState | None, work: WorkPort, apart: ApartPort | None) -> None:
        name = task_container(task.id)
        result = self.records.kept_result(task.id)
        if result is not None:
            self.engine().remove(name)
            self.stories.end_as_kept(result)
        elif state is None or state.status == "created" or self.records.container_lines(task.id) is None:
            self.engine().remove(name)
            if self.records.kept(task.id, DETACHED) is not None and _never_ran(task, state):
                self._anew(task.id, work, apart)
            elif task.stop_requested:
                # Its application stopped it as it ended, and had no time left to write that down.
                self.end(task, STOP_GRACE_S)
            else:
                left = () if _never_began(task, state) else self._left_behind(task, state, STOP_GRACE_S)
                self.stories.end(task.id, [*left, *failed(task.id, application_ended(task))])
        elif apart is None:
            work.start(task.id, running=True)
        elif state.running:
            self._hand_over(task.id, apart)
        else:
            work.settle(task.id)

    def _left_behind(self, task: Task, state: ContainerState | None, grace_s: float) -> tuple[Event, ...]:
        """What is to be told of the person's folders once the task's container is gone; see `sweeping.look_after`.

        `state` is what the container was; what takes longer than `grace_s` to put right goes on without us.
        """
        try:
            config = DockerRunnerConfig.model_validate_json(self.records.config(task.id))
            engine = self.engine()
            control = ControlFolders(root=self.run_dir, local=engine.info().local, instance=config.instance)
        except (AgentsRunnerError, ValueError) as error:
            log.warning("what task %s left was not looked at: %s", task.id, error)
            return ()
        made = state.created if state is not None else 0.0
        return tuple(
            look_after(
                config,
                engine=engine,
                control=control,
                cancel=AlreadyCancelled(grace_s=grace_s),
                workspaces=self.workspaces,
                since=made or task.started or task.created,
            )
        )

    def _anew(self, task_id: str, work: WorkPort, apart: ApartPort | None) -> None:
        """From the beginning: nothing of it had run, and a build that was under way is found by its name."""
        shutil.rmtree(self.workspaces / task_id, ignore_errors=True)
        self.records.requeue(task_id)
        if apart is None:
            work.start(task_id)
        else:
            self._hand_over(task_id, apart)

    def _hand_over(self, task_id: str, apart: ApartPort) -> None:
        """Wait until the other process works on it: until then it would look as if nobody did."""
        apart.work_on(task_id)
        mine = self.owners.hold()
        end = time.monotonic() + HAND_OVER_S
        while self.records.get(task_id).owner_pid == mine and time.monotonic() < end:
            time.sleep(0.05)


def _is_beginning(task: Task) -> bool:
    """True for a task whose process has just been started."""
    return task.owner_pid is None and abs(time.time() - task.created) < DETACH_PATIENCE_S


def _never_began(task: Task, state: ContainerState | None) -> bool:
    """True if nothing of the task can have touched a folder: its container was not made, or never started."""
    return task.state in _BEFORE_A_CONTAINER or (state is not None and state.status == "created")


def _never_ran(task: Task, state: ContainerState | None) -> bool:
    """True if no container of the task was started, so that nothing is done twice."""
    return task.state in _BEFORE_A_CONTAINER or (task.state is TaskState.STARTING and state is not None)
