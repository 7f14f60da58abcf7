"""What a task works with, whoever starts it: ports to the engine, to the application's files, and to other builds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.core.secrets import SecretValues
from agents_runner.core.task_plan import DockerRunnerConfig
from agents_runner.engine.port import Engine
from agents_runner.images.context import BuildContext
from agents_runner.images.layer_job import BuildOptions
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator
from agents_runner.runner.ports import ImageUsePort, LoginPort
from agents_runner.runner.tasks.desktop import DesktopsPort


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a task works with, handed in by whoever starts it."""

    engine: Engine
    control: ControlFolders
    cancel: Cancellation
    workspaces: Path
    """Folder below which clones are made, one a task."""
    logins: LoginPort
    uses: ImageUsePort
    desktops: DesktopsPort | None = None
    """None where nobody is to look at the task's desktop."""
    secrets: Mapping[str, str] = field(default_factory=SecretValues)
    """Values of the plan's secrets, by name."""
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    asked_at: float = field(default_factory=time.time)
    """When the person asked for the task, in seconds since the epoch."""

    def build_context(self, config: DockerRunnerConfig) -> BuildContext:
        """What the layers of this plan are built with."""
        return BuildContext(
            engine=self.engine,
            control=self.control,
            cancel=self.cancel,
            options=build_options(config, self.secrets),
            coordinator=self.coordinator,
            instance=config.instance,
            asked_at=self.asked_at,
        )


def build_options(config: DockerRunnerConfig, secrets: Mapping[str, str]) -> BuildOptions:
    """What holds for every layer of this plan."""
    return BuildOptions(
        uid=config.uid,
        gid=config.gid,
        env_vars=config.env_vars,
        timeout_s=config.build_timeout_s,
        max_bytes=config.max_layer_bytes,
        resources=config.resources,
        environment_id=config.environment_id,
        package_cache=config.package_caches,
        secrets=secrets,
        grants=config.secrets,
    )
