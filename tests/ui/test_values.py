"""What needs no window: models by Qt's rules, the form's state, the log's text, a task's story, the colours."""

from __future__ import annotations

import time
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QSortFilterProxyModel
from pytestqt.modeltest import ModelTester

from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskResult,
    TaskState,
)
from agents_runner.core.task import PhaseRecord, Task, applied
from agents_runner.store.logfile import LogPart, LogWriter, read_log_from
from agents_runner.ui.form_state import FormState, from_environment, to_environment
from agents_runner.ui.live import Joint, LiveTasks
from agents_runner.ui.log_view import shown_paragraphs, shown_text
from agents_runner.ui.models import (
    EnvironmentList,
    ImageTable,
    TaskTable,
    ago,
    duration,
    environment_row,
    seconds_text,
)
from agents_runner.ui.task_story import later, phase_seconds, phase_word
from agents_runner.ui.tokens import DARK, LIGHT, TEXT_ON, Tokens
from agents_runner.ui.widgets import breakable, brief, tip
from tests.ui import fakes

TASK = Task(
    id="a" * 12,
    environment_id="e",
    environment_name="E",
    agent="codex",
    prompt="p",
    state=TaskState.QUEUED,
    created=1000.0,
)


# -- models --------------------------------------------------------------------------------------------------


def test_models_keep_qts_rules(qtmodeltester: ModelTester, qapp: object) -> None:
    environments = EnvironmentList()
    environments.set_rows([environment_row(Environment(id="a", name="A"), edited=True)])
    images = ImageTable()
    images.set_rows([fakes.image(1), fakes.image(2)])
    tasks = TaskTable()
    proxy = QSortFilterProxyModel()
    proxy.setSourceModel(tasks)
    for model in (environments, images, tasks, proxy):
        qtmodeltester.check(model)
    tasks.put(TASK)
    tasks.put(replace(TASK, id="b" * 12))
    for state in (TaskState.PREPARING, TaskState.STARTING, TaskState.RUNNING):
        tasks.take(TASK.id, StateChanged(state=state))
    tasks.tick(everything=True)
    qtmodeltester.check(proxy)
    assert [task.id[0] for task in tasks.rows] == ["b", "a"]
    assert tasks.rows[1].state is TaskState.RUNNING


def test_a_record_read_too_early_undoes_nothing() -> None:
    tasks = TaskTable()
    tasks.put(replace(TASK, state=TaskState.SUCCEEDED))
    tasks.put(replace(TASK, state=TaskState.RUNNING))
    assert tasks.rows[0].state is TaskState.SUCCEEDED


def test_a_state_is_told_by_a_word_not_by_colour_alone(qapp: object) -> None:
    tasks = TaskTable()
    seen = set()
    for state in TaskState:
        tasks.set_rows([replace(TASK, state=state)])
        text = tasks.index(0, 0).data()
        assert text.endswith(state.value)
        seen.add(text[0])
    assert len(seen) == len(TaskState)


def test_times_in_few_words() -> None:
    now = time.time()
    assert [ago(now - seconds) for seconds in (1, 61, 7300, 200000)] == [
        "just now",
        "1 min ago",
        "2 h ago",
        "2 d ago",
    ]
    assert ago(None) == ""
    assert ago(now + 60) == "just now"
    assert [seconds_text(s) for s in (0.04, 59.9, 61, 3700)] == ["0.0 s", "59.9 s", "1 min 01 s", "1 h 01 min"]
    assert duration(TASK) == ""
    assert duration(replace(TASK, started=1.0, finished=3.5)) == "2.5 s"


def test_f17_a_clock_that_was_set_back_gives_no_negative_times() -> None:
    assert duration(replace(TASK, started=5000.0, finished=1400.0)) == "0.0 s"
    ahead = replace(TASK, state=TaskState.RUNNING, started=time.time() + 3600)
    assert duration(ahead) == seconds_text(0, whole=True)
    assert ago(time.time() + 3600) == "just now"


# -- the form ------------------------------------------------------------------------------------------------


