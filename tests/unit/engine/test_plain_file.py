"""What comes out of a container as a tar: one plain file of a sensible size, or nothing of it is believed."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.errors import FileRefused
from agents_runner.engine.archive import plain_file

LIMIT = 1000


def packed(kind: bytes = tarfile.REGTYPE, size: int = 0, data: bytes = b"", link: str = "", name: str = "f") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size or len(data), link
    filling = bytes(-len(data) % tarfile.BLOCKSIZE) if data else b""
    return entry.tobuf(tarfile.GNU_FORMAT) + data + filling + bytes(2 * tarfile.BLOCKSIZE)


def taken(*parts: bytes, limit: int = LIMIT) -> bytes:
    return plain_file(parts, "/f", limit=limit, deadline=time.monotonic() + 60)


@given(st.binary(max_size=LIMIT), st.integers(1, 3000))
def test_c1_a_plain_file_in_any_pieces(data: bytes, step: int) -> None:
    tar = packed(data=data)
    assert taken(*(tar[at : at + step] for at in range(0, len(tar), step))) == data


KINDS = {
    "link": tarfile.SYMTYPE, "hard-link": tarfile.LNKTYPE, "folder": tarfile.DIRTYPE, "pipe": tarfile.FIFOTYPE,
    "character-device": tarfile.CHRTYPE, "block-device": tarfile.BLKTYPE, "sparse": tarfile.GNUTYPE_SPARSE,
    "contiguous": tarfile.CONTTYPE, "unknown": b"Z",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_c1_every_other_kind_is_refused(kind: bytes) -> None:
    with pytest.raises(FileRefused):
        taken(packed(kind, data=b"x" * 10, link="/etc/shadow"))


@pytest.mark.parametrize("data", [b"", b"no tar", bytes(512), bytes(5000), packed(data=b"x" * 900)[:700]])
def test_c1_what_is_no_whole_tar_is_refused(data: bytes) -> None:
    with pytest.raises(FileRefused):
        taken(data)


@given(st.binary(max_size=2000))
def test_c1_any_bytes_are_a_file_or_refused(data: bytes) -> None:
    try:
        found = taken(data)
    except FileRefused:
        return
    assert len(found) <= LIMIT


def test_c1_an_answer_without_end_costs_no_memory() -> None:
    given_out = 0

    def endless() -> Iterator[bytes]:
        nonlocal given_out
        yield packed(size=100 * 10**9)[:512]
        for part in itertools.repeat(bytes(65536)):
            given_out += len(part)
            yield part

    tracemalloc.start()
    with pytest.raises(FileRefused, match="larger than"):
        plain_file(endless(), "/f", limit=10**6, deadline=time.monotonic() + 60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert given_out < 2 * 10**6
    assert peak < 8 * 10**6


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_c1_nothing_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FileRefused):
        taken(pack(packed(data=bytes(900))))


def test_c1_an_answer_that_only_drips_ends_with_its_time() -> None:
    drops = itertools.repeat(b"\0")
    with pytest.raises(FileRefused, match="in time"):
        plain_file(drops, "/f", limit=10**9, deadline=time.monotonic())


def test_c1_many_headers_are_no_way_around_the_limit() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entry = tarfile.TarInfo("f")
        entry.pax_headers = {"SCHILY.xattr.user.x": "y" * 3_000_000}
        tar.addfile(entry)
    parts = iter(buffer.getvalue()[at : at + 65536] for at in range(0, 3_000_000, 65536))
    with pytest.raises(FileRefused):
        plain_file(parts, "/f", limit=LIMIT, deadline=time.monotonic() + 60)
    assert len(list(parts)) > 30, "most of it was never asked for"
