"""DockerRunnerConfig: the frozen plan of one task, everything resolved, the same for every kind of run."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agents_runner.core.environment import Resources, Workspace
from agents_runner.core.mounts import Mount
from agents_runner.core.ports import Port
from agents_runner.core.profile import OLD_PROFILE, Profile
from agents_runner.core.secrets import Grant

WORKSPACE_PATH = "/workspace"
"""Where the agent works inside every container."""
CONTROL_PATH = "/run/agents-runner"
"""Where the launcher's files are mounted inside every container."""


class AgentLaunch(BaseModel):
    """How the agent is started: `argv` exact, the prompt on standard input unless argv names its file."""

    model_config = ConfigDict(frozen=True)

    name: str
    argv: tuple[str, ...]
    """The word `{prompt_file}` stands for the prompt's path inside the container."""
    environment: dict[str, str] = Field(default_factory=dict)
    root_environment: dict[str, str] = Field(default_factory=dict)
    """Set beside `environment` only when the agent runs as uid 0."""
    login: dict[str, str] = Field(default_factory=dict)
    """Path below the home folder in the container, to the host's file that is copied there."""
    files: dict[str, str] = Field(default_factory=dict)
    """Programs of ours that go along: file name under the control folder, to its text."""
    install_hint: str = ""


class DockerRunnerConfig(BaseModel):
    """The plan of one task. It round-trips through disk without losing a field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["task", "test"] = "task"
    task_id: str
    environment_id: str
    environment_name: str
    base_image: str
    pull: Literal["missing", "always", "never"] = "missing"
    platform: str = ""
    headless_desktop_enabled: bool = False
    desktop_cache_enabled: bool = False
    container_cache_enabled: bool = False
    preflight_enabled: bool = True
    cached_preflight_script: str = ""
    run_preflight_script: str = ""
    """Both as they were typed; `images.planning` makes of them what runs."""
    env_vars: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[Grant, ...] = ()
    """Names and who may see them; their values are in no plan."""
    input_files: dict[str, str] = Field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    workspace: Workspace
    profile: Profile = OLD_PROFILE
    """A plan that was stored before there were profiles has none: its task keeps what it had."""
    isolated: bool = False
    """The settings ask for a network on which containers do not reach each other; some plans have it anyway."""
    max_layer_bytes: int = 0
    """What the files of one layer may have together; 0 is no limit."""
    build_timeout_s: int = 1800
    run_preflight_timeout_s: int = 0
    """Seconds; 0 is no limit, here and below."""
    task_timeout_s: int = 0
    package_caches: bool = False
    uid: int
    gid: int
    """Who the agent's files belong to, as seen inside the container."""
    agent: AgentLaunch | None
    """None for a test of the preflight scripts alone."""
    token: str
    """Marks the launcher's own lines in the output; random for each task."""
    instance: str = ""
