"""Which network a task's container is on: one of the application's own where siblings must not reach its ports."""

from __future__ import annotations

from agents_runner.core.container import NETWORK_KIND
from agents_runner.core.errors import EngineError
from agents_runner.core.events import Notice
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine

NETWORK = "agents-runner-apart"
"""One for all tasks of an engine: its address pools end at some thirty networks."""
LABELS = {NETWORK_KIND: "apart"}


def wants_isolation(config: DockerRunnerConfig) -> bool:
    """Whether something of the task listens that other containers must not reach, or its profile asks for it."""
    return config.profile == "strict" or config.headless_desktop_enabled or bool(config.ports)


def network_for(engine: Engine, config: DockerRunnerConfig) -> tuple[str, Notice | None]:
    """The network's name, "" for the engine's own, and what to tell where it is not the wanted one. Never fails."""
    if not wants_isolation(config):
        return "", None
    try:
        engine.ensure_network(NETWORK, LABELS)
    except EngineError as error:
        notice = Notice(
            message=f"This task shares its network with other containers: {error.message}",
            hint="Free an address range (docker network prune) and run it again.",
        )
        return "", notice
    return NETWORK, None
