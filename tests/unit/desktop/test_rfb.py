"""A view-only connection: whatever the viewer sends and however it is cut, no key, click or clipboard passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.errors import InvalidInput
from agents_runner.desktop.rfb import MAX_MESSAGE, VERSION, ViewOnly

GREETING = VERSION + b"\x01" + b"\x01"
PIXEL_FORMAT = b"\x00" + bytes(19)
ENCODINGS = b"\x02\x00\x00\x03" + bytes(12)
UPDATE = b"\x03\x01" + bytes(8)
CONTINUOUS = b"\x96\x01" + bytes(8)
FENCE = b"\xf8" + bytes(7) + b"\x04abcd"
KEY = b"\x04\x01\x00\x00\x00\x00\x00\x61"
POINTER = b"\x05\x01\x00\x10\x00\x10"
CLIPBOARD = b"\x06\x00\x00\x00\x00\x00\x00\x05hello"
EXTENDED_CLIPBOARD = b"\x06\x00\x00\x00" + (-6).to_bytes(4, "big", signed=True) + b"\x02\x00\x00\x01xx"
SIZE = b"\xfb\x00\x04\x00\x03\x00\x01\x00" + bytes(16)
EXTENDED_KEY = b"\xff\x00" + bytes(10)
POWER = b"\xfa\x00\x01\x02"
PASSES = (PIXEL_FORMAT, ENCODINGS, UPDATE, CONTINUOUS, FENCE)
STAYS = (KEY, POINTER, CLIPBOARD, EXTENDED_CLIPBOARD, SIZE, EXTENDED_KEY, POWER)


@given(st.lists(st.sampled_from([*PASSES, *STAYS])), st.lists(st.integers(1, 40)))
def test_only_what_asks_for_pictures_passes(messages: list[bytes], cuts: list[int]) -> None:
    data = GREETING + b"".join(messages)
    gate, passed, at = ViewOnly(), b"", 0
    for cut in [*cuts, len(data)]:
        passed += gate.feed(data[at : at + cut])
        at += cut
    assert passed == GREETING + b"".join(message for message in messages if message in PASSES)


@pytest.mark.parametrize(
    "data",
    [
        b"RFB 003.003\n",
        b"GET / HTTP/1.1\r\n",
        GREETING + b"\x63",
        GREETING + b"\x06\x00\x00\x00" + (MAX_MESSAGE + 1).to_bytes(4, "big"),
        GREETING + b"\x06\x00\x00\x00\x80\x00\x00\x00",
    ],
)
def test_what_is_not_understood_ends_the_connection(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        ViewOnly().feed(data)


def test_nothing_passes_behind_what_was_not_understood() -> None:
    gate = ViewOnly()
    assert gate.feed(GREETING) == GREETING
    with pytest.raises(InvalidInput):
        gate.feed(UPDATE + b"\x63" + KEY)
