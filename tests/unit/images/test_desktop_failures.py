"""Why a desktop could not be installed, said to whoever builds its layer and to the task that goes on without it."""

from __future__ import annotations

import pytest

from agents_runner.desktop import families
from agents_runner.images.desktop import InstallFailure, explanation


@pytest.mark.parametrize("status", [families.UNKNOWN_BASE, families.NO_RIGHTS])
def test_what_the_person_can_do_is_said_to_both(status: int) -> None:
    failure = explanation(status)
    assert failure.advice
    assert failure.hint == failure.task_hint == f"The task runs without a screen; {failure.advice}."


def test_where_only_the_log_knows_each_is_sent_to_its_own() -> None:
    failure = explanation(100)
    assert "(exit code 100)" in failure.message
    assert failure.hint == "Its last lines say why."
    assert failure.task_hint == "The task runs without a screen; the log says more."


def test_the_words_of_a_message_decide_nothing() -> None:
    failure = InstallFailure(message="The desktop ended: cannot work without a screen.")
    assert failure.task_hint.endswith("the log says more.")
