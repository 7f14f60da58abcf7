"""How long a start takes: bare, cached and uncached, interleaved in one run, to the agent's first byte."""

from __future__ import annotations

import contextlib
import secrets
import statistics
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

from agents_runner.containers.cancellation import NeverCancelled
from agents_runner.containers.plain import PlainContainer
from agents_runner.core import container as labels
from agents_runner.core.clock import Clock
from agents_runner.core.container import APART_LABELS, APART_NETWORK, ContainerSpec
from agents_runner.core.environment import Environment, GitWorkspace, NoWorkspace
from agents_runner.core.errors import AgentsRunnerError, EngineError, InvalidInput
from agents_runner.core.events import Event, LogLine, Phase, PhaseStarted, TaskResult, TaskState
from agents_runner.core.task import new_task_id
from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.runner.ports import HostsPort
from agents_runner.runner.services import ImagesPort, StartupFigures, TaskRequest
from agents_runner.runner.task_service import TaskRunnerFactory
from agents_runner.runner.tasks.isolation import wants_isolation
from agents_runner.runner.tasks.plan_launch import plan_launch
from agents_runner.runner.tasks.records import OwnersPort
from agents_runner.runner.tasks.task_runner import TaskRunner

BYTE = "agents-runner-bench"
"""What both the bare container and the agent print first."""
PROMPT = f"echo {BYTE}\n"
DECISIONS_A_RUN = 10
BARE_LIMIT_S = 60.0
"""Seconds after which a bare container that does not end is given up."""
_CONTAINER = "agents-runner-bench-"


