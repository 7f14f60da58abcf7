"""Text that is safe to show on a terminal: of what containers say, colours pass and nothing else that commands it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_RESET = "\x1b[0m"
_LONGEST = 64
"""Characters of a colour's sequence; a longer one is shown, so that an open one is never waited for without end."""
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;:]*)?\Z")
"""What may become a colour once more of the text is there."""
_BEGINS_ANEW = re.compile(r"\x1b\[0*[;m]")
"""A colour whose first number is 0, written or not: nothing that was set before it is left."""
# Beside the control characters: what turns the direction of text around, ends a line in some programs, or is half a
# character. The joiners that scripts and pictures are made of stay.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_KEPT = 16
"""Colours that are set anew on the next line; a program that wants more at once is not dressed up further."""


def visible(text: str) -> str:
    """The text with everything that would command a terminal written out: `^[` for ESC, `<U+202E>` and the like.

    Line ends and tabs stay. Nothing passes, colours neither: for texts that are one of ours with a container's or a
    person's words in it.
    """
    return _HARMFUL.sub(_written_out, text)


def one_line(text: str) -> str:
    """The text as one line: line ends and tabs are written out too, for the cell of a table or a title."""
    return visible(text).replace("\n", "^J").replace("\t", "^I")


def _written_out(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if code < 0x20:
        return "^" + chr(code + 0x40)
    return "^?" if code == 0x7F else f"<U+{code:04X}>"


class SafeText:
    """Makes a stream of text safe, cut anywhere: the same text comes out for any cutting.

    Only `ESC [ digits ; : m` passes, which sets colours and weights (SGR); what else a terminal would obey (titles,
    the clipboard, moving the cursor, answers typed in the person's name) is written out as `visible` does.
    """

    def __init__(self) -> None:
        self._begun = ""

    def feed(self, text: str) -> str:
        """What can be shown now of the text so far."""
        text = self._begun + text
        begun = _BEGUN.search(text)
        if begun and len(begun[0]) < _LONGEST:
            text, self._begun = text[: begun.start()], begun[0]
        else:
            self._begun = ""
        return "".join(self._parts(text))

    def end(self) -> str:
        """The rest, after which nothing comes."""
        rest, self._begun = self._begun, ""
        return visible(rest)

    def _parts(self, text: str) -> Iterator[str]:
        at = 0
        for match in _COLOUR.finditer(text):
            yield visible(text[at : match.start()])
            yield match[0] if len(match[0]) <= _LONGEST else visible(match[0])
            at = match.end()
        yield visible(text[at:])


class SafeLines:
    """Makes the lines of several streams safe that are printed between each other.

    Each line ends without colours, so that no other line wears them; the next line of its stream has them again.
    """

    def __init__(self) -> None:
        self._colours: dict[str, tuple[str, ...]] = {}

    def line(self, stream: str, line: str) -> str:
        """A whole line of the stream, without its end."""
        safe = SafeText()
        shown = safe.feed(line) + safe.end()
        before = self._colours.get(stream, ())
        after = _left_on(before, _COLOUR.findall(shown))
        self._colours[stream] = after
        return "".join(before) + shown + (_RESET if before or "\x1b" in shown else "")


def _left_on(before: tuple[str, ...], seen: list[str]) -> tuple[str, ...]:
    """The colours that are on after those were seen, in the order in which they were set."""
    on = list(before)
    for colour in seen:
        if _BEGINS_ANEW.match(colour):
            on.clear()
        if colour in on:
            on.remove(colour)
        if re.search("[1-9]", colour):
            on.append(colour)
    return tuple(on[-_KEPT:])
