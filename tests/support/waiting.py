"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_STEP_S = 0.05


def until(look: Callable[[], T], *, timeout: float = 60.0, what: str = "") -> T:
    """What `look` gives, as soon as it is truthy. Fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what or 'the condition'} did not come within {timeout:g} s")
        time.sleep(_STEP_S)
