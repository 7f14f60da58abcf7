"""Lost answers: a call whose answer never came is asked again, or what it did is found by its mark."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from agents_runner.core.container import CONTAINER_NONCE, ContainerState
from agents_runner.core.errors import (
    AnswerLost,
    ContainerMissing,
    EngineError,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    NameInUse,
    NoAddresses,
)

T = TypeVar("T")
QUICK = (0.1, 0.3, 0.6)
"""Seconds between the tries of what can simply be asked again."""
PATIENT = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0, 3.0, 4.0)
"""Seconds between the looks for what a call may have done."""
LONG = (*PATIENT, 5.0, 5.0, 8.0)
"""The same for a commit, which writes a whole layer."""
_LOST = (AnswerLost, EngineTimeout)


def new_nonce() -> str:
    """Marks what one single call made, so that its maker knows it again."""
    return secrets.token_hex(8)


def repeated(act: Callable[[], T], pauses: tuple[float, ...] = QUICK) -> T:
    """Do what may be done twice, and again where the answer was lost. An engine that is not there is said at once.

    Only what changes something is worth waiting for an engine that went away with the answer.
    """
    lost = False
    for pause in pauses:
        try:
            return act()
        except AnswerLost:
            lost = True
        except EngineUnreachable:
            if not lost or pauses is QUICK:
                raise
        time.sleep(pause)
    return act()


def create_once(
    create: Callable[[], str],
    look: Callable[[], ContainerState | None],
    nonce: str,
    pauses: tuple[float, ...] = PATIENT,
) -> str:
    """The id of the one container that `create` made, whichever answer was lost. Raises NameInUse."""
    try:
        return create()
    except _LOST as error:
        lost: Exception = error
    for pause in pauses:
        try:
            state = look()
            if state is None:
                return create()
        except (EngineUnreachable, EngineTimeout, NameInUse) as error:
            lost = error  # a name in use: the engine is still at the first one
        else:
            if state.labels.get(CONTAINER_NONCE) == nonce:
                return state.id
            raise NameInUse(f"The container name {state.name} is taken (create a container).")
        time.sleep(pause)
    raise lost


def start_once(
    start: Callable[[], object], look: Callable[[], ContainerState | None], pauses: tuple[float, ...] = PATIENT
) -> None:
    """Start it exactly once: after a lost answer only a container that never ran is started again."""
    try:
        start()
    except _LOST as error:
        lost: Exception = error
    else:
        return
    for number, pause in enumerate(pauses):
        try:
            state = look()
            if state is None:
                raise ContainerMissing("The container is gone (start a container).", "It was removed from outside.")
            if state.status != "created":
                return
            # Twice seen as created, or with a reason: the engine is not at it any more.
            if number >= 2 or state.error:
                start()
                return
        except (EngineUnreachable, EngineTimeout) as error:
            lost = error
        time.sleep(pause)
    raise lost


def network_once(
    make: Callable[[], object], is_there: Callable[[], bool], pauses: tuple[float, ...] = PATIENT
) -> None:
    """Have the network that `is_there` knows, whichever answer was lost and whoever makes it at the same time.

    Raises EngineRefused (NoAddresses at once: waiting brings none back), or the loss where the engine stays away.
    """
    if is_there():
        return
    refusals, lost = 0, EngineError("The network was not made.")
    for pause in (*pauses, 0.0):
        try:
            make()
        except (*_LOST, EngineUnreachable) as error:
            lost = error
        except EngineRefused as error:
            # One is being made, by another process or by a call whose answer was lost: it shows in a moment.
            lost, refusals = error, refusals + 1
        else:
            return
        try:
            if is_there():
                return
        except (*_LOST, EngineUnreachable) as error:
            lost = error
        if isinstance(lost, NoAddresses) or refusals > len(QUICK):
            break
        time.sleep(pause)
    raise lost


def commit_once(
    commit: Callable[[], str],
    look: Callable[[], list[str]],
    discard: Callable[[str], object],
    pauses: tuple[float, ...] = LONG,
) -> str:
    """The id of the image that `commit` made; `look` gives the ids of all that carry its mark."""
    try:
        return commit()
    except _LOST as error:
        lost: Exception = error
    for found in _looks(look, pauses):
        if found:
            return found[0]
    try:
        made = repeated(commit, ())
    except EngineUnreachable as error:
        raise lost from error
    for other in look():
        if other != made:
            discard(other)
    return made


def _looks(look: Callable[[], list[str]], pauses: tuple[float, ...]) -> Iterator[list[str]]:
    for pause in pauses:
        try:
            yield look()
        except (EngineUnreachable, EngineTimeout):
            yield []
        time.sleep(pause)
