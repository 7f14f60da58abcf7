"""Environment files of any kind in the folder: used, moved aside or left alone, and never lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.core.environment import SCHEMA, Environment
from agents_runner.core.errors import AgentsRunnerError, InvalidInput, NotFound, StoreError
from agents_runner.core.migrate import environment_to_json, looks_like_environment, read_environment
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.files import locked
from agents_runner.store.jsonfile import parse_json
from agents_runner.store.paths import Paths
from tests.unit.store.disks import NotingDisk
from tests.unit.store.test_store import ENVIRONMENT, LEGACY

LEGACY_ENTRIES: list[dict[str, Any]] = json.loads(LEGACY.read_text())["environments"]
CURRENT = environment_to_json(ENVIRONMENT).encode()


def everywhere(home: Paths) -> list[bytes]:
    """The contents of all JSON files, wherever they were moved."""
    return [path.read_bytes() for path in home.config.rglob("*.json")]


def put(home: Paths, name: str, content: bytes | str | object) -> Path:
    path = home.environments / name
    text = content if isinstance(content, bytes | str) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# -- damaged and foreign ------------------------------------------------------------------------------

FOREIGN = {
    "nothing": b"",
    "nul": b"\0" * 4096,
    "toml": b'[tool.x]\nname = "x"\n',
    "ini": b"[DEFAULT]\nid=1\n",
    "package": b'{"name": "left-pad", "version": "1.3.0", "dependencies": {}}',
    "list": b"[1, 2, 3]",
    "text": b'"environment"',
    "null": b"null",
    "empty": b"{}",
    "latin1": '{"id": "x", "name": "\xe9"}'.encode("latin-1"),
    "utf16": '{"id": "x", "name": "y"}'.encode("utf-16"),
    "deep": b'{"id": "x", "name": "y", "z": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "number": b'{"id": "x", "name": "y", "z": ' + b"9" * 5000 + b"}",
    "lists": b'{"environments": []}',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_f18_foreign_files_are_moved_aside_and_hide_nothing(
    home: Paths, environments: EnvironmentStore, name: str
) -> None:
    environments.save(ENVIRONMENT)
    path = put(home, "foreign.json", FOREIGN[name])
    listing = environments.list()
    assert listing.environments == (ENVIRONMENT,)
    assert len(listing.problems) == 1
    problem = listing.problems[0]
    assert Path(problem.path).read_bytes() == FOREIGN[name]
    assert "foreign.json" in problem.message
    assert problem.hint
    assert not path.exists()
    assert environments.list().problems == (), "it is named once, and then out of the way"


def test_f18_cut_at_every_byte_nothing_is_lost(home: Paths, environments: EnvironmentStore) -> None:
    for length in range(len(CURRENT)):
        path = put(home, "x.json", CURRENT[:length])
        listing = environments.list()
        assert len(listing.environments) + len(listing.problems) == 1
        kept = Path(listing.problems[0].path) if listing.problems else path
        assert kept.read_bytes() == CURRENT[:length]
        kept.unlink()


def test_f18_ten_thousand_flipped_bits_are_read_or_refused() -> None:
    contents = [CURRENT, *(json.dumps(entry).encode() for entry in LEGACY_ENTRIES)]
    choose = random.Random(18)
    read = 0
    for _ in range(10_000):
        data = bytearray(choose.choice(contents))
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        with contextlib.suppress(InvalidInput):
            parsed = parse_json(bytes(data))
            if looks_like_environment(parsed):
                text = environment_to_json(read_environment(parsed, "x").environment)
                assert environment_to_json(read_environment(json.loads(text)).environment) == text
                read += 1
    assert read > 1000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 7), st.sampled_from(LEGACY_ENTRIES))
def test_f18_a_flipped_bit_in_an_older_file_loses_nothing(
    home: Paths, environments: EnvironmentStore, at: int, bit: int, entry: dict[str, Any]
) -> None:
    data = bytearray(json.dumps(entry).encode())
    data[at % len(data)] ^= 1 << bit
    path = put(home, "old.json", bytes(data))
    listing = environments.list()
    assert len(listing.environments) + len(listing.problems) == 1
    assert bytes(data) in everywhere(home)
    path.unlink(missing_ok=True)


def test_f18_a_damaged_file_is_kept_when_the_same_environment_is_saved(
    home: Paths, environments: EnvironmentStore
) -> None:
    environments.save(ENVIRONMENT)
    put(home, "x.json", b'{"half')
    environments.save(ENVIRONMENT)
    assert environments.get("x") == ENVIRONMENT
    assert [path.read_bytes() for path in home.damaged.iterdir()] == [b'{"half']


def test_f18_one_bad_file_does_not_hide_a_thousand(home: Paths, environments: EnvironmentStore) -> None:
    for number in range(1000):
        put(home, f"n{number}.json", {"version": SCHEMA, "id": f"n{number}", "name": "N"})
    put(home, "n500.json", b"{")
    assert len(environments.list().environments) == 999


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
def test_f18_what_is_no_file_blocks_nothing(home: Paths, environments: EnvironmentStore, kind: str) -> None:
    path = home.environments / "odd.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(home.config / "nowhere")
    environments.save(ENVIRONMENT)
    assert environments.list().environments == (ENVIRONMENT,)


# -- newer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [SCHEMA + 1, 10**30, SCHEMA + 0.5, 1e400, str(SCHEMA + 1)])
def test_f18_a_newer_file_is_used_and_stays_as_it_is(
    home: Paths, environments: EnvironmentStore, version: object
) -> None:
    data = {"version": version, "id": "new", "name": "New", "env_id": "old", "preflight_script": "x", "color": 7}
    path = put(home, "new.json", data)
    before = path.read_bytes()
    listing = environments.list()
    assert [one.id for one in listing.environments] == ["new"]
    assert listing.read_only == {"new"}
    assert listing.environments[0].run_preflight_script == "", "no rule for older files applies"
    for copy in (listing.environments[0], ENVIRONMENT.model_copy(update={"id": "new"})):
        with pytest.raises(StoreError, match="newer version") as caught:
            environments.save(copy)
        assert caught.value.hint
    assert path.read_bytes() == before
    assert not home.backups.exists()


# -- older ---------------------------------------------------------------------------------------------


def test_a_legacy_file_is_brought_up_to_date_once(home: Paths, environments: EnvironmentStore) -> None:
    for number, entry in enumerate(LEGACY_ENTRIES):
        put(home, f"any-{number}.json", entry)
    first = environments.list()
    assert {one.id for one in first.environments} == {"web-shop", "vision", "bare"}
    assert any("run preflight" in note for note in first.notes)
    files = {path.name: path.read_bytes() for path in home.environments.iterdir()}
    again = environments.list()
    assert again.environments == first.environments
    assert {path.name: path.read_bytes() for path in home.environments.iterdir()} == files
    assert sorted(path.read_text() for path in home.backups.iterdir()) == sorted(map(json.dumps, LEGACY_ENTRIES))


def test_a_second_legacy_file_of_the_same_name_has_a_backup_of_its_own(
    home: Paths, environments: EnvironmentStore
) -> None:
    entries = [{"env_id": "a", "name": f"N{number}", "preflight_script": "x"} for number in range(3)]
    for entry in entries:
        put(home, "a.json", entry)
        environments.list()
    assert sorted(path.read_text() for path in home.backups.iterdir()) == [json.dumps(entry) for entry in entries]


def test_a_script_that_was_emptied_does_not_come_back(home: Paths, environments: EnvironmentStore) -> None:
    put(home, "web-shop.json", LEGACY_ENTRIES[0])
    shop = environments.get("web-shop")
    assert shop.run_preflight_script
    environments.save(shop.model_copy(update={"run_preflight_script": ""}))
    assert environments.get("web-shop").run_preflight_script == ""
    assert environments.get("web-shop").preflight_script == LEGACY_ENTRIES[0]["preflight_script"]


def test_the_whole_legacy_list_in_the_folder_becomes_files(home: Paths, environments: EnvironmentStore) -> None:
    environments.save(ENVIRONMENT.model_copy(update={"id": "vision"}))
    put(home, "all.json", LEGACY.read_bytes())
    assert environments.list().problems == ()
    listing = environments.list()
    assert len(listing.environments) == 4
    assert len({one.id for one in listing.environments}) == 4
    assert environments.get("vision").name == ENVIRONMENT.name, "what was there keeps its id"
    assert (home.backups / "all.json").read_bytes() == LEGACY.read_bytes()
    assert not (home.environments / "all.json").exists()


def test_older_files_on_a_disk_that_cannot_be_written_are_used_as_they_are(home: Paths) -> None:
    path = put(home, "web-shop.json", LEGACY_ENTRIES[0])
    listing = EnvironmentStore(paths=home, disk=NotingDisk("rename")).list()
    assert [one.id for one in listing.environments] == ["web-shop"]
    assert "No space left" in listing.problems[0].message
    assert json.loads(path.read_bytes()) == LEGACY_ENTRIES[0]


def test_older_files_while_nobody_can_lock_are_used_as_they_are(
    home: Paths, environments: EnvironmentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents_runner.store.files.LOCK_S", 0.01)
    put(home, "web-shop.json", LEGACY_ENTRIES[0])
    damaged = put(home, "damaged.json", b"{")
    with locked(home.config / "environments.lock", "environments"):
        listing = environments.list()
    assert [one.id for one in listing.environments] == ["web-shop"]
    assert len(listing.problems) == 2
    assert damaged.exists()
    assert environments.list().environments == listing.environments


# -- ids and names -------------------------------------------------------------------------------------


def test_a_file_without_an_id_has_its_own_name(home: Paths, environments: EnvironmentStore) -> None:
    path = put(home, "by-hand.json", {"version": SCHEMA, "name": "By hand", "base_image": "debian"})
    found = environments.get("By hand")
    assert found.id == "by-hand"
    environments.save(found)
    assert [one.name for one in home.environments.iterdir()] == [path.name]


def test_a_file_called_otherwise_than_its_id_is_saved_where_it_is(
    home: Paths, environments: EnvironmentStore
) -> None:
    put(home, "other.json", {"version": SCHEMA, "id": "x", "name": "Old"})
    environments.save(ENVIRONMENT)
    assert [path.name for path in home.environments.iterdir()] == ["other.json"]
    environments.save(ENVIRONMENT.model_copy(update={"id": "other"}))
    assert {one.id for one in environments.list().environments} == {"x", "other"}
    assert environments.get("x") == ENVIRONMENT
    environments.delete("x")
    assert [one.id for one in environments.list().environments] == ["other"]


def test_of_two_files_with_one_id_the_other_is_named_and_left_alone(
    home: Paths, environments: EnvironmentStore
) -> None:
    environments.save(ENVIRONMENT)
    copy = put(home, "a copy.json", CURRENT)
    listing = environments.list()
    assert listing.environments == (ENVIRONMENT,)
    assert [problem.path for problem in listing.problems] == [str(copy)]
    environments.save(ENVIRONMENT.model_copy(update={"name": "New"}))
    assert copy.read_bytes() == CURRENT


@pytest.mark.parametrize("wanted", ["../x", "x/../x", "/etc/passwd", "", ".", "\0", "x\ud800"])
def test_no_id_leads_out_of_the_folder(home: Paths, environments: EnvironmentStore, wanted: str) -> None:
    environments.save(ENVIRONMENT)
    with pytest.raises(NotFound):
        environments.delete(wanted)
    with pytest.raises(NotFound):
        environments.get(wanted)
    with pytest.raises(InvalidInput) as caught:
        environments.save(ENVIRONMENT.model_copy(update={"id": wanted}))
    assert caught.value.field == "id"
    assert environments.list().environments == (ENVIRONMENT,)


def test_near_names_are_offered(environments: EnvironmentStore) -> None:
    environments.save(ENVIRONMENT.model_copy(update={"id": "web-shop", "name": "Web shop"}))
    with pytest.raises(NotFound) as caught:
        environments.get("web shp")
    assert "Web shop" in caught.value.hint


# -- saving --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("env_vars", {"A": "\0"}),
        ("env_vars", {"AGENTS_RUNNER_X": "1"}),
        ("env_vars", {"A": "\ud800"}),
        ("cached_preflight_script", "a\0b"),
        ("run_preflight_script", "\udfff"),
        ("mounts", ("/a:/workspace",)),
        ("mounts", ("/a:/x", "/b:/x")),
        ("ports", ("3000", "3000")),
        ("base_image", "a\0"),
        ("agent_args", ("\0",)),
        ("name", ""),
        ("name", "two\nlines"),
        ("color", "no colour"),
        ("build_timeout_s", 0),
        ("resources", {"cpus": -1}),
        ("workspace", {"type": "folder"}),
        ("workspace", {"type": "folder", "path": "/a\0"}),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_field(
    environments: EnvironmentStore, field: str, value: object
) -> None:
    environments.save(ENVIRONMENT)
    with pytest.raises(InvalidInput) as caught:
        environments.save(ENVIRONMENT.model_copy(update={field: value}))
    assert caught.value.field.partition(".")[0] == field
    assert caught.value.message.endswith(".")
    assert "validation error" not in caught.value.message
    assert environments.get("x") == ENVIRONMENT


def test_text_that_is_no_unicode_survives_where_we_do_not_know_it(
    home: Paths, environments: EnvironmentStore
) -> None:
    text = '{"version": 2, "id": "s", "name": "S", "future": "\\ud800", "\\udfff": 1}'
    put(home, "s.json", text)
    found = environments.get("s")
    environments.save(found)
    assert environments.get("s") == found
    stored = json.loads((home.environments / "s.json").read_bytes())
    assert stored["future"] == "\ud800"
    assert stored["invalid_values"] == {"\udfff": 1}


def test_two_stores_save_at_once(home: Paths) -> None:
    def save(store: EnvironmentStore, letter: str) -> None:
        for number in range(20):
            store.save(ENVIRONMENT.model_copy(update={"id": f"{letter}{number}"}))
            store.save(ENVIRONMENT.model_copy(update={"name": letter}))

    threads = [
        threading.Thread(target=save, args=(EnvironmentStore(paths=home), letter)) for letter in ("a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listing = EnvironmentStore(paths=home).list()
    assert len(listing.environments) == 61
    assert listing.problems == ()


def test_deleting_keeps_every_file_in_the_trash(home: Paths, environments: EnvironmentStore) -> None:
    for number in range(3):
        environments.save(ENVIRONMENT.model_copy(update={"name": f"N{number}"}))
        environments.delete("x")
    assert len({path.read_bytes() for path in home.trash.iterdir()}) == 3
    with pytest.raises(NotFound):
        environments.delete("x")


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
environment_values = st.builds(
    lambda **values: Environment(id="x", name="X", **values),
    run_preflight_script=texts,
    cached_preflight_script=texts,
    preflight_script=texts,
    env_vars=st.dictionaries(st.from_regex(r"V[A-Z0-9_]{0,8}", fullmatch=True), texts, max_size=4),
    color=st.sampled_from(["emerald", "#a0B1c2"]),
    agent_args=st.lists(texts, max_size=3).map(tuple),
    cache_container_build=st.booleans(),
    resources=st.fixed_dictionaries({"cpus": st.none() | st.floats(0.1, 64)}),
    future=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(environment_values)
def test_every_environment_round_trips_through_its_file(
    environments: EnvironmentStore, environment: Environment
) -> None:
    environments.save(environment)
    assert environments.get("x") == environment
    assert environments.list().notes == ()


# -- importing and exporting ---------------------------------------------------------------------------


def test_what_was_exported_comes_back_whole(environments: EnvironmentStore, tmp_path: Path) -> None:
    environments.save(ENVIRONMENT)
    file = tmp_path / "exported.json"
    file.write_text(environments.export("X é"))
    environments.delete("x")
    assert environments.import_file(file).environments == (ENVIRONMENT,)
    again = environments.import_file(file).environments[0]
    assert again.id != "x"
    assert again.model_copy(update={"id": "x"}) == ENVIRONMENT
    assert environments.get(again.id) == again, "a new id stays"


@pytest.mark.parametrize("form", ["one", "list", "object", "by id"])
def test_files_of_every_form_are_imported(environments: EnvironmentStore, tmp_path: Path, form: str) -> None:
    file = tmp_path / "file.json"
    content: object = {
        "one": LEGACY_ENTRIES[0],
        "list": LEGACY_ENTRIES,
        "object": {"environments": LEGACY_ENTRIES},
        "by id": {"environments": {one["env_id"]: one for one in LEGACY_ENTRIES}},
    }[form]
    file.write_text(json.dumps(content))
    report = environments.import_file(file)
    assert [one.id for one in report.environments] == (
        ["web-shop"] if form == "one" else ["web-shop", "vision", "bare"]
    )
    assert {one.id for one in environments.list().environments} == {one.id for one in report.environments}
    for original in LEGACY_ENTRIES[: len(report.environments)]:
        stored = json.loads(environments.export(original["env_id"]))
        kept = stored | stored.get("invalid_values", {})
        assert {key: kept[key] for key in original if key != "version"} == {
            key: value for key, value in original.items() if key != "version"
        }


def test_importing_twice_is_two_sets_of_environments_for_good(environments: EnvironmentStore) -> None:
    first, second = environments.import_file(LEGACY), environments.import_file(LEGACY)
    ids = {one.id for report in (first, second) for one in report.environments}
    assert len(ids) == 6
    for _ in range(2):
        assert {one.id for one in environments.list().environments} == ids


def test_one_bad_entry_does_not_keep_the_others_out(environments: EnvironmentStore, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps([5, LEGACY_ENTRIES[0], {"foo": 1}, None]))
    report = environments.import_file(file)
    assert [one.id for one in report.environments] == ["web-shop"]
    assert [problem.message.split()[1] for problem in report.problems] == ["1", "3", "4"]


def test_what_would_stop_a_task_is_said_at_the_import(environments: EnvironmentStore, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps({"env_id": "m", "name": "M", "preflight_script": "x", "extra_mounts": ["/a:/etc"]}))
    report = environments.import_file(file)
    assert report.environments[0].mounts == ("/a:/etc",)
    assert any("/etc" in note for note in report.notes)


def test_a_disk_that_fills_up_during_an_import_leaves_nothing_of_it(home: Paths) -> None:
    class FillingDisk(NotingDisk):
        def rename(self, temp: Path, path: Path) -> None:
            if sum(step == "rename" for step, _ in self.steps) == 2:
                raise OSError(28, "No space left on device")
            super().rename(temp, path)

    with pytest.raises(StoreError, match="No space left"):
        EnvironmentStore(paths=home, disk=FillingDisk()).import_file(LEGACY)
    assert list(home.environments.iterdir()) == []


@pytest.mark.parametrize("text", ["{\n\n  nonsense", '{"a":\n"\\ud"}', "\ufeff[\n1,\n"])
def test_an_import_that_is_no_json_names_the_line(environments: EnvironmentStore, tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r"line [23]"):
        environments.import_file(file)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_an_import_of_what_is_no_file(environments: EnvironmentStore, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(AgentsRunnerError) as caught:
        environments.import_file(path)
    assert caught.value.hint
