"""Which processes live: said by a lock, and not said without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.store import locks
from agents_runner.store.owners import Owners


def test_a_process_lives_for_as_long_as_it_holds_its_lock(tmp_path: Path) -> None:
    here, there = Owners(folder=tmp_path), Owners(folder=tmp_path)
    assert not there.is_alive(os.getpid())
    assert here.hold() == here.hold() == os.getpid()
    assert there.is_alive(os.getpid())
    here.close()
    assert not there.is_alive(os.getpid())


def test_nobody_owns_tasks_without_the_lock(tmp_path: Path) -> None:
    owners = Owners(folder=tmp_path)
    owners.hold()
    (path,) = tmp_path.iterdir()
    owners.close()
    held = locks.take(path)
    assert held is not None
    with held, pytest.raises(StoreError, match="locked by another process"):
        Owners(folder=tmp_path).hold()
