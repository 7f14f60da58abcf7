"""An environment: what a person describes once, and every task of it starts from."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agents_runner.core.profile import NEW_PROFILE, Profile
from agents_runner.core.secrets import SecretGrant, SecretUse, grants_of

SCHEMA = 3
"""Version of the environment file that this program writes (1: the older single-script program, 2: no profile)."""

DEFAULT_BASE_IMAGE = "lunamidori5/pixelarch:emerald"
COLORS = ("emerald", "violet", "sky", "amber", "rose", "slate", "teal", "indigo", "orange", "lime")
MAX_NAME = 200


class NoWorkspace(BaseModel):
    """The agent starts in an empty folder that goes with its container."""

    model_config = ConfigDict(frozen=True, extra="allow")
    type: Literal["none"] = "none"


class FolderWorkspace(BaseModel):
    """A folder of this machine, mounted read-write; `path` is absolute."""

    model_config = ConfigDict(frozen=True, extra="allow")
    type: Literal["folder"] = "folder"
    path: str


class GitWorkspace(BaseModel):
    """A fresh clone for each task; an empty `branch` means the remote's default."""

    model_config = ConfigDict(frozen=True, extra="allow")
    type: Literal["git"] = "git"
    url: str
    branch: str = ""


Workspace = Annotated[NoWorkspace | FolderWorkspace | GitWorkspace, Field(discriminator="type")]


class Resources(BaseModel):
    """Limits of a task's and a build's container; None leaves the engine's default.

    `cpus` in cores, `memory_mb` and `shm_mb` in MiB, `pids` in processes.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    cpus: float | None = Field(default=None, gt=0, le=4096)
    memory_mb: int | None = Field(default=None, ge=16)
    shm_mb: int | None = Field(default=None, ge=1)
    pids: int | None = Field(default=4096, ge=16)


def new_environment_id(name: str) -> str:
    """A readable id that no other environment has: a slug of the name and six random digits."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "environment"
    return f"{slug}-{uuid.uuid4().hex[:6]}"


class Environment(BaseModel):
    """One environment, as its file holds it. Fields that we do not know are kept (`extra`)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: int = SCHEMA
    id: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$")
    name: str = Field(min_length=1, max_length=MAX_NAME)
    color: str = "emerald"
    base_image: str = DEFAULT_BASE_IMAGE
    pull: Literal["missing", "always", "never"] = "missing"
    agent: str = "codex"
    agent_args: tuple[str, ...] = ()
    workspace: Workspace = NoWorkspace()
    profile: Profile = NEW_PROFILE
    """What the agent may do in its container; a file that names none has `sudo`."""
    profile_from_before: bool = False
    """True while the profile is the one of before there were any, and no person has chosen it."""
    headless_desktop_enabled: bool = False
    cache_desktop_build: bool = False
    cache_container_build: bool = False
    preflight_enabled: bool = True
    cached_preflight_script: str = ""
    run_preflight_script: str = ""
    preflight_script: str = ""
    """The single script of older files: kept for ever, never run once `run_preflight_script` holds it."""
    cache_inputs: tuple[str, ...] = ()
    """Files (lock files, say) whose contents are part of the environment layer's key; absolute paths."""
    env_vars: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names only; the values live in the OS keyring."""
    secret_uses: dict[str, SecretUse] = Field(default_factory=dict)
    """Which stages see a secret, by name; one that is not here has the default stages."""
    mounts: tuple[str, ...] = ()
    """`SOURCE:TARGET[:ro|rw]`, as typed; see `core.mounts`."""
    allow_mounts: tuple[str, ...] = ()
    """Sources, the workspace's folder too, that are refused unless a person typed them here: whole, without links."""
    ports: tuple[str, ...] = ()
    """`[ADDRESS:][HOST:]CONTAINER[/udp]`, as typed; see `core.ports`."""
    resources: Resources = Resources()
    build_timeout_s: int = Field(default=1800, ge=1, le=7 * 24 * 3600)
    run_preflight_timeout_s: int | None = Field(default=None, ge=0, le=7 * 24 * 3600)
    """Seconds that the run preflight may take; none or 0 is no limit."""
    task_timeout_s: int | None = Field(default=None, ge=0, le=30 * 24 * 3600)
    """Seconds from the start of a task's container to its end; none or 0 is no limit."""
    package_caches: bool = False
    """Builds keep the package managers' downloads in a volume of this environment."""
    refresh_after_days: int | None = Field(default=None, ge=1)

    @field_validator("color")
    @classmethod
    def _known_color(cls, value: str) -> str:
        if value in COLORS or re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            return value
        raise ValueError(f"is none of {', '.join(COLORS)} and no #rrggbb")

    @field_validator("name")
    @classmethod
    def _printable_name(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("must be one line of visible text")
        return value

    @property
    def secret_grants(self) -> tuple[SecretGrant, ...]:
        """The secrets with the stages that see them."""
        return grants_of(self.secrets, self.secret_uses)

    @property
    def single_script(self) -> bool:
        """True while everything is in one script: derived, never stored."""
        return not self.cached_preflight_script.strip()
