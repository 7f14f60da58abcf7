"""Masking: whole secrets, their encodings, and secrets that a stream brings in pieces."""

from __future__ import annotations

import base64
import itertools
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents_runner.core.redaction import MASK, MIN_SECRET, Redactor, redact
from agents_runner.launcher.protocol import CUT, MAX_LINE, OutputParser

SECRET = "gh-p4t/zX9+q'8\"wK=mN2"
words = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=MIN_SECRET, max_size=40)


def _lines(redactor: Redactor, data: bytes, cuts: list[int]) -> list[str]:
    """What a container's bytes, cut at these places, become in the log."""
    parser = OutputParser("")
    edges = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    found = []
    for start, end in itertools.pairwise(edges):
        found += [one.line for one in parser.feed("stdout", data[start:end])]  # type: ignore[union-attr]
    found += [one.line for one in parser.finish()]  # type: ignore[union-attr]
    return [redactor.line("stdout", line) for line in found]


@pytest.mark.parametrize("cut", range(len(SECRET) + 8))
def test_s2_a_secret_in_two_chunks_is_masked_at_every_place_of_the_cut(cut: int) -> None:
    lines = _lines(Redactor([SECRET]), f"it is {SECRET}\nnext\n".encode(), [cut])
    assert lines == [f"it is {MASK}", "next"]


@given(st.text(max_size=30), words, st.text(max_size=30), st.lists(st.integers(0, 120), max_size=6))
@example("", "***abc", "", [])
def test_s2_chunks_do_not_change_what_is_masked(before: str, secret: str, after: str, cuts: list[int]) -> None:
    text = f"{before}{secret}{after}".replace("\n", " ").replace("\r", " ").encode("utf-8", "replace")
    whole = _lines(Redactor([secret]), text, [])
    assert _lines(Redactor([secret]), text, cuts) == whole
    assert secret not in "".join(whole) or secret in MASK * 9 + "".join(whole).replace(MASK, "")


@pytest.mark.parametrize("width", range(1, len(SECRET)))
def test_s2_a_secret_over_several_lines_is_masked_from_its_fourth_character_on(width: int) -> None:
    redactor = Redactor([SECRET])
    text = f"x {SECRET} y"
    shown = [redactor.line("stderr", text[at : at + width]) for at in range(0, len(text), width)]
    left = "".join(shown).replace("*", "")
    assert SECRET[3:] not in left
    assert len(left) <= len("x  y") + 3


def test_s2_lines_of_the_other_stream_do_not_come_between() -> None:
    redactor = Redactor([SECRET])
    first = redactor.line("stdout", SECRET[:10])
    assert redactor.line("stderr", "progress") == "progress"
    assert (first, redactor.line("stdout", SECRET[10:] + "!")) == (MASK, MASK + "!")


def test_s2_a_line_that_is_cut_for_its_length_hides_no_secret() -> None:
    data = b"." * (MAX_LINE - 7) + SECRET.encode() + b"\n"
    lines = _lines(Redactor([SECRET], glue=CUT), data, [])
    assert lines == ["." * (MAX_LINE - 7) + MASK + CUT, MASK]


ENCODINGS = {
    "plain": SECRET,
    "url": quote(SECRET, safe=""),
    "json": json.dumps(SECRET)[1:-1],
    "shell": SECRET.replace("'", "'\\''"),
    **{f"base64 behind {n}": base64.b64encode(b"x" * n + SECRET.encode() + b"yy").decode() for n in range(4)},
    "base64 for urls": base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_s2_encodings_are_masked(name: str) -> None:
    line = Redactor([SECRET]).line("stdout", f"a {ENCODINGS[name]} b")
    assert MASK in line
    assert len(line) < len("a  b") + len(MASK) + 16  # what base64 mixes with its neighbours stays


def test_s2_colours_inside_a_secret_do_not_hide_it() -> None:
    coloured = f"\x1b[1m{SECRET[:5]}\x1b[31m{SECRET[5:]}\x1b[0m"
    assert Redactor([SECRET]).line("stdout", f"got {coloured}") == f"got {MASK}"
    assert Redactor([SECRET]).line("stdout", "\x1b[32mgreen\x1b[0m") == "\x1b[32mgreen\x1b[0m"


PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"


def test_s2_every_line_of_a_secret_of_several_lines_is_masked() -> None:
    redactor = Redactor([PEM])
    assert [redactor.line("stdout", line) for line in PEM.splitlines()][1:3] == [MASK, MASK]
    assert redactor.line("stdout", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC") == MASK
    assert redactor.text(json.dumps({"key": PEM})) == json.dumps({"key": MASK})


def test_s2_overlapping_secrets_leave_no_part() -> None:
    assert redact("abc-secret1-secret2-def", ["secret1-secret2", "secret2-def", "c-secre"]) == f"ab{MASK}"


def test_s2_short_values_are_not_masked() -> None:
    assert redact("a yes b", ["yes"]) == "a yes b"
    assert not Redactor(["yes", ""])


def test_s2_ordinary_lines_stay_as_they_are() -> None:
    redactor = Redactor([SECRET, PEM])
    for line in ("", "g", "gh", "gh-", "hello", "-----", "100%"):
        assert redactor.line("stdout", line) == line
