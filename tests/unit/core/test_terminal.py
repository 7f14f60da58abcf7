"""What of a container's words reaches a terminal."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.terminal import SafeLines, SafeText, one_line, visible

HOSTILE = {
    "title": "\x1b]0;title\x07",
    "title, ended by ST": "\x1b]2;title\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "link": "\x1b]8;;file:///etc/passwd\x07here\x1b]8;;\x07",
    "title by one byte": "\x9d0;title\x9c",
    "device control": "\x1bP$q q\x1b\\",
    "device control by one byte": "\x90$q q\x9c",
    "application command": "\x1b_Gf=100;AAAA\x1b\\",
    "privacy message": "\x1b^hidden\x1b\\",
    "string": "\x1bXhidden\x1b\\",
    "clear the screen": "\x1b[2J\x1b[H",
    "move the cursor": "\x1b[10;10H",
    "one byte CSI": "\x9b31m",
    "answerback": "\x1b[c\x1b[6n\x05",
    "window operation": "\x1b[21t\x1b[8;1;1t",
    "mode": "\x1b[?1049h\x1b[?25l",
    "keyboard": "\x1b[>4;2m",
    "private colour": "\x1b[?31m",
    "colour with something between": "\x1b[3 1m\x1b[31 m\x1b[31\x07m",
    "reset": "\x1bc",
    "character set": "\x1b(0\x0e",
    "lone escape": "before\x1b",
    "open colour": "\x1b[31",
    "escape in a colour": "\x1b[3\x1b[?1h",
    "overwritten line": "all is well\rrm -rf\b\b",
    "form feed": "\x0b\x0c",
    "bidirectional": "a\u202ecod.exe\u2066\u2069\u200f\u061c",
    "line separators": "a\u2028b\u2029c\x85d",
    "delete and NUL": "\x7f\x00",
    "half a character": "\ud83d",
}
COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
PIECES = st.sampled_from(
    [
        *HOSTILE.values(),
        "\x1b",
        "[",
        "3",
        "1",
        ";",
        "m",
        "\x1b[31m",
        "\x1b[0m",
        "\x1b[1;38;5;200m",
        "text",
        "é",
        "日",
        "\n",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join)


def harmless(text: str) -> bool:
    """Nothing is left that a terminal obeys, beside colours, tabs and line ends."""
    bare = COLOUR.sub("", text)
    return all(char in "\n\t" or char.isprintable() or ord(char) > 0x9F for char in bare) and not re.search(
        "[\u202a-\u202e\u2066-\u2069\u2028\u2029\u200e\u200f\u061c]", bare
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_m6_what_commands_a_terminal_is_written_out(name: str) -> None:
    text = HOSTILE[name]
    safe = SafeText()
    shown = safe.feed(text) + safe.end()
    assert harmless(shown)
    assert COLOUR.sub("", shown) == shown
    assert harmless(visible(text))
    assert len(shown) > len(text)
    assert "\n" not in one_line(text + "\n")


def test_m6_colours_pass_and_what_is_written_out_can_be_read() -> None:
    safe = SafeText()
    text = "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mtrue\x1b[m\tzwj \N{WOMAN}\u200d\N{PERSONAL COMPUTER} \u0627"
    assert safe.feed(text) + safe.end() == text
    assert visible("\x1b[31m\x9b\u202e\r\x7f") == "^[[31m<U+009B><U+202E>^M^?"
    long = "\x1b[" + "1;" * 100 + "m"
    assert safe.feed(long) + safe.end() == "^" + "[" + long[1:]


@given(TEXTS, st.lists(st.integers(0, 200), max_size=8))
def test_m6_the_same_text_comes_out_for_any_cutting(text: str, cuts: list[int]) -> None:
    whole = SafeText()
    expected = whole.feed(text) + whole.end()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for pieces in (text, [text[start:stop] for start, stop in pairwise(places)]):
        safe = SafeText()
        assert "".join(map(safe.feed, pieces)) + safe.end() == expected
    assert harmless(expected)


@given(TEXTS)
def test_m6_no_line_wears_the_colours_of_another(text: str) -> None:
    lines = SafeLines()
    for line in text.split("\n"):
        shown = lines.line("stdout", line)
        assert harmless(shown)
        assert "\x1b" not in shown or shown.endswith("\x1b[0m")
        assert lines.line("stderr", "plain") == "plain"


def test_m6_a_stream_goes_on_in_its_colours() -> None:
    lines = SafeLines()
    assert lines.line("stdout", "\x1b[31mred") == "\x1b[31mred\x1b[0m"
    assert lines.line("stderr", "plain") == "plain"
    assert lines.line("stdout", "\x1b[1mbold") == "\x1b[31m\x1b[1mbold\x1b[0m"
    assert lines.line("stdout", "\x1b[31magain") == "\x1b[31m\x1b[1m\x1b[31magain\x1b[0m"
    assert lines.line("stdout", "\x1b[0;4mline") == "\x1b[1m\x1b[31m\x1b[0;4mline\x1b[0m"
    assert lines.line("stdout", "on\x1b[m") == "\x1b[0;4mon\x1b[m\x1b[0m"
    assert lines.line("stdout", "off") == "off"
    for number in range(1000):
        lines.line("stdout", f"\x1b[{number + 1}m")
    assert len(lines.line("stdout", "")) < 200
