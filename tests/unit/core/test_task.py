"""What events mean for a task: each state once, nothing told twice changes anything, the end is the end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.events import (
    AgentMessage,
    Event,
    LayerDone,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StateChanged,
    TaskResult,
    TaskState,
    may_move,
)
from agents_runner.core.task import PhaseRecord, Task, applied

TASK = Task(
    id="t", environment_id="e", environment_name="E", agent="codex", prompt="p", state=TaskState.QUEUED, created=1.0
)
FINAL = [state for state in TaskState if state.final]


def a_result(state: TaskState, code: int) -> TaskResult:
    return TaskResult(task="t", state=state, exit_code=code, image="i" * (code % 2), error=f"e{code}", hint="h")


PHASES = st.sampled_from(Phase)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(StateChanged, state=st.sampled_from(TaskState)),
    st.builds(PhaseStarted, phase=PHASES),
    st.builds(PhaseFinished, phase=PHASES, seconds=st.sampled_from([0.0, 0.5]), ok=st.booleans()),
    st.builds(Notice, message=st.sampled_from(["a", "b "]), hint=st.sampled_from(["", "h"])),
    st.builds(a_result, st.sampled_from(FINAL), st.integers(0, 3)),
    st.just(LogLine(stream="stdout", line="x")),
)
"""What a task may tell, in no order."""


def told(task: Task, events: list[Event], at: float = 10.0) -> Task:
    for number, event in enumerate(events):
        task = applied(task, event, at + number)
    return task


@given(st.lists(EVENTS, max_size=30))
def test_states_move_as_allowed_and_final_ones_are_never_left(events: list[Event]) -> None:
    task = TASK
    for at, event in enumerate(events, start=10):
        after = applied(task, event, float(at))
        assert after.state is task.state or may_move(task.state, after.state)
        assert (after.finished is not None) is after.state.final
        if task.state.final:
            assert (after.state, after.started, after.finished) == (task.state, task.started, task.finished)
        if task.exit_code is not None:
            assert after == replace(task, phases=after.phases, notices=after.notices), "one result, and no other"
        task = after


@given(st.lists(EVENTS, max_size=30))
def test_what_is_known_is_kept(events: list[Event]) -> None:
    task = TASK
    for event in events:
        after = applied(task, event, 10.0)
        assert len({one.phase for one in after.phases}) == len(after.phases), "one record a phase"
        assert [one.phase for one in after.phases][: len(task.phases)] == [one.phase for one in task.phases]
        assert after.notices[: len(task.notices)] == task.notices
        task = after


@given(st.lists(EVENTS, max_size=30), EVENTS)
def test_an_event_told_twice_is_told_once(events: list[Event], event: Event) -> None:
    once = applied(told(TASK, events), event, 10.0)
    again = applied(once, event, 99.0)
    assert again is once, "the same object: whoever keeps it need not write"


WHOLE: list[Event] = [
    StateChanged(state=TaskState.PREPARING),
    PhaseStarted(phase=Phase.PULL),
    PhaseFinished(phase=Phase.PULL, seconds=1.0),
    StateChanged(state=TaskState.STARTING),
    PhaseStarted(phase=Phase.START),
    PhaseFinished(phase=Phase.START, seconds=0.5, ok=False),
    Notice(message="Once more."),
    PhaseStarted(phase=Phase.START),
    PhaseFinished(phase=Phase.START, seconds=0.7),
    StateChanged(state=TaskState.RUNNING),
    PhaseStarted(phase=Phase.AGENT),
    PhaseFinished(phase=Phase.AGENT, seconds=3.0),
    StateChanged(state=TaskState.SUCCEEDED),
    a_result(TaskState.SUCCEEDED, 0),
]


PLACES = tuple(itertools.combinations_with_replacement(range(len(WHOLE) + 1), 2))


@pytest.mark.parametrize(("since", "seen"), PLACES)
def test_a_record_that_holds_some_of_the_events_already_ends_the_same(since: int, seen: int) -> None:
    """A page reads a record that was written up to one event, and is told all events from an earlier one on."""
    whole = told(TASK, WHOLE)
    joined = told(told(TASK, WHOLE[:seen]), WHOLE[since:], at=10.0 + since)
    assert joined == replace(whole, started=joined.started, finished=joined.finished)
    assert joined.started == whole.started


def test_a_phase_that_failed_begins_anew_and_one_that_succeeded_does_not() -> None:
    task = told(TASK, WHOLE[:6])
    assert task.phases[-1] == PhaseRecord(phase=Phase.START, seconds=0.5, ok=False)
    again = applied(task, PhaseStarted(phase=Phase.START), 1.0)
    assert again.phases[-1] == PhaseRecord(phase=Phase.START)
    done = told(task, WHOLE[7:9])
    assert done.phases[-1] == PhaseRecord(phase=Phase.START, seconds=0.7, ok=True)
    assert applied(done, PhaseStarted(phase=Phase.START), 1.0) is done


def test_the_result_completes_the_final_state_that_came_before_it() -> None:
    running = told(TASK, WHOLE[:10])
    told_first = applied(running, StateChanged(state=TaskState.FAILED), 20.0)
    assert (told_first.state, told_first.finished, told_first.exit_code) == (TaskState.FAILED, 20.0, None)
    ended = applied(told_first, a_result(TaskState.FAILED, 3), 21.0)
    assert (ended.finished, ended.exit_code, ended.error, ended.image) == (20.0, 3, "e3", "i")
    assert applied(told_first, a_result(TaskState.CANCELLED, 130), 21.0) is told_first
    no_image = applied(replace(running, image="before"), a_result(TaskState.FAILED, 2), 21.0)
    assert no_image.image == "before", "a result without an image does not take away the one that is known"


def test_a_task_cannot_succeed_before_it_started() -> None:
    assert applied(TASK, a_result(TaskState.SUCCEEDED, 0), 1.0) is TASK
    assert applied(TASK, a_result(TaskState.CANCELLED, 130), 1.0).state is TaskState.CANCELLED


def test_the_other_events_change_nothing() -> None:
    for event in (
        LogLine(stream="stdout", line="x"),
        Progress(phase=Phase.PULL, text="x"),
        AgentMessage(kind="message", text="x"),
        LayerDone(kind="env", step="", tag="t", result="hit", seconds=0.0),
    ):
        assert applied(TASK, event, 1.0) is TASK
    changing = {StateChanged, PhaseStarted, PhaseFinished, Notice, TaskResult}
    assert len(get_args(Event)) == len(changing) + 4, "a new event belongs to one of the two"
