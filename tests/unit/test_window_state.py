"""What the window remembers: a round trip, and that no file whatever keeps the window from opening."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.store.window_state import WindowState, WindowStateFile

STATE = WindowState(
    geometry="AdnQywADAAA=", page="Tasks", environment="web", tab="Preflight", task="a" * 12, last_used="web"
)


def test_what_was_saved_is_found(tmp_path: Path) -> None:
    kept = WindowStateFile(path=tmp_path / "window.json")
    assert kept.load() == WindowState()
    kept.save(STATE)
    assert WindowStateFile(path=tmp_path / "window.json").load() == STATE
    assert (tmp_path / "window.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"page": 3}',
        b'{"geometry": null}',
        b"\xff\xfe",
        b" " * 70_000 + b'{"page": "Tasks"}',
    ],
)
def test_a_damaged_file_is_as_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "window.json"
    path.write_bytes(data)
    assert WindowStateFile(path=path).load() == WindowState()
    WindowStateFile(path=path).save(STATE)
    assert WindowStateFile(path=path).load() == STATE


def test_a_pipe_or_a_folder_in_its_place_is_as_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        assert WindowStateFile(path=tmp_path / name).load() == WindowState()
    with pytest.raises(StoreError):
        WindowStateFile(path=tmp_path / "folder").save(STATE)


def test_values_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    path.write_text('{"page": "Tasks", "zoom": 3}')
    assert WindowStateFile(path=path).load() == WindowState(page="Tasks")
