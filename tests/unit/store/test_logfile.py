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
    found, position = [], 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logfile, "PART_BYTES", part)
        while (read := read_log_from(path, position)).position > position:
            found += read.lines
            position = read.position
    assert tuple(found) == expected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([b"", b"o whole\n", b"o whole\no half"]),
    st.lists(st.tuples(STREAMS, st.text(max_size=40), st.booleans()), max_size=20),
)
def test_a_line_knows_where_it_ends_before_it_is_written(
    path: Path, before: bytes, lines: list[tuple[str, str, bool]]
) -> None:
    path.write_bytes(before)
    positions = []
    with LogWriter(path) as writer:
        for stream, text, flush in lines:
            positions.append(writer.write(stream, text))
            assert positions[-1] == writer.end
            if flush:
                writer.flush()
    data = path.read_bytes()
    assert [position for position in positions if position is None or data[position - 1 : position] != b"\n"] == []
    for (stream, text, _), position in zip(lines, positions, strict=True):
        assert position is not None
        start = data.rfind(b"\n", 0, position - 1) + 1
        assert read_log_from(path, start).lines[0] == _as_read(stream, text)
    assert not positions or positions[-1] == len(data)


def _as_read(stream: str, text: str) -> tuple[str, str]:
    return stream, text.replace("\n", "\\n").encode("utf-8", "backslashreplace").decode()


def test_positions_hold_on_a_disk_that_refuses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = RefusingSystem(monkeypatch)
    monkeypatch.setattr(logfile, "KEPT_BYTES", 30)
    with LogWriter(path) as writer:
        system.room = 3
        first = writer.write("stdout", "broken")
        writer.flush()
        second = writer.write("stdout", "waits for room, and has it")
        assert writer.write("stdout", "has none") is None
        system.room = None
        writer.flush()
        last = writer.write("stdout", "again")
    assert (first, second) == (9, 9 + 29)
    assert last == path.stat().st_size
    (said, again) = read_log_from(path, second or 0).lines
    assert (said[0], again) == ("system", ("stdout", "again")), "the file tells what is missing, in its place"


def test_a_log_that_was_removed_is_gone_on_with(path: Path) -> None:
    with LogWriter(path) as writer:
        writer.write("stdout", "a line that is gone")
        writer.flush()
        position = read_log_from(path).position
        path.unlink()
        writer.write("stdout", "one")
        writer.flush()
        assert writer.write("stdout", "two") == 12
    assert read_log_from(path, position) == ((("stdout", "one"), ("stdout", "two")), 12)


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
