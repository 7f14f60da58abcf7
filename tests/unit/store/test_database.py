"""The database's file: old, newer, foreign and damaged ones, and what is saved of them."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.core.errors import AgentsRunnerError, StoreError
from agents_runner.core.events import Notice, Phase, PhaseStarted, TaskState
from agents_runner.core.task import TaskKind
from agents_runner.runner.tasks.test_preflight import request_again
from agents_runner.store.database import MIGRATIONS, TABLES, Database
from agents_runner.store.paths import Paths
from agents_runner.store.tasks import TaskStore
from tests.unit.store.test_task_records import create, task

ROOT = Path(__file__).parents[3]
COUNT = 200


@contextlib.contextmanager
def opened(home: Paths) -> Iterator[TaskStore]:
    database = Database(home)
    try:
        yield TaskStore(paths=home, database=database)
    finally:
        database.close()


def made_by(home: Paths, version: int) -> None:
    """A database as a program with so many migrations left it, with one task."""
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        for script in MIGRATIONS[:version]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute(
            "INSERT INTO tasks (id, environment_id, environment_name, agent, prompt, state, created) "
            "VALUES ('old', 'x', 'X', 'shell', 'p', 'succeeded', 1)"
        )
        connection.execute("INSERT INTO image_uses (tag, environment_id, last_used, hits) VALUES ('t', 'x', 5, 3)")
        connection.commit()


@pytest.fixture
def full(home: Paths) -> bytes:
    """The bytes of a good database with `COUNT` tasks, and the file itself in place."""
    with opened(home) as records:
        for number in range(COUNT):
            with records.database.transaction() as connection:
                connection.execute(
                    "INSERT INTO tasks (id, environment_id, environment_name, agent, prompt, state, created) "
                    "VALUES (?, 'x', 'X', 'shell', ?, 'succeeded', ?)",
                    (f"t{number}", "prompt " * 20, float(number)),
                )
    return home.database.read_bytes()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_f18_every_old_form_is_brought_up_to_date_after_a_backup(home: Paths, version: int) -> None:
    made_by(home, version)
    with opened(home) as records:
        assert [one.id for one in records.list()] == ["old"]
        records.images.used("t", "x", 1.5)
        assert records.images.all()["t"][1:] == (4, ("x",), 1.5)
        assert records.database.problems == ()
    if version == len(MIGRATIONS):
        assert not home.backups.exists()
        return
    with contextlib.closing(sqlite3.connect(home.backups / home.database.name)) as backup:
        assert backup.execute("PRAGMA user_version").fetchone()[0] == version
        assert backup.execute("SELECT id FROM tasks").fetchall() == [("old",)]


def test_a_migration_that_fails_leaves_the_old_form(home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by(home, 1)
    broken = (MIGRATIONS[0], "CREATE TABLE new_one (x); INSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr("agents_runner.store.database.MIGRATIONS", broken)
    with opened(home) as records, pytest.raises(StoreError):
        records.list()
    monkeypatch.undo()
    with opened(home) as records:
        assert [one.id for one in records.list()] == ["old"]


def test_f18_a_newer_database_stays_as_it_is(home: Paths) -> None:
    made_by(home, len(MIGRATIONS))
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    before = home.database.read_bytes()
    with opened(home) as records:
        with pytest.raises(StoreError, match="newer version") as caught:
            create(records, task())
        assert caught.value.hint
        assert list(home.tasks.iterdir()) == []
    assert home.database.read_bytes() == before


def test_f18_old_records_of_tests_are_known_as_tests(home: Paths) -> None:
    """Earlier programs told them by their missing agent, and by a sentence."""
    made_by(home, 3)
    rows = (("as", "Test preflight, as a task would run it"), ("fresh", "Test preflight, without cached layers"))
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        for name, prompt in rows:
            connection.execute(
                "INSERT INTO tasks (id, environment_id, environment_name, agent, prompt, state, created) "
                "VALUES (?, 'x', 'X', '', ?, 'succeeded', 1)",
                (name, prompt),
            )
        connection.execute("UPDATE tasks SET prompt = 'Test preflight, without cached layers' WHERE id = 'old'")
        connection.commit()
    with opened(home) as records:
        kinds = {one.id: one.kind for one in records.list()}
        assert kinds == {"as": TaskKind.TEST, "fresh": TaskKind.FRESH_TEST, "old": TaskKind.TASK}
        again = request_again(records.get("fresh"), "whatever the sentence is")
        assert (again.kind, request_again(records.get("old"), "p").kind) == (TaskKind.FRESH_TEST, TaskKind.TASK)


def test_f18_the_last_form_with_a_damaged_description_is_saved_too(home: Paths) -> None:
    """A column more leaves the tables where they were: the description of today fits yesterday's file."""
    made_by(home, 3)
    data = bytearray(home.database.read_bytes())
    data[100:108] = b"\xff" * 8
    home.database.write_bytes(data)
    with opened(home) as records:
        assert [(one.id, one.kind) for one in records.list()] == [("old", TaskKind.TASK)]


