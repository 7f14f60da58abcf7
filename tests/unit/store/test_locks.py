"""Locks between processes: held until they are closed or the process is gone, and by nobody else."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.store import locks

# The child goes on living; what it would still hold could not be had by the last line.
FORKS = """
import os, sys
from pathlib import Path
from agents_runner.store import locks
path = Path(sys.argv[1])
held = locks.take(path)
ready, told = os.pipe(), os.pipe()
if os.fork() == 0:
    os.write(ready[1], b"x")
    os.close(told[1])
    os.read(told[0], 1)
    os._exit(0)
os.read(ready[0], 1)
held.close()
print(locks.is_taken(path))
"""


def test_what_is_held_is_held_once_and_can_be_closed_on_any_thread(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    assert not locks.is_taken(path)
    assert not path.parent.exists(), "asking makes nothing"
    held = locks.take(path)
    assert held is not None
    assert locks.take(path) is None
    assert locks.is_taken(path)
    thread = threading.Thread(target=held.close)
    thread.start()
    thread.join()
    assert not locks.is_taken(path)
    held.close()
    again = locks.take(path)
    assert again is not None
    with again:
        held.close()
        assert locks.is_taken(path), "the first one's second closing is not the second one's"


def test_a_lock_s_file_and_its_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    held = locks.take(path)
    assert held is not None
    with held:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_child_that_goes_on_holds_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(tmp_path / "lock")], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("where", ["file/lock", "folder"])
def test_a_place_where_no_lock_can_be_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        locks.take(tmp_path / where)
