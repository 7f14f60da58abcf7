"""A task's log file: whole lines, whatever is in them and whatever the disk does."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.core.errors import StoreError
from agents_runner.store import logfile
from agents_runner.store.logfile import FLUSH_BYTES, LogWriter, read_log, read_log_from

STREAMS = st.sampled_from(["stdout", "stderr", "system"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(STREAMS, st.text(max_size=40)), max_size=20), st.integers(1, 30))
def test_every_line_comes_back_as_one_line(path: Path, lines: list[tuple[str, str]], part: int) -> None:
    path.unlink(missing_ok=True)
    with LogWriter(path) as writer:
        for stream, text in lines:
            writer.write(stream, text)
    expected = tuple(
        (stream, text.replace("\n", "\\n").encode("utf-8", "backslashreplace").decode()) for stream, text in lines
    )
    assert read_log(path) == expected
    assert read_log(path, 3) == expected[3:]
    found, position = [], 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "PART_BYTES", part)
        while (read := read_log_from(path, position)).position > position:
            found += read.lines
            position = read.position
    assert tuple(found) == expected


def test_an_unknown_stream_is_ours(path: Path) -> None:
    with LogWriter(path) as writer:
        writer.write("else", "text")
    assert read_log(path) == (("system", "text"),)


def test_nothing_is_there_before_the_first_line(path: Path) -> None:
    assert read_log(path) == ()
    assert read_log_from(path) == ((), 0)
    assert read_log_from(path, 7) == ((), 7)


def test_a_line_that_is_still_being_written_waits(path: Path) -> None:
    path.write_bytes(b"o whole\ne half")
    assert read_log(path) == (("stdout", "whole"),)
    part = read_log_from(path)
    assert part == ((("stdout", "whole"),), 8)
    with path.open("ab") as file:
        file.write(b" and the rest\n")
    assert read_log_from(path, part.position).lines == (("stderr", "half and the rest"),)


def test_a_new_writer_does_not_go_on_in_a_torn_line(path: Path) -> None:
    path.write_bytes(b"o whole\no to")
    with LogWriter(path) as writer:
        writer.write("stdout", "next")
    assert read_log(path) == (("stdout", "whole"), ("stdout", "to"), ("stdout", "next"))


def test_much_output_does_not_wait_for_the_end(path: Path) -> None:
    with LogWriter(path) as writer:
        for _ in range(3):
            writer.write("stdout", "x" * FLUSH_BYTES)
        assert path.stat().st_size > 3 * FLUSH_BYTES
    assert path.stat().st_mode & 0o777 == 0o600


class RefusingSystem:
    """A disk with room for so many bytes more; None is no limit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, handle: int, data: bytes) -> int:
        if self.room is None:
            return self._write(handle, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(handle, bytes(data)[: self.room])
        self.room -= written
        return written


def test_f19_a_full_disk_ends_no_task_and_lines_go_on_where_they_broke_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = RefusingSystem(monkeypatch)
    with LogWriter(path) as writer:
        writer.write("stdout", "before")
        writer.flush()
        system.room = 3
        writer.write("stdout", "broken")
        writer.flush()
        assert writer.problem is not None
        assert "No space left" in writer.problem.message
        writer.write("stderr", "after")
        system.room = None
    assert writer.problem is None
    assert read_log(path) == (("stdout", "before"), ("stdout", "broken"), ("stderr", "after"))


def test_f19_what_is_too_much_to_keep_is_counted_in_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = RefusingSystem(monkeypatch)
    monkeypatch.setattr(logfile, "KEPT_BYTES", 100)
    with LogWriter(path) as writer:
        system.room = 0
        for number in range(60):
            writer.write("stdout", f"{number:08}")
        system.room = None
        writer.flush()
        writer.write("stdout", "again")
    lines = read_log(path)
    assert lines[0] == ("stdout", "00000000")
    assert lines[-1] == ("stdout", "again")
    kept = sum(stream == "stdout" for stream, _ in lines) - 1
    assert lines[-2] == ("system", f"{60 - kept} lines are missing here: the log could not be written.")


def test_a_log_that_could_not_be_written_is_said_at_the_end(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = LogWriter(path / "in" / "no" / "folder")
    writer.write("stdout", "lost")
    with caplog.at_level(logging.WARNING):
        writer.close()
    assert "No such file" in caplog.text


def test_a_log_that_cannot_be_read(path: Path) -> None:
    path.mkdir()
    for read in (read_log, read_log_from):
        with pytest.raises(StoreError, match="cannot be read"):
            read(path)