@pytest.mark.parametrize("version", [0, 1, -5])
def test_f18_another_programs_database_is_moved_aside(home: Paths, version: int) -> None:
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        connection.executescript(
            f"CREATE TABLE tasks (x); INSERT INTO tasks VALUES (1); PRAGMA user_version={version}"
        )
    before = home.database.read_bytes()
    with opened(home) as records:
        create(records, task())
        assert [one.id for one in records.list()] == ["abc"]
        (problem,) = records.problems()
        assert Path(problem.path).read_bytes() == before
        assert "another program" in problem.message


@pytest.mark.parametrize("content", [b"\0" * 8192, b"{}" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_f18_a_file_that_is_no_database_is_moved_aside(home: Paths, content: bytes) -> None:
    home.database.write_bytes(content)
    with opened(home) as records:
        assert records.list() == ()
        (problem,) = records.problems()
        assert Path(problem.path).read_bytes() == content
    with opened(home) as records:
        assert records.problems() == (), "once, and then it is out of the way"


def test_f18_what_a_damaged_database_still_holds_is_saved(home: Paths, full: bytes) -> None:
    """Every page but the first in turn: only what was on it may be missing."""
    size = int.from_bytes(full[16:18], "big")
    hurt = 0
    for page in range(1, len(full) // size):
        data = bytearray(full)
        data[page * size : (page + 1) * size] = b"\xff" * size
        home.database.write_bytes(bytes(data))
        with opened(home) as records:
            found = records.list(10_000)
            create(records, task(f"new{page}"))
            if records.database.moved_aside is None:
                continue
            assert records.database.moved_aside.read_bytes() == bytes(data)
        hurt += len(found) > COUNT // 2
        for path in (*home.damaged_data.iterdir(), *home.data.glob("tasks.sqlite3*")):
            path.unlink()
    assert hurt > 3


def use(records: TaskStore, name: str) -> AgentsRunnerError | None:
    """Everything that the application does with it; what it was refused with."""
    try:
        records.list(10_000)
        create(records, task(name))
        record = records.record(name)
        record.apply(PhaseStarted(phase=Phase.AGENT), 2.0)
        record.apply(Notice(message="n"), 2.0)
        record.close()
        records.images.used("t", "x")
        records.images.plan_seen("x", ["t"])
        records.images.build_failed("k", "r")
        records.images.all()
        assert records.get(name).state is TaskState.QUEUED
    except AgentsRunnerError as error:
        return error
    return None


def test_f18_cut_or_flipped_it_opens_or_is_moved_aside(home: Paths, full: bytes) -> None:
    choose = random.Random(18)
    damages = [full[: choose.randrange(1, len(full))] for _ in range(40)]
    for at in (*range(100), *(choose.randrange(100, len(full)) for _ in range(200))):
        data = bytearray(full)
        data[at] ^= 1 << choose.randrange(8)
        damages.append(bytes(data))
    for number, data in enumerate(damages):
        home.database.write_bytes(data)
        with opened(home) as records:
            fault = use(records, f"n{number}")
            # Only a file that claims to be newer is left, for a newer program.
            assert fault is None or "newer version" in fault.message
            assert fault is None or home.database.read_bytes() == data
        for path in (*home.data.glob("damaged/*"), *home.data.glob("tasks.sqlite3*")):
            path.unlink()


def test_f18_what_waits_beside_a_damaged_database_goes_with_it(home: Paths, full: bytes) -> None:
    home.database.write_bytes(b"nonsense" * 1000)
    beside = home.database.with_name("tasks.sqlite3-wal")
    beside.write_bytes(b"perhaps the last tasks")
    with opened(home) as records:
        records.list()
        aside = records.database.moved_aside
    assert aside is not None
    assert aside.with_name(aside.name + "-wal").read_bytes() == b"perhaps the last tasks"
    assert full


def test_all_tables_are_known_to_the_rescue(home: Paths) -> None:
    with opened(home) as records, records.database.reading() as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == set(TABLES)


@pytest.mark.parametrize("kind", ["database is a folder", "data is a file"])
def test_what_stands_in_the_way_is_said(home: Paths, kind: str) -> None:
    if kind == "database is a folder":
        home.database.mkdir()
        paths = home
    else:
        (home.config / "file").write_text("")
        paths = Paths(config=home.config, data=home.config / "file" / "data")
    with opened(paths) as records, pytest.raises(StoreError) as caught:
        records.list()
    assert caught.value.hint


def test_a_busy_database_is_no_damaged_one(home: Paths, full: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents_runner.store.database._BUSY_S", 0.01)
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with opened(home) as records, pytest.raises(StoreError, match="Another process"):
            create(records, task())
    assert not home.damaged_data.exists()
    assert full


def test_a_write_that_fails_half_way_writes_nothing(home: Paths) -> None:
    with opened(home) as records:
        create(records, task())

        def half() -> None:
            with records.database.transaction() as connection:
                connection.execute("UPDATE tasks SET agent = 'other'")
                connection.execute("INSERT INTO nowhere VALUES (1)")

        with pytest.raises(StoreError):
            half()
        assert records.get("abc").agent == "shell"
        records.own("abc", 1)


def test_connections_of_ended_threads_are_closed(home: Paths) -> None:
    with opened(home) as records:
        records.list()
        for _ in range(30):
            thread = threading.Thread(target=records.list)
            thread.start()
            thread.join()
        assert len(records.database._all) <= 2


def test_after_closing_it_opens_again_and_a_removed_file_is_made_anew(home: Paths) -> None:
    with opened(home) as records:
        create(records, task())
        records.database.close()
        assert records.get("abc").id == "abc"
        records.database.close()
        home.database.unlink()
        assert records.list() == ()


def test_two_processes_make_the_database_at_once(home: Paths) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from agents_runner.store.database import Database; from agents_runner.store.paths import Paths\n"
        "from agents_runner.store.tasks import TaskStore\n"
        "from tests.unit.store.test_task_records import create, task\n"
        "paths = Paths.find({'AGENTS_RUNNER_HOME': sys.argv[1]}); sys.stdin.readline()\n"
        "records = TaskStore(paths=paths, database=Database(paths))\n"
        "for number in range(20): create(records, task(f'{sys.argv[2]}{number}'))\n"
        "assert records.problems() == ()\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(home.data), name], cwd=ROOT, stdin=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0, 0]
    with opened(home) as records:
        assert len(records.list()) == 60


def test_f19_a_killed_writer_leaves_whole_tasks(home: Paths) -> None:
    """What a process had recorded before it was killed is there for the next one, and nothing half."""
    code = (
        "import itertools, sys\n"
        "from agents_runner.store.database import Database; from agents_runner.store.paths import Paths\n"
        "from agents_runner.store.tasks import TaskStore\n"
        "from tests.unit.store.test_task_records import create, task\n"
        "paths = Paths.find({'AGENTS_RUNNER_HOME': sys.argv[1]})\n"
        "records = TaskStore(paths=paths, database=Database(paths))\n"
        "for number in itertools.count():\n"
        "    create(records, task(f'{sys.argv[2]}-{number}')); print(number, flush=True)\n"
    )
    for attempt in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(home.data), f"k{attempt}"], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(attempt + 2):
            process.stdout.readline()
        process.kill()
        last = process.stdout.read().split()[-1:] or [str(attempt + 1).encode()]
        process.wait()
        process.stdout.close()
        home.ensure()
        with opened(home) as records:
            found = [one.id for one in records.list() if one.id.startswith(f"k{attempt}-")]
            assert len(found) in (int(last[0]) + 1, int(last[0]) + 2)
            assert all(records.prompt(one) == "prompt" for one in found)
        assert not [path for path in home.tasks.iterdir() if path.name.startswith(".tmp-")]


def _flipped(data: bytes, seed: int, count: int, within: int) -> bytes:
    chance = random.Random(seed)
    found = bytearray(data)
    for _ in range(count):
        found[chance.randrange(min(within, len(found)))] = chance.randrange(256)
    return bytes(found)


@pytest.mark.parametrize("within", [4096, 2**30], ids=["schema", "anywhere"])
@pytest.mark.parametrize("count", [1, 20, 200])
def test_m2_flipped_bytes_are_damage_that_is_set_aside_and_said(
    home: Paths, full: bytes, count: int, within: int
) -> None:
    """Whatever a first use meets, the third one meets nothing any more: no command is refused for ever."""
    named = 0
    for seed in range(6):
        home.database.with_name(home.database.name + "-wal").unlink(missing_ok=True)
        home.database.with_name(home.database.name + "-shm").unlink(missing_ok=True)
        damaged = _flipped(full, seed, count, within)
        home.database.write_bytes(damaged)
        for use in range(3):
            with opened(home) as records:
                refused = ""
                try:
                    records.list()
                    records.unfinished()
                    create(records, task(f"new-{count}-{within}-{seed}-{use}"))
                    records.problems()
                except StoreError as error:
                    refused = str(error)
                problems = records.database.problems
            assert not refused or use < 2, f"seed {seed}: {refused}"
            if problems:
                named += 1
                assert Path(problems[0].path).read_bytes() == damaged, "as it was, whatever was tried with it"
                assert "and was moved to" in problems[0].message
    if count == 200:
        assert named == 6


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"\x00", b"\x80 \xc0", "é".encode("latin-1")])
def test_m2_a_schema_that_is_no_text_costs_no_task(home: Paths, full: bytes, junk: bytes) -> None:
    at = full.index(b"environment_name TEXT")
    home.database.write_bytes(full[:at] + junk + full[at + len(junk) :])
    with opened(home) as records:
        (problem,) = records.problems()
        assert f"{COUNT} of its tasks could be read" in problem.message
        assert len(records.list(COUNT + 1)) == COUNT
    with opened(home) as records:
        assert records.problems() == ()
        assert len(records.list(COUNT + 1)) == COUNT


def test_m2_an_index_that_is_damaged_is_seen_at_the_next_start(home: Paths, full: bytes) -> None:
    """A quick look passes over it; the first statement that needs it says so."""
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        row = connection.execute("SELECT * FROM sqlite_master WHERE name = 'tasks_created'").fetchone()
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'tasks_created'")
        connection.execute("PRAGMA writable_schema=OFF")
        connection.commit()
    with contextlib.closing(sqlite3.connect(home.database)) as connection:
        connection.execute("DELETE FROM tasks WHERE id = 't3'")
        connection.commit()
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
    with opened(home) as records, pytest.raises(StoreError, match="is damaged"):
        records.list()
    with opened(home) as records:
        assert len(records.list(COUNT + 1)) == COUNT - 1
        assert len(records.problems()) == 1


def test_m2_a_version_that_no_program_has_is_damage_and_not_a_newer_program(home: Paths, full: bytes) -> None:
    home.database.write_bytes(full[:60] + b"\x7f\x00\x00\x00" + full[64:])
    with opened(home) as records:
        assert len(records.list(COUNT + 1)) == COUNT
        assert len(records.problems()) == 1