def test_the_form_round_trips() -> None:
    before = Environment.model_validate(
        {
            "id": "a",
            "name": "A",
            "env_vars": {"X": "one\ntwo"},
            "mounts": ["/a:/b "],
            "resources": {"cpus": 0.5, "memory_mb": 512, "shm_mb": 64, "pids": 99},
            "workspace": {"type": "git", "url": "https://x/y", "branch": "b"},
            "cached_preflight_script": "a\r\n\u00a0b",
            "unknown": [1],
        }
    )
    assert to_environment(from_environment(before), before, new_id="x") == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "two\x00"}, "name"),
        ({"env_vars": "nonsense"}, "env_vars"),
        ({"resources.cpus": "-1"}, "resources.cpus"),
        ({"resources.memory_mb": "1.5"}, "resources.memory_mb"),
        ({"build_timeout_s": "99999999"}, "build_timeout_s"),
    ],
)
def test_a_state_that_is_no_environment_names_its_field(change: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_environment(FormState.of(name="x").with_values(**change), None, new_id="x")
    assert caught.value.field == field


# -- the log's text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;38;5;208mmany\x1b[m", "many"),
        ("\x9b31mone byte", "one byte"),
        ("10%\r50%\r100%\r", "100%"),
        ("\x1b]52;c;aGVsbG8=\x07x", "x"),
        ("\x1b]0;title\x1b\\x", "x"),
        ("\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("<img src=x><b>", "<img src=x><b>"),
        ("a\x00b\x08c\u202ed", "abcd"),
        ("\ttab stays", "\ttab stays"),
        ("two\u2028lines\u2029\n", "twolines"),
        ("cut \x1b[", "cut "),
        ("\ud800 half", " half"),
        ("x" * 5000, "x" * 4000 + " ..."),
    ],
)
def test_a_line_is_shown_as_plain_text(line: str, shown: str) -> None:
    assert shown_text(line) == shown


