"""Settings: what holds for the whole application."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1


class CustomAgent(BaseModel):
    """A person's own agent: an argv template; `{prompt_file}` is the prompt's path, else it comes on stdin."""

    model_config = ConfigDict(frozen=True, extra="allow")

    argv: tuple[str, ...] = Field(min_length=1)
    login: tuple[str, ...] = ()
    """Files below the home folder that are copied into the container."""
    environment: dict[str, str] = Field(default_factory=dict)


class Settings(BaseModel):
    """The settings file. Fields that we do not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: int = SCHEMA
    theme: Literal["system", "light", "dark"] = "system"
    docker_host: str = ""
    """An engine's address; empty follows DOCKER_HOST and the current Docker context."""
    agents: dict[str, CustomAgent] = Field(default_factory=dict)
    secret_storage: Literal["keyring", "file"] = "keyring"
    """Where values of secrets are kept; `file`, a private file of ours, only after a person chose it."""
    max_running_tasks: int = Field(default=8, ge=1, le=200)
