"""Lost answers: the engine may have done what was asked, so it is looked up before it is asked once more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from agents_runner.core.errors import EngineTimeout, EngineUnreachable

T = TypeVar("T")
LOST = (EngineUnreachable, EngineTimeout)
PAUSES = (0.1, 0.3, 1.0)
"""Seconds before each look, and asking again; an engine that stays away is told after less than two seconds."""
QUESTION_PAUSES = (0.1, 0.3)
"""The same for questions."""
LONG_PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
"""The same for what takes the engine long: it goes on with it, whoever has left."""


def surely(
    act: Callable[[], T],
    look: Callable[[], T | None],
    *,
    pauses: Sequence[float] = PAUSES,
    patient: bool = False,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """What `act` gives. When its answer is lost, what `look` finds of its result; if nothing, `act` again.

    `patient`: only look, and act again not before the last pause: what is still being done would be done twice.
    Raises what `act` raises, its last error if the engine stays away.
    """
    try:
        return act()
    except LOST as error:
        last: Exception = error
    for number, pause in enumerate(pauses, start=1):
        sleep(pause)
        try:
            found = look()
            if found is not None:
                return found
            if not patient or number == len(pauses):
                return act()
        except LOST as error:
            last = error
    raise last