@given(st.text(alphabet=st.characters(), max_size=200))
def test_nothing_of_a_line_can_steer_the_view(line: str) -> None:
    shown = shown_text(line)
    assert all(char == "\t" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    assert len(shown) <= len(line)


def test_a_message_keeps_its_lines() -> None:
    assert shown_paragraphs("one\r\n\x1b[1mtwo\x1b[0m\nthree") == "one\ntwo\nthree"


def test_tool_tips_and_sentences_show_text_as_it_is() -> None:
    assert "<img" not in tip("<img src=x>")
    assert tip("") == ""
    assert breakable("a" * 70).count("\u200b") == 2
    assert breakable("short words only") == "short words only"
    assert len(brief("y" * 1000)) < 300


# -- a task's story --------------------------------------------------------------------------------------------


def test_a_tasks_story() -> None:
    events: tuple[Event, ...] = (
        StateChanged(state=TaskState.PREPARING),
        PhaseStarted(phase=Phase.PULL),
        PhaseFinished(phase=Phase.PULL, seconds=1.0),
        PhaseStarted(phase=Phase.AGENT),
        Notice(message="Told.", hint="Do."),
        LogLine(stream="stdout", line="x"),
    )
    task = TASK
    for event in events:
        task = applied(task, event, 1010.0)
    assert task.started == 1010.0
    assert task.phases == (
        PhaseRecord(phase=Phase.PULL, seconds=1.0, ok=True),
        PhaseRecord(phase=Phase.AGENT),
    )
    assert task.notices == ("Told. Do.",)
    assert phase_seconds(task, task.phases[1], 1015.0) == 4.0
    assert phase_word(task, task.phases[1]) == "running"
    # What is known already changes nothing: a record may hold events that come live as well.
    again = task
    for event in events:
        again = applied(again, event, 1020.0)
    assert again == task
    result = TaskResult(task=task.id, state=TaskState.FAILED, exit_code=3, image="i", error="e", hint="h")
    ended = applied(task, result, 1030.0)
    assert (ended.state, ended.exit_code, ended.finished) == (TaskState.FAILED, 3, 1030.0)
    assert phase_word(ended, ended.phases[1]) == "stopped"
    assert phase_seconds(ended, ended.phases[1], 1040.0) is None
    assert later(ended, task) is ended
    assert later(task, ended) is ended


@pytest.mark.parametrize("counted", [0, 3, 7])
@pytest.mark.parametrize("ahead", [0, 1, 5])
@pytest.mark.parametrize("bite", [1, 2, 100])
def test_the_file_and_the_events_are_joined_exactly(counted: int, ahead: int, bite: int) -> None:
    story: list[Event] = []
    for number in range(20):
        line = LogLine(stream="stdout", line=str(number), position=number + 1)
        story += [line, AgentMessage(kind="message", text=str(number))]
    live = LiveTasks()
    live.begin("t")
    live.take([("t", event) for event in story[: counted * 2]])
    assert live.position("t") == counted
    joint = Joint(shown=counted + ahead)
    rest = story[counted * 2 :]
    fresh = [one for at in range(0, len(rest), bite) for one in joint.fresh(rest[at : at + bite])]
    assert fresh == story[(counted + ahead) * 2 :]


def test_only_tasks_followed_from_their_beginning_are_counted() -> None:
    live = LiveTasks()
    line = LogLine(stream="stdout", line="x", position=1)
    live.take([("old", line), ("new", StateChanged(state=TaskState.PREPARING))])
    live.take([("new", line), ("new", Notice(message="n", position=2))])
    assert live.position("old") is None
    assert live.position("new") == 2
    live.take([("new", LogLine(stream="stdout", line="the disk is full"))])
    assert live.position("new") == 2, "what the file has no room for is not waited for"
    live.take([("new", TaskResult(task="new", state=TaskState.FAILED, exit_code=1, image=""))])
    assert live.running() == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_log_opened_at_any_moment_shows_each_line_once(tmp_path: Path, data: st.DataObject) -> None:
    """With a real file, which is behind the events or, where they still wait for the window, ahead of them."""
    path = tmp_path / "log"
    path.write_bytes(data.draw(st.sampled_from([b"", b"o from before\n"])))
    texts = data.draw(st.lists(st.sampled_from(["same", "same", "\u00e9 two\nlines", ""]), max_size=12))
    written = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    opened = data.draw(st.integers(0, len(texts)))
    heard = data.draw(st.integers(0, opened))
    live = LiveTasks()
    live.begin("t")
    told: list[Event] = []
    shown, joint = LogPart((), 0), Joint(shown=0)
    with LogWriter(path) as writer:
        for number in range(len(texts) + 1):
            if number == opened:
                live.take([("t", event) for event in told[:heard]])
                if read_log_from(path).position < (live.position("t") or 0):
                    writer.flush()  # what the page waits for
                shown = read_log_from(path)
                joint = Joint(shown=shown.position)
            if number < len(texts):
                position = writer.write("stdout", texts[number])
                told.append(LogLine(stream="stdout", line=texts[number], position=position))
                if written[number]:
                    writer.flush()
    rest = [event for event in joint.fresh(told[heard:]) if isinstance(event, LogLine)]
    joined = [*shown.lines, *((event.stream, event.line.replace("\n", "\\n")) for event in rest)]
    assert tuple(joined) == read_log_from(path).lines


def test_a_log_that_was_removed_in_the_middle_goes_on_with_its_new_lines() -> None:
    def line(position: int | None) -> LogLine:
        return LogLine(stream="stdout", line=f"at {position}", position=position)

    joint = Joint(shown=100)
    assert joint.fresh([line(90), line(100), line(110), line(None)]) == [line(110), line(None)]
    assert joint.fresh([line(10), line(20)]) == [line(10), line(20)]


# -- colours -----------------------------------------------------------------------------------------------------


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    """By WCAG 2: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio"""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read(tokens: Tokens) -> None:
    low = {
        pair: round(_contrast(getattr(tokens, pair[0]), getattr(tokens, pair[1])), 2)
        for pair in TEXT_ON
        if _contrast(getattr(tokens, pair[0]), getattr(tokens, pair[1])) < 4.5
    }
    assert low == {}
    for ring in ("window", "panel", "field"):
        assert _contrast(tokens.accent, getattr(tokens, ring)) >= 3, f"the focus ring on {ring}"
