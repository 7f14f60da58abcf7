"""Text without the escapes that tools print it with, and where in it each character came from."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BACKSLASHES = re.compile(
    r"(?:\\u[0-9A-Fa-f]{4})+|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}|(?:\\x[0-9A-Fa-f]{2})+|(?:\\[0-3][0-7]{2})+|\\.",
    re.DOTALL,
)
_PERCENTS = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITIES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "E": "\x1b"}


@dataclass(frozen=True, kw_only=True)
class Unescaped:
    """`text` is the text without its escapes; each piece of it begins at `starts` and came from one of `spans`."""

    text: str
    starts: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    escaped: tuple[bool, ...]
    """Whether a piece was written as an escape: then it belongs together. Other pieces are as they were."""

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Where a part of the text was in the original."""
        first, last = bisect_right(self.starts, start) - 1, bisect_right(self.starts, stop - 1) - 1
        begin, end = self.spans[first][0], self.spans[last][1]
        if not self.escaped[first]:
            begin += start - self.starts[first]
        if not self.escaped[last]:
            end = self.spans[last][0] + stop - self.starts[last]
        return begin, end


def unescaped(text: str) -> Iterator[Unescaped]:
    """The text without each kind of escapes that is in it: a shell's and JSON's, a URL's, HTML's."""
    for sign, pattern, decode in (
        ("\\", _BACKSLASHES, _behind_backslashes),
        ("%", _PERCENTS, _behind_percents),
        ("&", _ENTITIES, html.unescape),
    ):
        if sign in text and pattern.search(text):
            yield _without(text, pattern, decode)


def _without(text: str, pattern: re.Pattern[str], decode: Callable[[str], str]) -> Unescaped:
    parts: list[str] = []
    starts: list[int] = []
    spans: list[tuple[int, int]] = []
    escaped: list[bool] = []
    length = done = 0

    def add(part: str, span: tuple[int, int], *, was_escaped: bool) -> None:
        nonlocal length
        if not part:
            return
        parts.append(part)
        starts.append(length)
        spans.append(span)
        escaped.append(was_escaped)
        length += len(part)

    for match in pattern.finditer(text):
        add(text[done : match.start()], (done, match.start()), was_escaped=False)
        add(decode(match[0]), match.span(), was_escaped=True)
        done = match.end()
    add(text[done:], (done, len(text)), was_escaped=False)
    return Unescaped(text="".join(parts), starts=tuple(starts), spans=tuple(spans), escaped=tuple(escaped))


def _behind_percents(run: str) -> str:
    return bytes.fromhex(run.replace("%", "")).decode("utf-8", "surrogateescape")


def _behind_backslashes(run: str) -> str:
    kind = run[1]
    if kind in "uU" and len(run) > 2:
        return _characters(run)
    if kind == "x" and len(run) > 2:
        data = bytes.fromhex(run.replace("\\x", ""))
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")  # Python writes characters so, not bytes
    if len(run) > 2:
        return bytes(int(one, 8) for one in run[1:].split("\\")).decode("utf-8", "surrogateescape")
    return _LETTERS.get(kind, kind)


def _characters(run: str) -> str:
    """Of `\\u` and `\\U` escapes; two halves of a pair become their character."""
    numbers = [int(one.strip("{}"), 16) for one in re.split(r"\\[uU]", run)[1:]]
    units = "".join(chr(number) for number in numbers if number <= 0x10FFFF)
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
