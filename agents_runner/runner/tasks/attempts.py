"""What is tried next where a task's container could not be made: slower or elsewhere, but the task is not lost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agents_runner.core.container import ImageInfo
from agents_runner.core.errors import ImageMissing, NetworkMissing, PortInUse
from agents_runner.core.events import Notice
from agents_runner.core.ports import Port
from agents_runner.images.ensure import Ensured

Lost = ImageMissing | NetworkMissing | PortInUse
"""What a container's making found gone or taken that was there a moment ago."""
MAX_LOST_NETWORKS = 3


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a task's container: from which image, and on which ports."""

    ensured: Ensured
    ports: tuple[Port, ...]
    lost_networks: int = 0
    """How often the network went between the look at it and the start."""

    @property
    def shares_network(self) -> bool:
        """True once the network went too often: the engine's own is always there."""
        return self.lost_networks >= MAX_LOST_NETWORKS


def next_attempt(failed: Attempt, error: Lost, base: ImageInfo, base_ref: str) -> Attempt | None:
    """The next one after `failed` ended by this error; None where there is nothing else to try."""
    if isinstance(error, NetworkMissing):
        # A clean-up removed it, as nothing was on it yet; each attempt looks for it anew.
        return None if failed.shares_network else replace(failed, lost_networks=failed.lost_networks + 1)
    if isinstance(error, ImageMissing):
        # The cached image vanished between the look and the start: slower, not wrong.
        if not failed.ensured.baked:
            return None
        return replace(failed, ensured=Ensured(image=base_ref, image_id=base.id, error=error))
    if all(port.host == 0 for port in failed.ports):
        return None
    return replace(failed, ports=tuple(replace(port, host=0) for port in failed.ports))


def said(error: Lost) -> Notice | None:
    """What the person is told of it; None where it makes no difference."""
    if isinstance(error, NetworkMissing):
        return None
    if isinstance(error, ImageMissing):
        return Notice(message="The cached image was just removed; its cached preflight runs at task start instead.")
    return Notice(message=f"{error.message} The engine chooses free ones for this task.")
