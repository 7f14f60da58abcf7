"""What is done after a lost answer: nothing twice, nothing of somebody else's, and no waiting for nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from agents_runner.core.container import CONTAINER_NONCE, ContainerState
from agents_runner.core.errors import (
    AnswerLost,
    ContainerMissing,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    NameInUse,
    NoAddresses,
)
from agents_runner.engine import retry

NOW = (0.0,) * 5
LOST = AnswerLost("lost")
AWAY = EngineUnreachable("away")


def says(*answers: object) -> Callable[[], object]:
    """A call that gives these one after the other; errors are raised."""
    left = iter(answers)

    def call() -> object:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


def container(status: str = "created", nonce: str = "mine", error: str = "") -> ContainerState:
    labels = {CONTAINER_NONCE: nonce}
    return ContainerState(
        id="id", name="box", status=status, running=False, exit_code=None, labels=labels, error=error
    )


@pytest.mark.parametrize(
    ("creates", "looks"),
    [
        (["id"], []),
        ([LOST], [container()]),
        ([EngineTimeout("slow")], [container()]),
        ([LOST, "id"], [None]),
        ([LOST, LOST], [None, container()]),
        ([LOST], [AWAY, LOST, container()]),
        ([LOST, NameInUse("the engine is at it"), "id"], [None, None]),
        ([LOST, NameInUse("the engine is at it")], [None, container()]),
    ],
)
def test_f6_one_container_comes_of_it(creates: Iterable[object], looks: Iterable[object]) -> None:
    made = retry.create_once(says(*creates), says(*looks), "mine", NOW)  # type: ignore[arg-type]
    assert made == "id"


def test_f6_somebody_elses_container_is_not_taken_over() -> None:
    with pytest.raises(NameInUse):
        retry.create_once(says(LOST), says(container(nonce="theirs")), "mine", NOW)  # type: ignore[arg-type]
    with pytest.raises(NameInUse):
        retry.create_once(says(NameInUse("taken")), says(), "mine", NOW)  # type: ignore[arg-type]


def test_f6_an_engine_that_stays_away_is_said() -> None:
    with pytest.raises(EngineUnreachable, match="away"):
        retry.create_once(says(LOST), says(*[AWAY] * 5), "mine", NOW)  # type: ignore[arg-type]
    with pytest.raises(EngineUnreachable, match="away"):
        retry.create_once(says(AWAY), says(), "mine", NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("starts", "looks"),
    [
        ([None], []),
        ([LOST], [container("running")]),
        ([LOST], [container("exited")]),
        ([LOST], [container(), container(), container("exited")]),
        ([LOST, None], [container(), container(), container()]),
        ([LOST, None], [container(error="port is taken")]),
        ([LOST], [AWAY, container("running")]),
    ],
)
def test_f6_it_is_started_once(starts: Iterable[object], looks: Iterable[object]) -> None:
    start, look = says(*starts, "once too often"), says(*looks)
    retry.start_once(start, look, NOW)  # type: ignore[arg-type]
    assert start() == "once too often"


def test_f6_a_container_that_is_gone_after_its_start_is_said() -> None:
    with pytest.raises(ContainerMissing):
        retry.start_once(says(LOST), says(None), NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("commits", "looks", "made", "removed"),
    [
        (["new"], [], "new", []),
        ([LOST], [["found"]], "found", []),
        ([LOST], [[], AWAY, ["found"]], "found", []),
        ([LOST, "second"], [*[[]] * 5, ["first", "second"]], "second", ["first"]),
    ],
)
def test_f6_one_image_comes_of_it(commits: list[object], looks: list[object], made: str, removed: list[str]) -> None:
    gone: list[str] = []
    assert retry.commit_once(says(*commits), says(*looks), gone.append, NOW) == made  # type: ignore[arg-type]
    assert gone == removed


def test_f6_what_can_be_done_twice_is_asked_again() -> None:
    assert retry.repeated(says(LOST, LOST, "done"), NOW) == "done"
    assert retry.repeated(says(LOST, AWAY, "done"), NOW) == "done"
    with pytest.raises(EngineUnreachable, match="away"):
        retry.repeated(says(AWAY, "done"), NOW)


TAKEN = EngineRefused("another one is making it")


@pytest.mark.parametrize(
    ("makes", "looks"),
    [
        ([], [True]),
        ([None], [False]),
        ([LOST], [False, True]),
        ([LOST, None], [False, False]),
        ([EngineTimeout("slow"), TAKEN], [False, False, True]),
        ([TAKEN], [False, True]),
        ([TAKEN, TAKEN], [False, False, True]),
        ([LOST, AWAY, None], [False, AWAY, AWAY]),
        ([NoAddresses("none left")], [False, True]),
    ],
)
def test_f6_one_network_comes_of_it(makes: Iterable[object], looks: Iterable[object]) -> None:
    retry.network_once(says(*makes), says(*looks), NOW)  # type: ignore[arg-type]


def test_a_network_that_cannot_be_had_is_not_asked_for_without_end() -> None:
    with pytest.raises(NoAddresses):
        retry.network_once(says(NoAddresses("none left")), says(False, False), NOW)
    with pytest.raises(EngineRefused):
        retry.network_once(says(*[TAKEN] * 4), says(*[False] * 5), NOW)
    with pytest.raises(EngineUnreachable):
        retry.network_once(says(*[AWAY] * 6), says(False, *[AWAY] * 6), NOW)
