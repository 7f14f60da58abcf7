"""What the building of an image's layers works with, the same for all layers of one task."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from agents_runner.containers.cancellation import Cancellation
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.engine.port import Engine
from agents_runner.images.layer_job import BuildOptions
from agents_runner.images.sharing import BuildCoordinator, SoloCoordinator


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """Handed through unchanged from whoever wants an image to whoever builds one layer of it."""

    engine: Engine
    control: ControlFolders
    cancel: Cancellation
    options: BuildOptions
    coordinator: BuildCoordinator = field(default_factory=SoloCoordinator)
    instance: str = ""
    """Whose builds these are: another installation's are followed, and never removed as our own."""
    asked_at: float = field(default_factory=time.time)
    """When the person asked for it, in seconds since the epoch: what has failed since is not tried once more."""
