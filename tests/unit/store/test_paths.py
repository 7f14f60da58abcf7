"""Where the files are, who may read them, and what is said where they cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.store.files import TEMP_PREFIX
from agents_runner.store.os_errors import unwritable
from agents_runner.store.paths import Paths


def test_everything_is_under_the_one_folder(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    paths = Paths.find({"AGENTS_RUNNER_HOME": str(home)})
    assert not home.exists(), "finding makes nothing"
    names = [name for name in dir(Paths) if isinstance(getattr(Paths, name), property)]
    assert {"environments", "tasks", "run", "workspaces", "cache", "backups", "settings", "database"} <= set(names)
    for name in names:
        assert home in getattr(paths, name).parents, name


def test_the_platforms_own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    paths = Paths.find({})
    assert paths.settings == tmp_path / "CONFIG" / "agents-runner" / "settings.json"
    assert paths.database == tmp_path / "DATA" / "agents-runner" / "tasks.sqlite3"
    assert paths.cache == tmp_path / "CACHE" / "agents-runner"


def test_a_name_of_nobody_is_a_folder_like_any_other() -> None:
    assert Paths.find({"AGENTS_RUNNER_HOME": "~nobody-of-that-name/x"}).config.parts[-2:] == (
        "~nobody-of-that-name",
        "x",
    )


def test_the_folders_are_private_whatever_made_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "tasks").mkdir(parents=True)
    (home / "tasks").chmod(0o755)
    paths = Paths.find({"AGENTS_RUNNER_HOME": str(home)}).ensure()
    for folder in (paths.environments, paths.tasks, paths.run, paths.workspaces):
        assert folder.stat().st_mode & 0o777 == 0o700, folder


def test_a_folder_of_the_persons_own_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Paths.find({"AGENTS_RUNNER_HOME": str(tmp_path)}).ensure()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("inner", ["", "environments", "below/it"])
def test_a_file_where_a_folder_should_be(tmp_path: Path, inner: str) -> None:
    home = tmp_path / "home"
    blocked = home / "environments" if inner == "environments" else home
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("mine")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        Paths.find({"AGENTS_RUNNER_HOME": str(home / inner if inner == "below/it" else home)}).ensure()
    assert "AGENTS_RUNNER_HOME" in caught.value.hint
    assert blocked.read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "word"), [(errno.ENOSPC, "space"), (errno.EROFS, "writable"), (errno.EACCES, "right"), (0, "right")]
)
def test_each_refusal_has_its_own_way_out(number: int, word: str) -> None:
    fault = unwritable(Path("/x"), OSError(number, os.strerror(number)))
    assert word in fault.hint
    assert "AGENTS_RUNNER_HOME" in fault.hint


def test_the_instance_id_stays_and_a_damaged_one_is_made_anew(home: Paths) -> None:
    first = home.instance_id()
    assert len(first) == 12
    assert Paths.find({"AGENTS_RUNNER_HOME": str(home.config)}).instance_id() == first
    for damage in (b"", b"\0\0\0", b"\xff\xfe", b"not an id"):
        home.instance_file.write_bytes(damage)
        anew = home.instance_id()
        assert anew != first
        assert home.instance_id() == anew
    assert sorted(path.read_bytes() for path in home.damaged_data.iterdir()) == sorted(
        [b"", b"\0\0\0", b"\xff\xfe", b"not an id"]
    )


def test_f19_what_a_killed_process_left_is_swept_at_start_and_nothing_else(home: Paths) -> None:
    gone = home.environments / f"{TEMP_PREFIX}999999999-abc"
    half_a_task = home.tasks / f"{TEMP_PREFIX}999999999-def"
    own = home.environments / f"{TEMP_PREFIX}{os.getpid()}-ghi"
    old = home.environments / f"{TEMP_PREFIX}{os.getpid()}-jkl"
    mine = home.environments / "tmp-notes.txt"
    for path in (gone, own, old, mine):
        path.write_text("half")
    half_a_task.mkdir()
    (half_a_task / "prompt").write_text("half")
    os.utime(old, (1, 1))
    home.ensure()
    assert [path.exists() for path in (gone, half_a_task, own, old, mine)] == [False, False, True, False, True]
