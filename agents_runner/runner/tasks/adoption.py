"""Resuming a task whose application died: the whole output is read once more, what is recorded left out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from agents_runner.containers.session import Session
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerState, task_container
from agents_runner.core.errors import ContainerMissing
from agents_runner.core.events import Event, LogLine, Notice, Phase, PhaseFinished, PhaseStarted
from agents_runner.core.task import Task
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.runner.tasks.limits import Limits
from agents_runner.runner.tasks.phases import PhaseClock
from agents_runner.runner.tasks.redacting import redacted
from agents_runner.runner.tasks.run_task import TaskRun
from agents_runner.runner.tasks.sweeping import look_after
from agents_runner.runner.tasks.task_job import adopted_job
from agents_runner.runner.tasks.tools import Tools


@dataclass(frozen=True, kw_only=True)
class RecordedProgress:
    """What is recorded of a task whose application died: `lines` of its container, by stream."""

    lines: Mapping[str, int]
    begun: frozenset[Phase]
    finished: frozenset[Phase]
    notices: frozenset[str]
    started: float | None = None
    """When it was begun, in seconds since the epoch; None for one that was not."""


def recorded_progress(task: Task, lines: Mapping[str, int]) -> RecordedProgress:
    """What a task's record says; `lines` of its container are in its log, by stream."""
    return RecordedProgress(
        lines=lines,
        begun=frozenset(record.phase for record in task.phases),
        finished=frozenset(record.phase for record in task.phases if record.seconds is not None),
        notices=frozenset(task.notices),
        started=task.started,
    )


def resume_task(config: DockerRunnerConfig, tools: Tools, known: RecordedProgress) -> Iterator[Event]:
    """Resume a task whose container is there: what is known is left out, the rest is as if nothing had been.

    The last event is its `TaskResult`. Raises ContainerMissing where there is nothing to resume; what the task left
    in the person's folders is looked at before.
    """
    yield from _adopted(config, tools, known)


def _adopted(config: DockerRunnerConfig, tools: Tools, known: RecordedProgress) -> Generator[Event, None, None]:
    state = tools.engine.inspect(task_container(config.task_id))
    if state is None or state.status == "created":
        yield from look_after(
            config,
            engine=tools.engine,
            control=tools.control,
            cancel=tools.cancel,
            workspaces=tools.workspaces,
            since=known.started if state is None else None,
        )
        raise ContainerMissing("The task's container is not there, or never started.")
    run = TaskRun(config=config, tools=tools, phases=PhaseClock(adopted=True))
    # Masked first: a secret that began in a recorded line may go on in the next one.
    masked = redacted(run.to_its_end(_resumed(run, state)), tools.secrets.values())
    yield from _without_known(masked, known)


def _resumed(run: TaskRun, state: ContainerState) -> Generator[Event, None, None]:
    engine, config = run.tools.engine, run.config
    image = engine.find_image(state.image_id)
    ours = image.labels.get(labels.IMAGE_REF, "") if image is not None and image.is_ours() else ""
    run.image = ours or config.base_image
    run.login.read()
    run.made_at = state.created or None
    run.phases.begin(Phase.START)
    session = Session(
        engine=engine,
        control=run.tools.control,
        job=adopted_job(config, run.tools.secrets),
        cancel=run.tools.cancel,
        container=state.id,
    )
    with session:
        run.screen.reopen()
        run.screen.attach(state.id)
        try:
            run.limits = Limits(config, age_s=_age(state, engine.clock()))
            yield from run.watched(session, session.resume(run))
        finally:
            run.screen.close()


def _age(state: ContainerState, now: float) -> float:
    """Seconds that it has run, or ran, by the engine's clock: ours may be another one, or have been set meanwhile."""
    end = state.finished if state.ended and state.finished else now
    return max(0.0, end - state.started) if state.started else 0.0


def _without_known(events: Iterator[Event], known: RecordedProgress) -> Generator[Event, None, None]:
    left = dict(known.lines)
    for event in events:
        if isinstance(event, LogLine) and left.get(event.stream, 0) > 0:
            left[event.stream] -= 1
        elif not _is_known(event, known):
            yield event


def _is_known(event: Event, known: RecordedProgress) -> bool:
    match event:
        case PhaseStarted():
            return event.phase in known.begun
        case PhaseFinished():
            return event.phase in known.finished
        case Notice():
            return event.text in known.notices
        case _:
            return False
