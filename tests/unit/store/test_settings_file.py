"""The settings file: lenient to read, whole to write, never over what somebody else wrote."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from agents_runner.core.errors import InvalidInput, StoreError
from agents_runner.core.settings import SCHEMA, CustomAgent, Settings
from agents_runner.store.files import locked
from agents_runner.store.paths import Paths
from agents_runner.store.settings import SettingsStore
from tests.unit.store.disks import STEPS, NotingDisk

MINE = Settings(theme="dark", agents={"mine": CustomAgent(argv=("run", "é"), note=1)}, future={"a": [1.5, None]})


@pytest.fixture
def settings_store(home: Paths) -> SettingsStore:
    return SettingsStore(paths=home)


def test_without_a_file_the_defaults_hold(settings_store: SettingsStore) -> None:
    assert settings_store.load() == (Settings(), ())


def test_everything_round_trips(settings_store: SettingsStore) -> None:
    settings_store.save(MINE)
    assert settings_store.load() == (MINE, ())
    assert settings_store.paths.settings.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("old", [None, "text", [1], {"theme": "mauve"}, {"theme": 3}])
def test_invalid_values_are_named_and_kept(settings_store: SettingsStore, old: object) -> None:
    data = {
        "theme": "pink",
        "max_running_tasks": "many",
        "agents": {"good": {"argv": ["x"]}, "bad": {"argv": []}, "worse": 5},
        "version": "beta",
        "invalid_values": old,
    }
    settings_store.paths.settings.write_text(json.dumps(data))
    loaded, problems = settings_store.load()
    assert (loaded.theme, loaded.max_running_tasks, list(loaded.agents)) == ("system", 8, ["good"])
    for name in ("theme", "max_running_tasks", "agents"):
        assert any(name in one.message for one in problems)
    settings_store.save(loaded)
    kept = json.loads(settings_store.paths.settings.read_bytes())["invalid_values"]
    assert all(any(value == data[name] for value in kept.values()) for name in ("theme", "agents", "version"))
    assert settings_store.load() == (loaded, ())


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"{", b"[]", b"5", b"\xff", b'{"a": ' + b"9" * 5000 + b"}"])
def test_f18_a_damaged_file_is_moved_aside(settings_store: SettingsStore, content: bytes) -> None:
    settings_store.paths.settings.write_bytes(content)
    loaded, problems = settings_store.load()
    assert loaded == Settings()
    assert Path(problems[0].path).read_bytes() == content
    assert problems[0].hint
    assert settings_store.load() == (Settings(), ())


def test_f18_a_damaged_file_is_kept_when_settings_are_saved(settings_store: SettingsStore) -> None:
    settings_store.paths.settings.write_bytes(b"{half")
    settings_store.save(MINE)
    assert settings_store.load() == (MINE, ())
    assert [path.read_bytes() for path in settings_store.paths.damaged.iterdir()] == [b"{half"]


def test_f18_a_flipped_bit_is_read_or_moved_aside(settings_store: SettingsStore) -> None:
    settings_store.save(MINE)
    path = settings_store.paths.settings
    good = path.read_bytes()
    choose = random.Random(18)
    for _ in range(1000):
        data = bytearray(good)
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        path.write_bytes(bytes(data))
        settings_store.load()
        kept = path if path.exists() else next(settings_store.paths.damaged.iterdir())
        assert kept.read_bytes() == bytes(data)
        kept.unlink()


def test_f18_a_newer_file_is_used_and_stays_as_it_is(settings_store: SettingsStore) -> None:
    text = json.dumps({"version": SCHEMA + 1, "theme": "dark", "future": 1})
    settings_store.paths.settings.write_text(text)
    loaded, _ = settings_store.load()
    assert loaded.theme == "dark"
    for mine in (loaded, Settings()):
        with pytest.raises(StoreError, match="newer version"):
            settings_store.save(mine)
    assert settings_store.paths.settings.read_text() == text


def test_values_are_checked_before_they_are_written(settings_store: SettingsStore) -> None:
    with pytest.raises(InvalidInput) as caught:
        settings_store.save(MINE.model_copy(update={"max_running_tasks": 0}))
    assert caught.value.field == "max_running_tasks"
    assert not settings_store.paths.settings.exists()


@pytest.mark.parametrize("step", STEPS[:4])
def test_f19_a_refused_save_leaves_the_old(home: Paths, settings_store: SettingsStore, step: str) -> None:
    settings_store.save(MINE)
    with pytest.raises(StoreError, match="No space left"):
        SettingsStore(paths=home, disk=NotingDisk(step)).save(Settings())
    assert settings_store.load() == (MINE, ())


def test_what_cannot_be_read_or_moved_is_a_problem_and_no_crash(
    settings_store: SettingsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_store.paths.settings.mkdir()
    loaded, problems = settings_store.load()
    assert loaded == Settings()
    assert problems
    monkeypatch.setattr("agents_runner.store.files.LOCK_S", 0.01)
    with locked(settings_store.paths.config / "settings.lock", "settings"):
        assert settings_store.load()[0] == Settings()
