"""The place of the one window: a second start asks for it, and no dead process stands in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agents_runner.core.errors import StoreError
from agents_runner.store.locks import HeldLock
from agents_runner.store.one_window import WindowPlace
from tests.support.waiting import until

HOLD = (
    "import sys; from pathlib import Path; from agents_runner.store.one_window import WindowPlace\n"
    "held = WindowPlace(folder=Path(sys.argv[1])).take(); print('held', flush=True); sys.stdin.read()"
)


def test_f7_the_second_asks_the_first_and_names_an_environment(tmp_path: Path) -> None:
    place = WindowPlace(folder=tmp_path / "window")
    first = place.take()
    assert first is not None
    second: list[object] = []
    with first:
        thread = threading.Thread(target=lambda: second.append(place.take("shop")))
        thread.start()
        assert until(lambda: list(place.requests())) == ["shop"]
        thread.join()
    assert second == [None]
    assert [path.name for path in place.folder.iterdir()] == ["lock"]


def test_f7_a_window_that_does_not_answer_is_named(tmp_path: Path) -> None:
    place = WindowPlace(folder=tmp_path / "window", patience_s=0.0)
    first = place.take()
    assert first is not None
    with first, pytest.raises(StoreError, match="does not answer"):
        place.take()
    assert list(place.requests()) == []


def test_f7_a_window_that_closes_meanwhile_makes_room(tmp_path: Path) -> None:
    place = WindowPlace(folder=tmp_path / "window")
    first = place.take()
    assert first is not None
    second: list[object] = []
    thread = threading.Thread(target=lambda: second.append(place.take()))
    thread.start()
    until(lambda: list(place.folder.glob("ask-*")))
    first.__exit__(None, None, None)
    thread.join()
    (held,) = second
    assert isinstance(held, HeldLock)
    held.close()


def test_f7_the_place_of_a_killed_window_is_free_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "window"
    place = WindowPlace(folder=folder, patience_s=0.0)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError):
            place.take()
        (folder / "ask-1-old").write_text("left by a killed process")
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    held = place.take()
    assert held is not None
    with held:
        assert list(place.requests()) == []


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"environment": 3}'])
def test_f7_a_request_that_makes_no_sense_only_shows_the_window(tmp_path: Path, data: bytes) -> None:
    place = WindowPlace(folder=tmp_path)
    (tmp_path / "ask-1-a").write_bytes(data)
    assert list(place.requests()) == [""]
