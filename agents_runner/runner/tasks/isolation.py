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


def network_for(engine: Engine, config: DockerRunnerConfig, *, lost: bool = False) -> tuple[str, Notice | None]:
    """The network's name, "" for the engine's own, and what to tell where it is not the wanted one. Never fails.

    `lost`: the wanted one was removed each time that the task was to start.
    """
    if not wants_isolation(config):
        return "", None
    if lost:
        return "", _shares("its own was removed each time it was to start.", "Run it again once nobody cleans up.")
    try:
        engine.ensure_network(APART_NETWORK, APART_LABELS)
    except EngineError as error:
        hint = error.hint or "Free an address range (docker network prune) and run it again."
        return "", _shares(error.message, hint)
    return APART_NETWORK, None


def _shares(why: str, hint: str) -> Notice:
    return Notice(message=f"This task shares its network with other containers: {why}", hint=hint)
