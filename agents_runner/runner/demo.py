"""The demonstration: the built-in environment on a local base image, run cold and then cached."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass, field

from agents_runner.core.environment import Environment, FolderWorkspace, NoWorkspace, Workspace
from agents_runner.core.errors import NotFound
from agents_runner.core.events import Event, Phase, PhaseFinished, PhaseStarted, TaskResult
from agents_runner.runner.services import Services, TaskRequest

DEMO_ID = "demo"
PROMPT = 'Say hello, and write "it works" into a file.'
# Two steps, so that the layers are seen; what stands for slow installs is a second of work with files.
CACHED = """#!/bin/bash
set -euo pipefail
# step: tools
echo "installing tools (this is what every task used to wait for) ..."
mkdir -p /opt/demo/bin
for n in 1 2 3 4 5 6 7 8; do
    head -c 1000000 /dev/urandom >"/opt/demo/tool-$n"
    sleep 0.25
    echo "  tool $n of 8"
done
# step: settings
printf '#!/bin/sh\\necho "hello from the cached layer"\\n' >/opt/demo/bin/demo-tool
chmod +x /opt/demo/bin/demo-tool
export PATH="/opt/demo/bin:$PATH"
export DEMO_INSTALLED=yes
"""
RUN = """#!/bin/bash
echo "run preflight of task $AGENTS_RUNNER_TASK_ID: DEMO_INSTALLED=$DEMO_INSTALLED"
demo-tool
export DEMO_TASK="$AGENTS_RUNNER_TASK_ID"
"""


@dataclass(frozen=True, kw_only=True)
class DemoRun:
    """One of the two runs: seconds by phase, how each build phase got its layer, seconds until the agent began."""

    name: str
    environment_id: str
    exit_code: int
    phases: dict[str, float] = field(default_factory=dict)
    cache: dict[str, str] = field(default_factory=dict)

    @property
    def to_agent(self) -> float:
        after = {Phase.AGENT.value, Phase.COLLECT.value}
        return sum(seconds for phase, seconds in self.phases.items() if phase not in after)


def demo_environment(services: Services) -> Environment:
    """The Demo environment, made if it is not there; what a person changed in it stays."""
    base = services.system.import_demo_base()
    try:
        environment = services.environments.get(DEMO_ID)
    except NotFound:
        environment = Environment(
            id=DEMO_ID,
            name="Demo",
            color="emerald",
            base_image=base,
            pull="never",
            agent="demo",
            workspace=_workspace(services),
            cache_container_build=True,
            cached_preflight_script=CACHED,
            run_preflight_script=RUN,
        )
    if environment.base_image != base and environment.base_image.startswith("agents-runner-mini:"):
        environment = environment.model_copy(update={"base_image": base})
    return services.environments.save(environment)


def _workspace(services: Services) -> Workspace:
    folder = services.system.demo_folder()
    return FolderWorkspace(path=str(folder)) if folder is not None else NoWorkspace()


def run_demo(services: Services, show: Callable[[Event], None]) -> tuple[DemoRun, ...]:
    """Cold (its layers are built anew), then cached."""
    environment = demo_environment(services)
    _forget_layers(services, environment)
    return tuple(_run(services, environment, name, show) for name in ("cold", "cached"))


def _forget_layers(services: Services, environment: Environment) -> None:
    """Remove this environment's own layers, so that the first run is a cold one; never another's."""
    services.images.remove(frozenset(layer.tag for layer in services.images.plan(environment).plan.layers))


def _run(services: Services, environment: Environment, name: str, show: Callable[[Event], None]) -> DemoRun:
    events: queue.Queue[Event] = queue.Queue()

    def listener(_task: str, batch: tuple[Event, ...]) -> None:
        for one in batch:
            events.put(one)

    stop = services.runner.subscribe(listener)
    phases: dict[str, float] = {}
    cache: dict[str, str] = {}
    try:
        services.runner.submit(TaskRequest(environment_id=environment.id, prompt=PROMPT, agent="demo"))
        while True:
            event = events.get()
            if not isinstance(event, PhaseStarted):
                show(event)
            if isinstance(event, PhaseFinished):
                phases[event.phase] = event.seconds
                if event.cache:
                    cache[event.phase] = event.cache
            if isinstance(event, TaskResult):
                break
    finally:
        stop()
    return DemoRun(name=name, environment_id=environment.id, exit_code=event.exit_code, phases=phases, cache=cache)
