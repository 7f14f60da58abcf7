"""What tells the time, by name: so that a test can tell another."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time in seconds; of which kind says who asks for it."""

    def __call__(self) -> float: ...
