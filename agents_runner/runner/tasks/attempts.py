"""What is tried next where a task's container could not be made: slower or elsewhere, but the task is not lost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agents_runner.core.container import ImageInfo
from agents_runner.core.errors import ImageMissing, PortInUse
from agents_runner.core.events import Notice
from agents_runner.core.ports import Port
from agents_runner.images.ensure import Ensured


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """From which image, and on which ports."""

    ensured: Ensured
    ports: tuple[Port, ...]


def next_attempt(failed: Attempt, error: ImageMissing | PortInUse, base: ImageInfo, base_ref: str) -> Attempt | None:
    """The next one after `failed` ended by this error; None where there is nothing else to try."""
    if isinstance(error, ImageMissing):
        # The cached image vanished between the look and the start: slower, not wrong.
        if not failed.ensured.baked:
            return None
        return replace(failed, ensured=Ensured(image=base_ref, image_id=base.id, error=error))
    if all(port.host == 0 for port in failed.ports):
        return None
    return replace(failed, ports=tuple(replace(port, host=0) for port in failed.ports))


def said(error: ImageMissing | PortInUse) -> Notice:
    """What the person is told of it."""
    if isinstance(error, ImageMissing):
        return Notice(message="The cached image was just removed; its cached preflight runs at task start instead.")
    return Notice(message=f"{error.message} The engine chooses free ones for this task.")
