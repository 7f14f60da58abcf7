"""Whatever a task or a build says is masked, however it ends."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from agents_runner.core.errors import AgentsRunnerError, BuildFailed, StoreError
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseStarted,
    Progress,
    TaskResult,
    TaskState,
)
from agents_runner.runner.tasks.redacting import redacted, withheld

SECRET = "canary-0123456789"
RESULT = TaskResult(
    task="t",
    state=TaskState.FAILED,
    exit_code=1,
    image="i",
    error=f"It said {SECRET}.",
    hint=f"Look at {SECRET}.",
    tail=("before", SECRET[:9], SECRET[9:] + "!"),
)
EVENTS: tuple[Event, ...] = (
    PhaseStarted(phase=Phase.PULL),
    Progress(phase=Phase.PULL, text=f"pulling {SECRET}"),
    LogLine(stream="stdout", line=f"a {SECRET}"),
    LogLine(stream="stderr", line=SECRET[:8]),
    LogLine(stream="stdout", line="between"),
    LogLine(stream="stderr", line=SECRET[8:] + " b"),
    Notice(message=f"m {SECRET}", hint=f"h {SECRET}"),
    AgentMessage(kind="message", text=f"I know {SECRET}"),
    RESULT,
)


def test_s2_no_event_holds_a_secret() -> None:
    def events() -> Generator[Event, None, str]:
        yield from EVENTS
        return "value"

    shown: list[Event] = []

    def collect() -> Generator[Event, None, None]:
        assert (yield from redacted(events(), [SECRET])) == "value"

    shown.extend(collect())
    assert SECRET not in repr(shown)
    assert [type(event) for event in shown] == [type(event) for event in EVENTS]
    lines = [event.line for event in shown if isinstance(event, LogLine)]
    assert lines == ["a ***", "***", "between", "*** b"]
    last = shown[-1]
    assert isinstance(last, TaskResult)
    assert last.tail == ("before", "***", "***!")


def test_s2_without_secrets_nothing_is_touched() -> None:
    def events() -> Generator[Event, None, None]:
        yield from EVENTS

    assert tuple(redacted(events(), ["short"])) == EVENTS


def test_s2_an_error_at_the_end_is_masked_too() -> None:
    def events() -> Generator[Event, None, None]:
        yield EVENTS[0]
        raise BuildFailed(f"It said {SECRET}.", f"See {SECRET}.", tail=(SECRET,))

    with pytest.raises(BuildFailed) as raised:
        list(redacted(events(), [SECRET]))
    error = raised.value
    assert SECRET not in f"{error} {error.args} {error.message} {error.hint} {error.tail}"


def test_s1_closing_it_closes_what_is_inside() -> None:
    closed: list[bool] = []

    def events() -> Generator[Event, None, None]:
        try:
            yield from EVENTS
        finally:
            closed.append(True)

    outer = redacted(events(), [SECRET])
    next(outer)
    outer.close()
    assert closed == [True]


def test_s2_lines_are_withheld_where_the_secrets_are_not_known() -> None:
    reason: AgentsRunnerError = StoreError("The keyring is locked.", "Unlock it.")
    shown = list(withheld(iter((*EVENTS[2:6], RESULT)), reason))
    assert isinstance(shown[0], Notice)
    assert "The keyring is locked." in shown[0].message
    assert [event.line for event in shown if isinstance(event, LogLine)] == ["***"] * 4
    assert isinstance(shown[-1], TaskResult)
    assert shown[-1].tail == ()
