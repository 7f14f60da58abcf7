"""From a container's raw output to lines and to the launcher's own marks."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

from agents_runner.core.events import LogLine, Stream

NEEDS_ROOT = "needs-root"
"""What the agent's side may say without a token: a program that needs root failed. It is believed no more than the
agent is, so it names one of ours, and leads to a sentence of ours."""
ROOT_PROGRAMS = frozenset({"sudo", "apt", "apt-get", "apk", "pacman", "dnf"})
MARKER = "\x1e"
"""What a mark begins with, before its token."""
_UNTRUSTED = f"{MARKER}- {NEEDS_ROOT} "
MAX_LINE = 65536
"""Characters of one line; a longer one is cut into pieces, each but the last marked."""
CUT = " [line cut]"


QUIET = "quiet"
"""Word of a mark that no container says: nothing has come from it for a moment."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One of the launcher's own lines: its first word and the rest."""

    word: str
    rest: str = ""
    trusted: bool = field(default=True, compare=False)
    """Whether it came with the token; without it anything in the container can have said it."""


def clocked(mark: Mark) -> tuple[tuple[str, ...], float | None]:
    """The words behind `begin` or `end`, and when by the container's clock, in seconds; None if it has none."""
    *words, last = mark.rest.split() or [""]
    if "." not in last:
        return (*words, last), None
    try:
        return tuple(words), float(last)
    except ValueError:
        return (*words, last), None


class OutputParser:
    """Feeds on bytes cut anywhere; gives whole lines and marks, in order within each stream.

    A mark is recognised by the task's token, which no script can know, wherever in a line it starts:
    what stands before it was a script's last line without its end.
    """

    def __init__(self, token: str) -> None:
        self._mark = f"{MARKER}{token} " if token else ""
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        self._pending: dict[Stream, str] = {"stdout": "", "stderr": ""}

    def feed(self, stream: Stream, data: bytes) -> Iterator[LogLine | Mark]:
        text = self._pending[stream] + self._decoders[stream].decode(data)
        *lines, rest = text.split("\n")
        for line in lines:
            yield from self._line(stream, line)
        while len(rest) > MAX_LINE:
            yield LogLine(stream=stream, line=rest[:MAX_LINE] + CUT)
            rest = rest[MAX_LINE:]
        self._pending[stream] = rest

    def finish(self) -> Iterator[LogLine | Mark]:
        """The last lines, where the output ended without a line end."""
        for stream in ("stdout", "stderr"):
            rest = self._pending[stream] + self._decoders[stream].decode(b"", final=True)
            self._pending[stream] = ""
            if rest:
                yield from self._line(stream, rest)

    def _line(self, stream: Stream, line: str) -> Iterator[LogLine | Mark]:
        line = line.removesuffix("\r")
        if (
            self._mark
            and stream == "stdout"
            and line.startswith(_UNTRUSTED)
            and line[len(_UNTRUSTED) :] in ROOT_PROGRAMS
        ):
            yield Mark(word=NEEDS_ROOT, rest=line[len(_UNTRUSTED) :], trusted=False)
            return
        before, mark, after = line.partition(self._mark) if self._mark and stream == "stdout" else (line, "", "")
        if before or not mark:
            yield from _pieces(stream, before)
        if mark:
            word, _, rest = after.partition(" ")
            yield Mark(word=word, rest=rest)


def _pieces(stream: Stream, line: str) -> Iterator[LogLine]:
    while len(line) > MAX_LINE:
        yield LogLine(stream=stream, line=line[:MAX_LINE] + CUT)
        line = line[MAX_LINE:]
    yield LogLine(stream=stream, line=line)
