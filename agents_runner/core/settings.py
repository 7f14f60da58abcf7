"""Settings: what holds for the whole application."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agents_runner.core.secret_stages import SecretStorage

SCHEMA = 1
MAX_LOG_MB = 1000
ENGINE_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://", "npipe://")
"""What an engine's address begins with."""


class CustomAgent(BaseModel):
    """A person's own agent: an argv template; `{prompt_file}` is the prompt's path, else it comes on stdin."""

    model_config = ConfigDict(frozen=True, extra="allow")

    argv: tuple[str, ...] = Field(min_length=1)
    login: tuple[str, ...] = ()
    """Files below the home folder that are copied into the container."""
    environment: dict[str, str] = Field(default_factory=dict)


class CachePolicy(BaseModel):
    """What is collected by itself of the images that this installation made; see `docs/caching.md`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    collect: bool = True
    keep_per_environment: int = Field(default=2, ge=1, le=1000)
    """How many states of an environment's cached preflight stay: the present one, and those before it."""
    max_age_days: int | None = Field(default=30, ge=1, le=36500)
    """Images that no environment needs as it stands go after so many days without use."""
    max_size_gb: float | None = Field(default=None, gt=0, le=1_000_000)
    """Over so many GB (10^9 bytes) the images unused for longest go, those that no environment needs first."""
    prebuild_on_save: bool = False
    """Build an environment's missing layers in the background when it was saved."""


class Settings(BaseModel):
    """The settings file. Fields that we do not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: int = SCHEMA
    theme: Literal["system", "light", "dark"] = "system"
    docker_host: str = ""
    """An engine's address; empty follows DOCKER_HOST and the current Docker context."""
    agents: dict[str, CustomAgent] = Field(default_factory=dict)
    secret_storage: SecretStorage = "keyring"
    """`file` only after a person chose it."""
    cache: CachePolicy = CachePolicy()
    on_close: Literal["ask", "leave", "stop"] = "ask"
    """What happens with tasks that have not ended when the window closes."""
    max_builds: int = Field(default=0, ge=0, le=200)
    """Layers that are built at the same time; 0 is one for each processor core."""
    max_log_mb: int = Field(default=MAX_LOG_MB, ge=1, le=1_000_000)
    """MB (10^6 bytes) of a task's output that are kept; after it only each phase's last lines."""
    max_layer_gb: float | None = Field(default=50.0, gt=0, le=1_000_000)
    """GB (10^9 bytes) that a layer's files may have; the engine writes holes in full, and cannot be stopped at it."""
    isolate_tasks: bool = False
    """All tasks are on the network where containers do not reach each other; else those that listen, and Strict."""
    max_running_tasks: int = Field(default=8, ge=1, le=200)
