"""One save: its order, what a refusing disk leaves, and that nothing is ever moved over something else."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.files import TEMP_PREFIX, back_up, locked, move_aside, write_atomic
from agents_runner.store.paths import Paths
from tests.unit.store.disks import STEPS, NotingDisk
from tests.unit.store.test_store import ENVIRONMENT

ROOT = Path(__file__).parents[3]


def litter(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.startswith(TEMP_PREFIX)]


def test_f19_the_steps_of_a_save_in_their_order(tmp_path: Path) -> None:
    disk = NotingDisk()
    path = tmp_path / "file"
    write_atomic(path, b"data", disk)
    assert [step for step, _ in disk.steps] == list(STEPS)
    assert dict(disk.steps)["create"] == str(tmp_path), "the same folder: a rename there cannot copy"
    assert dict(disk.steps)["rename"] == f"{tmp_path} {path}"
    assert dict(disk.steps)["sync_folder"] == str(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("step", STEPS)
def test_f19_a_disk_that_refuses_any_step_leaves_the_old_or_the_new(tmp_path: Path, step: str, error: int) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old" * 1000)
    with pytest.raises(StoreError, match=os.strerror(error)) as caught:
        write_atomic(path, b"new" * 2000, NotingDisk(step, error))
    assert caught.value.hint
    assert path.read_bytes() == (b"new" * 2000 if step == "sync_folder" else b"old" * 1000)
    assert litter(tmp_path) == []


@pytest.mark.parametrize("step", STEPS[:4])
def test_f19_a_refused_save_of_an_environment(home: Paths, step: str) -> None:
    EnvironmentStore(paths=home).save(ENVIRONMENT)
    refusing = EnvironmentStore(paths=home, disk=NotingDisk(step))
    with pytest.raises(StoreError):
        refusing.save(ENVIRONMENT.model_copy(update={"name": "new"}))
    assert EnvironmentStore(paths=home).list().environments == (ENVIRONMENT,)
    with pytest.raises(StoreError):
        refusing.save(ENVIRONMENT.model_copy(update={"id": "other"}))
    assert EnvironmentStore(paths=home).list().environments == (ENVIRONMENT,)
    assert litter(home.config) == []


def test_f19_killed_500_times_while_saving(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.store.kill_loop", str(tmp_path / "home"), "500"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["wrong"] == []
    assert seen["littered"] > 0, "no kill hit a save: the test has lost its teeth"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "file", tmp_path / "link"
    write_atomic(real, b"old")
    link.symlink_to(real)
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_moving_aside_and_backing_up_never_overwrite(tmp_path: Path) -> None:
    folder = tmp_path / "aside"
    for number in range(5):
        path = tmp_path / "x.json"
        path.write_text(f"moved {number}")
        move_aside(path, folder)
        assert not path.exists()
        path.write_text(f"kept {number}")
        back_up(path, folder, path.read_bytes())
        assert path.exists()
    assert sorted(path.read_text() for path in folder.iterdir()) == sorted(
        [f"{word} {number}" for word in ("moved", "kept") for number in range(5)]
    )
    assert (folder / "x.json").read_text() == "kept 0"


def test_many_threads_move_files_aside_at_once(tmp_path: Path) -> None:
    def move(number: int) -> None:
        path = tmp_path / str(number) / "same.json"
        path.parent.mkdir()
        path.write_text(str(number))
        move_aside(path, tmp_path / "aside")

    threads = [threading.Thread(target=move, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(path.read_text()) for path in (tmp_path / "aside").iterdir()) == list(range(16))


def test_a_lock_keeps_others_out_and_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents_runner.store.files.LOCK_S", 0.01)
    path = tmp_path / "lock"
    with (
        locked(path, "things"),
        pytest.raises(StoreError, match="Another process holds the things"),
        locked(path, "things"),
    ):
        pass
    with locked(path, "things"):
        pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_lock_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), locked(tmp_path / "file" / "lock", "things"):
        pass
