"""Settings as use cases, and the agents that they and the application know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.agents import registry
from agents_runner.core.settings import Settings
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.runner.ports import SettingsSource


class SettingsFile(Protocol):
    """Where the settings are kept; see `store.settings.SettingsStore`."""

    def current(self) -> Settings: ...
    def save(self, settings: Settings, base: Settings | None = None) -> None: ...


@dataclass(frozen=True, kw_only=True)
class SettingsService:
    """See `runner.services.SettingsPort`."""

    file: SettingsFile

    def load(self) -> Settings:
        return self.file.current()

    def save(self, settings: Settings, base: Settings | None = None) -> None:
        self.file.save(settings, base)

    def agents(self) -> tuple[str, ...]:
        return registry.agent_names(self.load())


@dataclass(frozen=True, kw_only=True)
class AgentCatalogue:
    """See `runner.ports.AgentsPort`."""

    settings: SettingsSource

    def check(self, name: str) -> None:
        registry.resolve(name, self.settings.load())

    def launch(self, name: str, args: tuple[str, ...]) -> AgentLaunch:
        return registry.launch(registry.resolve(name, self.settings.load()), args=args, home=Path.home())

    def logins(self) -> Iterator[tuple[str, bool, str]]:
        """Name, whether it is logged in, and a sentence, for each agent."""
        yield from registry.logins(Path.home())
