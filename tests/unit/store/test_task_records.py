"""Tasks in the database: each transition once, one task's write never another's, nothing lost by a crash."""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.events import (
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseStarted,
    Progress,
    StateChanged,
    TaskResult,
    TaskState,
    may_move,
)
from agents_runner.core.task import Task, TaskKind, applied
from agents_runner.store.database import Database
from agents_runner.store.files import TEMP_PREFIX
from agents_runner.store.paths import Paths
from agents_runner.store.tasks import TaskStore
from tests.unit.core.test_task import EVENTS

COUNTER = itertools.count()


def task(task_id: str = "abc", **changes: Any) -> Task:
    return replace(
        Task(
            id=task_id,
            environment_id="x",
            environment_name="X",
            agent="shell",
            prompt="p",
            state=TaskState.QUEUED,
            created=1.0,
        ),
        **changes,
    )


def create(records: TaskStore, one: Task) -> None:
    records.create(one, prompt="prompt", config_json="{}")


def test_every_field_round_trips(records: TaskStore) -> None:
    one = task(
        state=TaskState.RUNNING,
        started=2.5,
        finished=3.5,
        exit_code=-9,
        image="a:b",
        error="e\0é",
        hint="h",
        owner_pid=7,
        stop_requested=True,
        kind=TaskKind.FRESH_TEST,
    )
    create(records, one)
    assert records.get("abc") == one
    assert records.list() == (one,)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TaskState), max_size=8))
def test_states_move_as_the_state_machine_allows_and_not_otherwise(
    records: TaskStore, states: list[TaskState]
) -> None:
    name = f"t{next(COUNTER)}"
    create(records, task(name))
    now, before = TaskState.QUEUED, records.get(name)
    for at, state in enumerate(states, start=10):
        allowed = may_move(now, state)
        assert records.apply(name, StateChanged(state=state), float(at)) is allowed
        after = records.get(name)
        if not allowed:
            assert after == before, "a refused move writes nothing"
        else:
            assert after.state is state
            assert (after.finished is not None) is state.final
        now, before = after.state, after


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, max_size=20))
def test_the_database_holds_what_the_events_mean(records: TaskStore, events: list[Event]) -> None:
    """Whoever only hears the events, as the window does, knows the same of a task as whoever reads its record."""
    name = f"t{next(COUNTER)}"
    create(records, task(name))
    heard = task(name)
    for at, event in enumerate(events, start=10):
        before, heard = heard, applied(heard, event, float(at))
        assert records.apply(name, event, float(at)) is (heard is not before)
        assert records.get(name) == heard


def test_a_task_with_much_to_tell_is_not_slower_at_its_end(records: TaskStore) -> None:
    create(records, task())
    for number in range(2000):
        records.apply("abc", Notice(message=f"notice {number}"), 1.0)
    for event in (LogLine(stream="stdout", line="x"), Progress(phase=Phase.PULL, text="x")):
        assert not records.apply("abc", event, 1.0)
    statements: list[str] = []
    with records.database.reading() as connection:
        connection.set_trace_callback(statements.append)
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    with records.database.reading() as connection:
        connection.set_progress_handler(step, 1)
    assert records.apply("abc", PhaseStarted(phase=Phase.AGENT), 2.0)
    assert records.apply("abc", StateChanged(state=TaskState.PREPARING), 3.0)
    assert records.apply("abc", TaskResult(task="abc", state=TaskState.FAILED, exit_code=1, image=""), 4.0)
    assert not [one for one in statements if "notices" in one], "what the event does not touch is not read"
    assert steps[0] < 2000
    assert len(records.get("abc").notices) == 2000


def test_the_end_is_written_once_and_whole(records: TaskStore) -> None:
    create(records, task())
    first = TaskResult(
        task="abc", state=TaskState.CANCELLED, exit_code=130, image="started:from", error="Stopped.", hint="h"
    )
    assert records.apply("abc", first, 5.0)
    assert not records.apply("abc", replace(first, state=TaskState.FAILED, error="late"), 6.0)
    found = records.get("abc")
    assert (found.state, found.finished, found.exit_code) == (TaskState.CANCELLED, 5.0, 130)
    assert (found.image, found.error, found.hint) == ("started:from", "Stopped.", "h")


