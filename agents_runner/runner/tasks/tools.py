"""What a task works with, whoever starts it: ports to the engine, to the application's files, and to other builds."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.core.secrets import SecretValues
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine
from agents_runner.images.layer_job import BuildOptions
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.runner.tasks.desktop import DesktopProxyPort


def new_token() -> str:
    """128 random bits: marks the launcher's own lines."""
    return secrets.token_hex(16)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a task works with, handed in by whoever starts it."""

    engine: Engine
    control: ControlFolders
    cancel: Cancellation
    workspaces: Path
    """Folder below which clones are made, one a task."""
    read_login: Callable[[str], bytes | None]
    """Reads a login file of the host, None if it is gone."""
    on_login_used: Callable[[str, str, bytes, bytes], None] = lambda _target, _path, _old, _new: None
    """Told a login file's path below the home folder and on the host, the bytes given and found at the end."""
    on_image_used: Callable[[str], None] = lambda _tag: None
    secrets: Mapping[str, str] = field(default_factory=SecretValues)
    """Values of the plan's secrets, by name."""
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    asked_at: float = field(default_factory=time.time)
    """When the person asked for the task, in seconds since the epoch."""
    open_proxy: Callable[[], DesktopProxyPort] | None = None
    """Opens the way to the task's desktop; raises StoreError. None where nobody is to look at it."""
    keep_picture: Callable[[bytes], None] = lambda _png: None
    """Told the last picture of the desktop; raises StoreError."""


def build_options(config: DockerRunnerConfig, secrets: Mapping[str, str]) -> BuildOptions:
    return BuildOptions(
        uid=config.uid,
        gid=config.gid,
        env_vars=config.env_vars,
        timeout_s=config.build_timeout_s,
        token="",
        resources=config.resources,
        environment_id=config.environment_id,
        package_cache=config.package_caches,
        secrets=secrets,
        grants=config.secrets,
    )
