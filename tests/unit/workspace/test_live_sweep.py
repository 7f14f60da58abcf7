"""The look at a live folder after a task: what it clears, what it reports, and what it never touches."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents_runner.containers.cancellation import LocalCancellation
from agents_runner.core.errors import Cancelled
from agents_runner.workspace.live_sweep import MAX_DEPTH, MAX_NAMES, LiveSweep, SweepReport, harmless


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def look(folder: Path, since: float = 0.0, uid: int | None = None, **more: Callable[[], None]) -> SweepReport:
    return LiveSweep(since=since, uid=os.getuid() if uid is None else uid, **more).run(str(folder))


def bad(path: Path, bits: int = 0o4755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    path.chmod(bits)
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.mark.parametrize("bits", [0o4755, 0o2755, 0o6755, 0o4000, 0o4777, 0o6111])
def test_h3_setuid_and_setgid_bits_of_files_are_cleared_and_the_rest_of_the_mode_stays(work: Path, bits: int) -> None:
    file = bad(work / "deep" / "er" / "tool", bits)
    report = look(work)
    assert mode(file) == bits & 0o777
    assert report.cleared.shown == ["deep/er/tool"]
    assert not report.needs_mending


def test_h3_a_folder_keeps_its_setgid_bit(work: Path) -> None:
    folder = work / "shared"
    folder.mkdir()
    folder.chmod(0o2775)
    assert look(work).cleared.count == 0
    assert mode(folder) == 0o2775


def test_h3_what_is_older_than_the_task_stays_as_it_is(work: Path) -> None:
    file = bad(work / "old")
    report = look(work, since=file.stat().st_ctime + 1)
    assert mode(file) == 0o4755
    assert report.cleared.count == 0
    assert look(work, since=file.stat().st_ctime + 1, uid=os.getuid() + 1).foreign.count == 0


def test_h3_files_of_another_owner_are_reported_and_not_touched(work: Path) -> None:
    file = bad(work / "theirs")
    report = look(work, uid=os.getuid() + 1)
    assert report.foreign.shown == ["theirs"]
    assert report.needs_mending
    assert mode(file) == 0o4755


@pytest.mark.parametrize(
    "kind", ["link to a file", "link to a folder", "dangling link", "loop", "link to itself", "pipe", "socket"]
)
def test_h3_nothing_but_plain_files_and_folders_is_followed_opened_or_waited_for(
    work: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = bad(tmp_path / "outside" / "tool")
    odd = work / "odd"
    match kind:
        case "link to a file":
            odd.symlink_to(outside)
        case "link to a folder":
            odd.symlink_to(outside.parent)
        case "dangling link":
            odd.symlink_to(tmp_path / "nowhere")
        case "loop":
            odd.mkdir()
            (odd / "up").symlink_to("..")
        case "link to itself":
            odd.symlink_to("odd")
        case "pipe":
            os.mkfifo(odd, 0o6777)
        case _:
            # Its whole path may be longer than a socket's address.
            monkeypatch.chdir(work)
            with socket.socket(socket.AF_UNIX) as one:
                one.bind("odd")
    begun = time.monotonic()
    report = look(work)
    assert time.monotonic() - begun < 5
    assert mode(outside) == 0o4755
    assert report.cleared.count == 0
    assert report.complete


def test_h3_a_hard_link_to_a_file_outside_that_has_bits_loses_them_only_if_it_changed_since(
    work: Path, tmp_path: Path
) -> None:
    outside = bad(tmp_path / "tool")
    (work / "same").hardlink_to(outside)
    assert look(work, since=time.time() + 1).cleared.count == 0
    assert mode(outside) == 0o4755


@pytest.mark.parametrize("name", ["-rf", "a\nb", "\x1b]0;title\x07", "..\\", " ", "*", "%s%n", "é" * 60, b"\xff\xfe"])
def test_h3_hostile_names_are_data(work: Path, name: str | bytes) -> None:
    text = os.fsdecode(name)
    bad(work / text)
    report = look(work)
    assert report.cleared.count == 1
    assert all(one.isprintable() for one in report.cleared.shown[0])
    assert mode(work / text) == 0o755


def test_h3_many_names_are_a_count_and_the_first_few(work: Path) -> None:
    for number in range(50):
        bad(work / f"tool{number:02}")
    report = look(work)
    assert report.cleared.count == 50
    assert len(report.cleared.shown) == MAX_NAMES
    assert str(report.cleared).endswith("and 45 more")
    assert len(harmless("x" * 100_000)) < 100


def test_h3_what_is_nested_too_deeply_is_said_and_no_descriptor_is_left(work: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    at = os.open(work, os.O_RDONLY)
    for _ in range(MAX_DEPTH * 3):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    report = look(work)
    assert report.closed.count == 1
    assert report.needs_mending
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_h3_a_mount_that_is_one_file_is_looked_at_and_a_link_in_its_place_is_not(work: Path, tmp_path: Path) -> None:
    file = bad(work / "one")
    assert look(file).cleared.count == 1
    outside = bad(tmp_path / "outside")
    file.unlink()
    file.symlink_to(outside)
    assert look(file).cleared.count == 0
    assert mode(outside) == 0o4755


@pytest.mark.parametrize("place", ["", "gone", "gone/further"])
def test_h3_a_folder_that_is_not_there_any_more_is_nothing(work: Path, place: str) -> None:
    if place:
        assert look(work / place) == SweepReport()
    else:
        work.rmdir()
        assert look(work) == SweepReport()


def test_h3_a_stop_ends_the_look(work: Path) -> None:
    for number in range(2000):
        (work / f"f{number}").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))

    stop = LocalCancellation()
    stop.cancel()
    with pytest.raises(Cancelled):
        look(work, interruption=stop)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("part", ["file", "folder"])
def test_h3_a_name_that_is_swapped_for_a_link_all_the_time_leads_nowhere(
    work: Path, tmp_path: Path, part: str
) -> None:
    """A thousand looks beside a thread that swaps a file, or its folder, for a link to the outside."""
    outside = bad(tmp_path / "outside" / "tool")
    inside = bad(work / "sub" / "tool")
    swapped, target = (inside, outside) if part == "file" else (inside.parent, outside.parent)
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(target)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            swapped.rename(real)
            link.rename(swapped)
            swapped.rename(link)
            real.rename(swapped)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(1000):
            look(work)
            assert mode(outside) == 0o4755
    finally:
        over.set()
        thread.join()
    inside.chmod(0o4755)
    assert look(work).cleared.count == 1


def test_h3_a_folder_that_is_closed_to_the_person_is_said(work: Path) -> None:
    (work / "closed").mkdir(mode=0o700)
    bad(work / "closed" / "tool")
    (work / "closed").chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        report = look(work)
    finally:
        if root:
            os.seteuid(0)
        (work / "closed").chmod(0o700)
    assert report.needs_mending
    assert report.cleared.count == 0