def test_moves_of_a_task_that_is_not_there(records: TaskStore) -> None:
    assert not records.apply("nope", StateChanged(state=TaskState.PREPARING), 1.0)
    assert not records.stop_requested("nope")
    records.request_stop("nope")


def test_of_two_that_end_a_task_at_once_one_does(home: Paths, records: TaskStore) -> None:
    create(records, task())
    other = TaskStore(paths=home, database=Database(home))
    ready, done = threading.Barrier(2), []

    def end(store: TaskStore, state: TaskState) -> None:
        ready.wait()
        done.append(store.apply("abc", TaskResult(task="abc", state=state, exit_code=0, image=""), 1.0))

    threads = [
        threading.Thread(target=end, args=(store, state))
        for store, state in ((records, TaskState.FAILED), (other, TaskState.CANCELLED))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.database.close()
    assert sorted(done) == [False, True]


def test_texts_with_half_characters_are_recorded(records: TaskStore) -> None:
    create(records, task(prompt="a\udcff", environment_name="\ud800"))
    record = records.record("abc")
    record.apply(Notice(message="file \udcff is odd"), 2.0)
    record.line("stdout", "\udcff")
    record.apply(TaskResult(task="abc", state=TaskState.FAILED, exit_code=1, image="", error="\udcff"), 2.0)
    record.close()
    found = records.get("abc")
    assert (found.prompt, found.error) == ("a\\udcff", "\\udcff")
    assert found.notices == ("file \\udcff is odd",)
    assert records.log("abc") == (("stdout", "\\udcff"),)


@pytest.mark.parametrize("prompt", ["", "a\0b", "\r\n\u2028", "é" * 100_000, "-n --help `$(x)`"])
def test_prompts_are_kept_byte_for_byte(records: TaskStore, prompt: str) -> None:
    records.create(task(), prompt=prompt, config_json='{"a":\r\n1}')
    assert records.prompt("abc") == prompt
    assert records.config("abc") == '{"a":\r\n1}'
    for name in ("prompt", "config.json"):
        assert (records.paths.tasks / "abc" / name).stat().st_mode & 0o777 == 0o600


def test_a_prompt_that_is_no_unicode_is_refused(records: TaskStore) -> None:
    with pytest.raises(InvalidInput) as caught:
        records.create(task(), prompt="\ud800", config_json="{}")
    assert caught.value.field == "prompt"
    assert records.list() == ()
    assert list(records.paths.tasks.iterdir()) == []


def test_a_task_that_is_there_is_not_overwritten(records: TaskStore) -> None:
    create(records, task())
    with pytest.raises(StoreError):
        records.create(task(), prompt="other", config_json="{}")
    assert records.prompt("abc") == "prompt"


@pytest.mark.parametrize("wrong", ["../x", "a/b", "..", "", f"{TEMP_PREFIX}x", "a\0"])
def test_no_id_leads_out_of_the_folder(records: TaskStore, wrong: str) -> None:
    with pytest.raises(NotFound):
        records.create(task(wrong), prompt="x", config_json="{}")
    for call in (records.log, records.log_from, records.prompt, records.config, records.delete):
        with pytest.raises(NotFound):
            call(wrong)


def test_a_prefix_finds_its_task(records: TaskStore) -> None:
    for name in ("aa1", "aa12", "b_"):
        create(records, task(name))
    assert records.get("aa1").id == "aa1", "an exact id wins over those that go on"
    assert records.get("aa12").id == "aa12"
    assert records.get("b").id == "b_"
    for wrong in ("aa", "_", "c", "\ud800"):
        with pytest.raises(NotFound):
            records.get(wrong)


def test_deleting_a_task(records: TaskStore) -> None:
    create(records, task())
    create(records, task("other"))
    with pytest.raises(InvalidInput, match="not ended"):
        records.delete("abc")
    record = records.record("abc")
    record.apply(PhaseStarted(phase=Phase.AGENT), 2.0)
    record.apply(Notice(message="n"), 2.0)
    record.line("stdout", "x")
    record.apply(TaskResult(task="abc", state=TaskState.FAILED, exit_code=1, image=""), 2.0)
    record.close()
    records.delete("abc")
    assert [one.id for one in records.list()] == ["other"]
    assert [path.name for path in records.paths.tasks.iterdir()] == ["other"]
    with records.database.reading() as connection:
        for table in ("phases", "notices"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    for again in ("abc", "nope"):
        with pytest.raises(NotFound):
            records.delete(again)


def test_the_log_can_be_followed_from_where_one_was(records: TaskStore) -> None:
    create(records, task())
    record = records.record("abc")
    position, seen = 0, []
    for number in range(5):
        record.line("stdout", str(number))
        record._log.flush()  # what a pause in the output does
        part = records.log_from("abc", position)
        seen += [text for _, text in part.lines]
        position = part.position
    record.close()
    assert seen == [str(number) for number in range(5)]
    assert records.log_from("abc", position) == ((), position)


def test_who_sees_the_end_finds_all_lines(records: TaskStore) -> None:
    create(records, task())
    record = records.record("abc")
    for number in range(100):
        record.line("stdout", str(number))
    record.apply(TaskResult(task="abc", state=TaskState.FAILED, exit_code=1, image=""), 2.0)
    assert len(records.log("abc")) == 100
    record.close()


@pytest.fixture
def ten_thousand(records: TaskStore) -> TaskStore:
    with records.database.transaction() as connection:
        for number in range(10_000):
            connection.execute(
                "INSERT INTO tasks (id, environment_id, environment_name, agent, prompt, state, created) "
                "VALUES (?, 'x', 'X', 'shell', ?, 'succeeded', ?)",
                (f"t{number}", f"prompt {number} " * 10, float(number)),
            )
            connection.execute("INSERT INTO phases VALUES (?, 1, 'agent', 1.0, 1, NULL)", (f"t{number}",))
    return records


def test_ten_thousand_tasks_are_listed_with_few_looks(ten_thousand: TaskStore) -> None:
    looks: list[str] = []
    with ten_thousand.database.reading() as connection:
        connection.set_trace_callback(looks.append)
    found = ten_thousand.list(10_000)
    assert [one.id for one in found[:2]] == ["t9999", "t9998"]
    assert all(len(one.phases) == 1 for one in found)
    assert len(looks) < 60, "a look for each task would be 10,000"


def test_saving_one_task_writes_that_task_only(ten_thousand: TaskStore) -> None:
    ten_thousand.database.close()  # all is in the main file now
    wal = ten_thousand.paths.database.with_name("tasks.sqlite3-wal")
    create(ten_thousand, task())
    ten_thousand.apply("abc", StateChanged(state=TaskState.PREPARING), 1.0)
    assert wal.stat().st_size < 100_000 < ten_thousand.paths.database.stat().st_size


def test_f18_a_test_that_an_older_program_wrote_beside_this_one_is_known_as_one(records: TaskStore) -> None:
    """It runs on with its old window, and knows no column for the kind."""
    with records.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO tasks (id, environment_id, environment_name, agent, prompt, state, created) "
            "VALUES (?, 'x', 'X', '', ?, 'succeeded', 1)",
            [("as", "Test preflight, as a task would run it"), ("fresh", "Test preflight, without cached layers")],
        )
    assert {one.id: one.kind for one in records.list()} == {"as": TaskKind.TEST, "fresh": TaskKind.FRESH_TEST}


def test_f5_a_log_that_was_lost_has_no_lines_of_the_container(records: TaskStore) -> None:
    create(records, task())
    record = records.record("abc")
    for number in range(50):
        record.line("stdout", f"of the build {number}")
    record.apply(PhaseStarted(phase=Phase.START), 2.0)
    record.close()
    (records.paths.tasks / "abc" / "log").write_bytes(b"o of the build 0\n")
    assert records.container_lines("abc") == {"stdout": 0, "stderr": 0}


def test_f18_a_kind_that_nobody_knows_is_a_damaged_record(records: TaskStore) -> None:
    create(records, task())
    with records.database.transaction() as connection:
        connection.execute("UPDATE tasks SET kind = 'nonsense'")
    assert records.list() == ()
    assert len(records.problems()) == 1


def test_f18_one_bad_task_does_not_hide_9999(ten_thousand: TaskStore) -> None:
    with ten_thousand.database.transaction() as connection:
        connection.execute("UPDATE tasks SET state = 'nonsense' WHERE id = 't5000'")
        connection.execute("UPDATE phases SET phase = 'nonsense' WHERE task = 't6000'")
        connection.execute("UPDATE tasks SET prompt = CAST(x'ff00fe' AS TEXT) WHERE id = 't7000'")
    assert len(ten_thousand.list(10_000)) == 9_999
    assert [problem.message for problem in ten_thousand.problems(10_000)] == [
        "The record of task t5000 is damaged and not shown."
    ]
    assert ten_thousand.get("t6000").phases == ()
    assert "\ufffd" in ten_thousand.get("t7000").prompt
    with pytest.raises(StoreError, match="damaged"):
        ten_thousand.get("t5000")
    assert not ten_thousand.apply("t5000", StateChanged(state=TaskState.FAILED), 1.0)
    ten_thousand.delete("t5000")
    assert ten_thousand.problems(10_000) == ()


# -- images --------------------------------------------------------------------------------------------


def test_what_is_remembered_of_images(records: TaskStore) -> None:
    now = [100.0]
    uses = replace(records.images, clock=lambda: now[0])
    uses.used("tag", "a", 10.0)
    now[0] = 200.0
    uses.used("tag", "b", 2.5)
    uses.used("tag", "a")
    uses.plan_seen("c", ["tag", "planned", "planned"])
    assert uses.all() == {
        "tag": (200.0, 3, ("a", "b", "c"), 12.5),
        "planned": (None, 0, ("c",), 0.0),
    }
    uses.plan_seen("c", ["other"])
    assert uses.plan_of("c") == ("other",)
    assert set(uses.all()) == {"tag", "other"}
    uses.used("tag", "a")
    assert uses.all()["tag"].hits == 4


def test_a_failed_build_is_remembered_for_a_while(records: TaskStore) -> None:
    now = [100.0]
    uses = replace(records.images, clock=lambda: now[0])
    assert uses.recent_build_failure("key", 1e12) is None
    uses.build_failed("key", "first")
    uses.build_failed("key", "exit status 1")
    assert uses.recent_build_failure("key", 60.0) == "exit status 1"
    now[0] = 161.0
    assert uses.recent_build_failure("key", 60.0) is None
    assert uses.recent_build_failure("other", 1000.0) is None


def test_f17_what_a_clock_that_was_ahead_noted_does_not_count_until_then(records: TaskStore) -> None:
    now = [1e9]
    uses = replace(records.images, clock=lambda: now[0])
    uses.build_failed("key", "in the future")
    assert uses.claim_refresh("e", 86400)
    assert not uses.claim_refresh("e", 86400)
    now[0] -= 30 * 86400
    assert uses.recent_build_failure("key", 3600) is None, "else nobody would build for a month"
    assert uses.claim_refresh("e", 86400), "else nobody would refresh for a month"
    assert not uses.claim_refresh("e", 86400)
    now[0] += 86401
    assert uses.claim_refresh("e", 86400)


def test_other_processes_see_a_write_at_once(home: Paths, records: TaskStore) -> None:
    create(records, task(owner_pid=os.getpid()))
    other = TaskStore(paths=home, database=Database(home))
    other.request_stop("abc")
    assert records.stop_requested("abc")
    other.own("abc", 5)
    assert records.get("abc").owner_pid == 5
    other.database.close()


def test_a_failed_record_leaves_no_folder(records: TaskStore) -> None:
    with records.database.transaction() as connection:
        connection.execute("CREATE TRIGGER refuse BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(StoreError):
        create(records, task())
    assert list(records.paths.tasks.iterdir()) == []
