"""How whoever follows a container learns that it is to end, or that it is to be left alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from agents_runner.core.errors import Cancelled


class Cancellation(Protocol):
    """Asked again and again by whoever does something that takes long; cheap enough for ten times a second."""

    def check(self) -> None:
        """Look whether to go on: raises Cancelled where somebody asked to stop.

        Raises Detached where whoever follows the container is to let go of it and leave it as it is.
        """
        ...


class NeverCancelled:
    """A `Cancellation` of work that nobody can stop but by ending the process."""

    def check(self) -> None:
        return


@dataclass(frozen=True, kw_only=True)
class AlreadyCancelled:
    """A `Cancellation` of what was asked to stop before it begins; whoever asked waits so many seconds more."""

    grace_s: float

    def check(self) -> None:
        """See `Cancellation`; always raises Cancelled."""
        raise Cancelled(grace_s=self.grace_s)


class LocalCancellation:
    """A `Cancellation` that this process alone knows of. Safe from every thread."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def cancel(self) -> None:
        """Ask to stop; it cannot be taken back."""
        self._asked.set()

    def check(self) -> None:
        """See `Cancellation`; never raises Detached."""
        if self._asked.is_set():
            raise Cancelled