class TaskRecords(Protocol):
    """Where finished tasks are recorded."""

    def delete(self, task_id: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class StartupBench:
    """Measures one environment. Its tasks are recorded like any other and forgotten again."""

    engine: EngineFactory
    images: ImagesPort
    runners: TaskRunnerFactory
    tasks: TaskRecords
    hosts: HostsPort
    owners: OwnersPort
    clock: Clock = time.perf_counter

    def run(self, environment: Environment, runs: int) -> Generator[Event | str, None, StartupFigures]:
        """Yields the events of the first build and a line for each run.

        The agent is `shell` with an `echo`; a git workspace is left out, since no cache saves its clone. The bare
        container that the starts are compared with is on the network of the environment's tasks; one on the other
        network tells what the network itself costs. Raises InvalidInput, BuildFailed and EngineErrors.
        """
        if runs < 1:
            raise InvalidInput("At least one run is needed.", "Use --runs 5.", field="runs")
        cached = measured(environment, cached=True)
        uncached = measured(environment, cached=False)
        if not self.images.plan(cached).plan.layers:
            raise InvalidInput(
                f"{environment.name} has no cached preflight, so there is nothing to compare.",
                "Move its slow installs to the cached preflight.",
                field="cached_preflight_script",
            )
        yield from self.images.build(cached)
        return (yield from self._measure(cached, uncached, runs))

    def _measure(
        self, cached: Environment, uncached: Environment, runs: int
    ) -> Generator[Event | str, None, StartupFigures]:
        image = self.images.plan(cached).plan.image
        runner = self.runners.make(_Measured(cached, uncached))
        config = plan_launch(cached, task_id=new_task_id(), agent=None, host=self.hosts.host())
        isolated = wants_isolation(config)
        ours = {labels.CONTAINER_INSTANCE: config.instance, labels.CONTAINER_OWNER: str(self.owners.hold())}
        self.engine().ensure_network(APART_NETWORK, APART_LABELS)
        shared: list[float] = []
        apart: list[float] = []
        bare = apart if isolated else shared
        hits: list[float] = []
        misses: list[float] = []
        decide: list[float] = []
        try:
            for number in range(1, runs + 1):
                shared.append(self._bare(self.engine(), image, ours))
                apart.append(self._bare(self.engine(), image, ours, APART_NETWORK))
                hits.append(self._task(runner, cached))
                misses.append(self._task(runner, uncached))
                decide += [self._decide(cached) for _ in range(DECISIONS_A_RUN)]
                yield (
                    f"run {number} of {runs}: bare {bare[-1]:.3f} s, shared network {shared[-1]:.3f} s, "
                    f"network apart {apart[-1]:.3f} s, cached {hits[-1]:.3f} s, "
                    f"uncached {misses[-1]:.3f} s, decide {statistics.median(decide[-DECISIONS_A_RUN:]):.1f} ms"
                )
        finally:
            runner.close()
        return StartupFigures(
            bare_s=tuple(bare),
            bare_shared_s=tuple(shared),
            bare_apart_s=tuple(apart),
            cached_s=tuple(hits),
            uncached_s=tuple(misses),
            decide_ms=tuple(decide),
        )

    def _bare(self, engine: Engine, image: str, ours: Mapping[str, str], network: str = "") -> float:
        """Seconds from nothing to the first byte of a plain container of this image; "" is the engine's network.

        By the labels `ours` the clean-up finds it, if this process is killed meanwhile.
        """
        name = f"{_CONTAINER}{secrets.token_hex(6)}"
        spec = ContainerSpec(
            name=name,
            image=image,
            entrypoint=("/bin/sh", "-c", PROMPT),
            user="0:0",
            network=network,
            labels={labels.CONTAINER_KIND: "bench", labels.CONTAINER_NAME: name, **ours},
        )
        began, at = self.clock(), None
        with PlainContainer(engine=engine, spec=spec) as bare:
            for line in bare.run(NeverCancelled(), time.monotonic() + BARE_LIMIT_S):
                at = at or (self.clock() if line.line == BYTE else None)
        if at is None:
            raise EngineError(f"A bare container of {image} printed nothing.", "Look at the engine's log.")
        return at - began

    def _task(self, runner: TaskRunner, environment: Environment) -> float:
        """Seconds from the click to the first byte of the agent; the task's rest is waited for."""
        first = _First(self.clock)
        stop = runner.subscribe(first.listen)
        task = ""
        try:
            began = self.clock()
            task = runner.submit(TaskRequest(environment_id=environment.id, prompt=PROMPT, agent="shell")).id
            first.ended.wait()
        finally:
            stop()
            with contextlib.suppress(AgentsRunnerError):
                self.tasks.delete(task)
        result = first.result
        if first.at is None or result is None or result.state is not TaskState.SUCCEEDED:
            raise AgentsRunnerError(
                f"A measured task did not succeed: {result.error if result else 'it has no result'}",
                result.hint if result else "",
            )
        return first.at - began

    def _decide(self, environment: Environment) -> float:
        """Milliseconds until it is known which layers are there."""
        began = self.clock()
        self.images.plan(environment)
        return (self.clock() - began) * 1000


class _Measured:
    """An `EnvironmentLookup` of the two environments that are compared."""

    def __init__(self, *environments: Environment) -> None:
        self._by_id = {one.id: one for one in environments}

    def get(self, name_or_id: str) -> Environment:
        return self._by_id[name_or_id]


class _First:
    """Hears when the agent's first line came, and how the task ended."""

    def __init__(self, clock: Clock) -> None:
        self.at: float | None = None
        self.result: TaskResult | None = None
        self.ended = threading.Event()
        self._clock = clock
        self._agent = False

    def listen(self, _task: str, batch: tuple[Event, ...]) -> None:
        for event in batch:
            if isinstance(event, PhaseStarted):
                self._agent = event.phase is Phase.AGENT
            elif isinstance(event, LogLine) and self._agent and self.at is None and event.line == BYTE:
                self.at = self._clock()
            elif isinstance(event, TaskResult):
                self.result = event
                self.ended.set()


def measured(environment: Environment, *, cached: bool) -> Environment:
    """The environment as it is measured: all layers cached or none, never pulled, no clone."""
    workspace = NoWorkspace() if isinstance(environment.workspace, GitWorkspace) else environment.workspace
    return environment.model_copy(
        update={
            "id": environment.id if cached else f"{environment.id}.bench-uncached",
            "workspace": workspace,
            "pull": "missing" if environment.pull == "always" else environment.pull,
            "cache_container_build": cached,
            "cache_desktop_build": cached and environment.headless_desktop_enabled,
        }
    )
