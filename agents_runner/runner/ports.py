"""What the use cases need of each other and of the parts below them, by name: small ports, one question each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from agents_runner.core.environment import Environment
from agents_runner.core.secrets import SecretGrant, SecretValues
from agents_runner.core.settings import Settings
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.runner.tasks.plan_launch import Host


class SettingsSource(Protocol):
    """The settings as they are saved now. Never raises."""

    def load(self) -> Settings: ...


class EnvironmentLookup(Protocol):
    """Finds one environment."""

    def get(self, name_or_id: str) -> Environment:
        """The environment of this id, else of exactly this name. Raises NotFound."""
        ...


class SecretValuesPort(Protocol):
    """Gives secrets' values to a task or a build that is about to begin, and to nobody else."""

    def values_of(self, environment_id: str, grants: Iterable[SecretGrant]) -> SecretValues:
        """The values by name. Raises InvalidInput at `secrets` for the first one that has none, StoreError."""
        ...


class LoginPort(Protocol):
    """The files by which agents are logged in, on this machine. Never raises."""

    def read(self, path: str) -> bytes | None:
        """What an agent is to be given; None if the file is not there, or cannot be read."""
        ...

    def refreshed(self, agent: str, target: str, path: str, old: bytes, new: bytes) -> None:
        """A container was given `old` and has `new` at its end: keep that where the agent's rule accepts it.

        `target` is the file's place below the home folder, `path` its place on this machine.
        """
        ...


class ImageUsePort(Protocol):
    """Remembers which images are used, for the clean-up."""

    def started(self, tag: str, environment_id: str) -> None:
        """A task of this environment has started from it. Raises StoreError."""
        ...


class HostsPort(Protocol):
    """The person and this machine, as a plan needs them."""

    def host(self) -> Host:
        """The machine and the person as the engine sees them; talks to it. Raises EngineErrors."""
        ...

    def planning_host(self) -> Host:
        """The same as far as it is known without an engine, for checks."""
        ...


class AgentsPort(Protocol):
    """The agents that a task can be given to."""

    def check(self, name: str) -> None:
        """Look at the agent. Raises InvalidInput at `agent` for one that is not there or cannot be run."""
        ...

    def launch(self, name: str, args: tuple[str, ...]) -> AgentLaunch:
        """How the agent is started with these further arguments. Raises as `check`."""
        ...


class BackgroundPort(Protocol):
    """Processes of the application's own that outlive this one."""

    def start(self, words: tuple[str, ...]) -> None:
        """Run the command line with these words."""
        ...


class SaveListener(Protocol):
    """Is told of every environment that was saved."""

    def saved(self, environment: Environment) -> None: ...


class BuildListener(Protocol):
    """Is told of every build outside of a task that made something."""

    def built(self) -> None: ...
