"""Which network a task's container is on: one of the application's own where siblings must not reach its ports."""

from __future__ import annotations

from agents_runner.core.container import APART_LABELS, APART_NETWORK
from agents_runner.core.errors import EngineError
from agents_runner.core.events import Notice
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine


def wants_isolation(config: DockerRunnerConfig) -> bool:
    """Whether the task listens where other containers must not reach it, or profile or settings ask for it."""
    return config.isolated or config.profile == "strict" or config.headless_desktop_enabled or bool(config.ports)


def network_for(engine: Engine, config: DockerRunnerConfig) -> tuple[str, Notice | None]:
    """The network's name, "" for the engine's own, and what to tell where it is not the wanted one. Never fails."""
    if not wants_isolation(config):
        return "", None
    try:
        engine.ensure_network(APART_NETWORK, APART_LABELS)
    except EngineError as error:
        return "", _shares(
            error.message, error.hint or "Free an address range (docker network prune) and run it again."
        )
    return APART_NETWORK, None


def shared_network(config: DockerRunnerConfig) -> tuple[str, Notice | None]:
    """The engine's own network, for a task whose network was removed each time it was to start; see `network_for`."""
    if not wants_isolation(config):
        return "", None
    return "", _shares("its own was removed each time it was to start.", "Run it again once nobody cleans up.")


def _shares(why: str, hint: str) -> Notice:
    return Notice(message=f"This task shares its network with other containers: {why}", hint=hint)
