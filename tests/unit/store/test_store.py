"""Files and the database: whole or unchanged, never lost, never silently replaced."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.core.environment import SCHEMA, Environment
from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.events import Notice, Phase, PhaseFinished, PhaseStarted, StateChanged, TaskResult, TaskState
from agents_runner.core.settings import CustomAgent, Settings
from agents_runner.core.task import Task
from agents_runner.store import files
from agents_runner.store.database import MIGRATIONS, Database
from agents_runner.store.environments import EnvironmentStore, environment_to_json
from agents_runner.store.logfile import LogWriter, read_log
from agents_runner.store.paths import Paths
from agents_runner.store.settings import SettingsStore
from agents_runner.store.tasks import TaskStore

LEGACY = Path(__file__).parents[2] / "data" / "legacy-environments.json"
ENVIRONMENT = Environment(
    id="x",
    name="X é",
    env_vars={"A": "it's\n"},
    cached_preflight_script="a\r\nb",
    mounts=("/a:/b",),
    future={"k": [1]},
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(config=tmp_path / "c", data=tmp_path / "d").ensure()


@pytest.fixture
def store(paths: Paths) -> EnvironmentStore:
    return EnvironmentStore(paths=paths)


@pytest.fixture
def tasks(paths: Paths) -> TaskStore:
    return TaskStore(paths=paths, database=Database(paths))


def test_an_environment_round_trips_with_every_field(store: EnvironmentStore) -> None:
    store.save(ENVIRONMENT)
    assert store.get("x") == ENVIRONMENT
    assert store.get("X é") == ENVIRONMENT
    assert json.loads(store.export("x"))["future"] == {"k": [1]}
    assert (store.paths.environments / "x.json").stat().st_mode & 0o777 == 0o600


def test_unknown_and_ambiguous_names(store: EnvironmentStore) -> None:
    store.save(ENVIRONMENT)
    store.save(ENVIRONMENT.model_copy(update={"id": "y"}))
    with pytest.raises(NotFound, match="x, y"):
        store.get("X é")
    with pytest.raises(NotFound, match="There is no environment"):
        store.get("nope")


def test_deleting_moves_to_the_trash(store: EnvironmentStore) -> None:
    store.save(ENVIRONMENT)
    store.delete("x")
    assert store.list().environments == ()
    assert len(list(store.paths.trash.iterdir())) == 1


@pytest.mark.parametrize("field", ["env_vars", "mounts", "ports", "run_preflight_script"])
def test_saving_what_no_task_could_use_is_refused(store: EnvironmentStore, field: str) -> None:
    bad = {"env_vars": {"1": "x"}, "mounts": ("nope",), "ports": ("0",), "run_preflight_script": "a\0"}
    store.save(ENVIRONMENT)
    with pytest.raises(InvalidInput) as caught:
        store.save(ENVIRONMENT.model_copy(update={field: bad[field]}))
    assert caught.value.field.startswith(field)
    assert store.get("x") == ENVIRONMENT


def test_a_legacy_file_is_backed_up_then_written_anew(store: EnvironmentStore) -> None:
    original = json.loads(LEGACY.read_text())["environments"][0]
    (store.paths.environments / "web-shop.json").write_text(json.dumps(original))
    listing = store.list()
    assert [one.id for one in listing.environments] == ["web-shop"]
    assert listing.notes
    assert json.loads((store.paths.backups / "web-shop.json").read_text()) == original
    assert json.loads((store.paths.environments / "web-shop.json").read_text())["version"] == SCHEMA
    assert store.list().notes == ()


def test_importing_a_list_keeps_everything_and_overwrites_nothing(store: EnvironmentStore) -> None:
    first = store.import_file(LEGACY)
    again = store.import_file(LEGACY)
    assert [one.id for one in first.environments] == ["web-shop", "vision", "bare"]
    assert len({one.id for one in (*first.environments, *again.environments)}) == 6
    assert any("already" in note for note in again.notes)


@pytest.mark.parametrize("text", ["", "[1, 2", "nonsense", '{"a": 1}', "[]", "\x00\x01", "[1, 2]"])
def test_importing_what_is_no_environment(store: EnvironmentStore, tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    if text == "[1, 2]":
        report = store.import_file(path)
        assert len(report.problems) == 2
        assert report.environments == ()
    else:
        with pytest.raises(InvalidInput) as caught:
            store.import_file(path)
        assert caught.value.hint
    assert path.read_text() == text


def test_f18_a_file_cut_at_every_byte_is_set_aside_and_hides_no_other(store: EnvironmentStore) -> None:
    store.save(ENVIRONMENT)
    data = environment_to_json(ENVIRONMENT.model_copy(update={"id": "cut"})).encode()
    path = store.paths.environments / "cut.json"
    for length in range(0, len(data) - 2, 3):
        path.write_bytes(data[:length])
        listing = store.list()
        assert [one.id for one in listing.environments] == ["x"]
        assert len(listing.problems) == 1
        assert Path(listing.problems[0].path).read_bytes() == data[:length]
        assert not path.exists()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2000), st.integers(0, 7))
def test_f18_a_flipped_bit_never_crashes_and_never_overwrites(store: EnvironmentStore, at: int, bit: int) -> None:
    data = bytearray(environment_to_json(ENVIRONMENT).encode())
    data[at % len(data)] ^= 1 << bit
    folder = store.paths.environments
    for old in folder.iterdir():
        old.unlink()
    (folder / "x.json").write_bytes(bytes(data))
    listing = store.list()
    kept = [
        path.read_bytes()
        for name in ("damaged", "backups", "environments")
        for path in (store.paths.config / name).glob("*")
    ]
    assert len(listing.environments) + len(listing.problems) == 1
    assert bytes(data) in kept or listing.environments


def test_f18_a_newer_file_is_used_and_never_written(store: EnvironmentStore) -> None:
    path = store.paths.environments / "new.json"
    text = json.dumps({"id": "new", "name": "New", "version": SCHEMA + 1, "future": True})
    path.write_text(text)
    listing = store.list()
    assert listing.read_only == {"new"}
    with pytest.raises(StoreError, match="newer version"):
        store.save(listing.environments[0])
    with pytest.raises(StoreError, match="newer version"):
        store.save(ENVIRONMENT.model_copy(update={"id": "new"}))
    assert path.read_text() == text


def test_f19_the_order_of_a_write(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), real_fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (calls.append("rename"), real_replace(self, target))[1])
    files.write_atomic(paths.config / "file", b"data")
    assert calls == ["fsync", "rename", "fsync"]


def test_f19_a_full_disk_leaves_the_old_content(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    path = paths.config / "file"
    files.write_atomic(path, b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in paths.config.iterdir() if one.name.startswith(files.TEMP_PREFIX)] == []


def test_f19_killed_while_saving_it_is_the_old_or_the_new(paths: Paths) -> None:
    path = paths.config / "file"
    code = (
        "import sys; from pathlib import Path; from agents_runner.store.files import write_atomic\n"
        "print('ready', flush=True)\n"
        "for n in range(10**9): write_atomic(Path(sys.argv[1]), (b'%d ' % (n % 10)) * 5000)\n"
    )
    for _ in range(15):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        while not path.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        data = path.read_bytes()
        assert len(data) == 10_000
        assert len(set(data.split())) == 1


def test_settings_round_trip_and_keep_what_they_do_not_know(paths: Paths) -> None:
    store = SettingsStore(paths=paths)
    mine = Settings(theme="dark", agents={"mine": CustomAgent(argv=("x", "{prompt_file}"))}, future=1)
    store.save(mine)
    assert store.load() == (mine, ())
    paths.settings.write_text('{"theme": "pink", "max_running_tasks": 3}')
    loaded, problems = store.load()
    assert (loaded.theme, loaded.max_running_tasks) == ("system", 3)
    assert "theme" in problems[0].message
    paths.settings.write_text("{broken")
    assert store.load()[0] == Settings()
    assert not paths.settings.exists()
    with pytest.raises(StoreError, match="newer"):
        store.save(Settings(version=99))


def task(task_id: str = "abc123", **fields: object) -> Task:
    base: dict[str, object] = {
        "id": task_id, "environment_id": "x", "environment_name": "X", "agent": "shell", "prompt": "p",
        "state": TaskState.QUEUED, "created": 1.0,
    }  # fmt: skip
    return Task(**(base | fields))  # type: ignore[arg-type]


def test_a_tasks_whole_story(tasks: TaskStore) -> None:
    prompt = "first\r\n\u2028second \U0001f600"
    tasks.create(task(), prompt=prompt, config_json="{}")
    record = tasks.record("abc123")
    assert record.apply(StateChanged(state=TaskState.PREPARING), 2.0)
    assert not record.apply(StateChanged(state=TaskState.PREPARING), 2.5)
    record.apply(PhaseStarted(phase=Phase.BUILD_ENV), 2.0)
    record.apply(PhaseFinished(phase=Phase.BUILD_ENV, seconds=1.5, ok=False, cache="fallback"), 2.0)
    record.apply(PhaseStarted(phase=Phase.AGENT), 2.0)
    record.apply(Notice(message="something"), 2.0)
    record.line("stdout", "a\nb")
    record.line("stderr", "\x00\x1b[31m")
    record.apply(TaskResult(task="abc123", state=TaskState.FAILED, exit_code=3, image="i", error="e", hint="h"), 9.0)
    record.apply(TaskResult(task="abc123", state=TaskState.SUCCEEDED, exit_code=0, image=""), 10.0)
    record.close()
    found = tasks.get("abc")
    assert (found.state, found.exit_code, found.started, found.finished) == (TaskState.FAILED, 3, 2.0, 9.0)
    assert [(one.phase, one.seconds, one.cache) for one in found.phases] == [
        ("build.env", 1.5, "fallback"),
        ("agent", None, None),
    ]
    assert found.notices == ("something",)
    assert tasks.log("abc123") == (("stdout", "a\\nb"), ("stderr", "\x00\x1b[31m"))
    assert tasks.log_from("abc123", len(b"o a\\nb\n"))[0] == (("stderr", "\x00\x1b[31m"),)
    assert tasks.prompt("abc123") == prompt


def test_looking_up_tasks(tasks: TaskStore) -> None:
    for name in ("aa1", "aa2", "b%"):
        tasks.create(task(name), prompt="x", config_json="{}")
    for wrong in ("aa", "zz", "", "%"):
        with pytest.raises(NotFound):
            tasks.get(wrong)
    assert tasks.get("aa2").id == "aa2"
    assert tasks.get("b").id == "b%"


def test_the_list_is_newest_first_and_limited(tasks: TaskStore) -> None:
    for number in range(30):
        tasks.create(task(f"t{number}", created=float(number)), prompt="x", config_json="{}")
    assert [one.id for one in tasks.list(3)] == ["t29", "t28", "t27"]


def test_stop_requests_and_image_uses(tasks: TaskStore) -> None:
    tasks.create(task(), prompt="x", config_json="{}")
    assert not tasks.stop_requested("abc123")
    tasks.request_stop("abc123")
    assert tasks.stop_requested("abc123")
    tasks.images.used("tag", "x")
    tasks.images.used("tag", "x")
    assert set(tasks.images.all()) == {"tag"}


def test_many_threads_write_at_once(tasks: TaskStore) -> None:
    def work(number: int) -> None:
        tasks.create(task(f"n{number}"), prompt="x", config_json="{}")
        record = tasks.record(f"n{number}")
        record.apply(StateChanged(state=TaskState.PREPARING), 1.0)
        record.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.state for one in tasks.list()} == {TaskState.PREPARING}
    tasks.database.close()


def test_f18_a_file_that_is_no_database_is_set_aside(paths: Paths) -> None:
    paths.database.write_bytes(b"this is no database" * 100)
    database = Database(paths)
    store = TaskStore(paths=paths, database=database)
    assert store.list() == ()
    assert database.moved_aside is not None
    assert database.moved_aside.read_bytes().startswith(b"this is no database")
    database.close()


def test_f18_a_newer_database_is_left_alone(paths: Paths) -> None:
    connection = sqlite3.connect(paths.database)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.close()
    database = Database(paths)
    with pytest.raises(StoreError, match="newer version"):
        TaskStore(paths=paths, database=database).list()
    database.close()


def test_the_log_reaches_the_file_without_a_next_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = LogWriter(path)
    writer.write("stdout", "only line")
    for _ in range(100):
        if read_log(path):
            break
        threading.Event().wait(0.05)
    assert read_log(path) == (("stdout", "only line"),)
    writer.close()


def test_paths_follow_the_variable(tmp_path: Path) -> None:
    found = Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path / "h")}).ensure()
    assert found.environments == tmp_path / "h" / "environments"
    assert found.instance_id() == found.instance_id()
    assert (tmp_path / "h").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path / "file")}).ensure()
