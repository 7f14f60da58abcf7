"""Colours of shell text, a line at a time: plain and quick rules with a state from line to line.

It need not be right about everything; it must be right about where strings and here-documents end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from agents_runner.preflight.tables import words

Span = tuple[int, int, str]
"""Where it begins, how long it is, and its kind: comment, mark, string, variable, keyword or builtin."""
MAX_SPANS = 400
"""Coloured spans of one line; a line with more of them is data."""


class Document(NamedTuple):
    """A here-document that is to come or that we are in."""

    end: str
    tabs: bool
    """`<<-`: its last line may be indented by tabs."""
    raw: bool
    """Its end was quoted: nothing in it is replaced."""


class State(NamedTuple):
    """What the end of a line leaves open."""

    quote: str = ""
    documents: tuple[Document, ...] = ()
    inside: bool = False
    """The next line goes on with this one's command."""


START = State()
_KEYWORDS = words("if then elif else fi for while until do done case esac select function time in { } ! [[ ]] coproc")
_OPENERS = words("if then elif else while until do time { !")
_LISTS = frozenset({"for", "case", "select"})
_BUILTINS = words(
    "alias break cd command continue declare eval exec exit export local read readonly return set shift shopt source "
    "trap type typeset ulimit umask unalias unset wait ."
)
_TOKEN = re.compile(
    r"""
    (?P<comment>(?<![^\s;&|()])\#.*)
  | (?P<escape>\\.)
  | (?P<ansi>\$'(?:[^'\\]|\\.)*(?:'|\\?$))
  | (?P<single>'[^']*(?:'|$))
  | (?P<double>\$?"(?:[^"\\]|\\.)*(?:"|\\?$))
  | (?P<document>(?<!<)<<(?!<)(?P<tabs>-?)[ \t]*
        (?:(?P<quote>['"])(?P<quoted>[^'"]+)(?P=quote)|(?P<slash>\\?)(?P<end>[A-Za-z_][\w.-]*)))
  | (?P<variable>\$(?:\{[^}]*\}?|[A-Za-z_]\w*|[0-9@*\#?$!-]))
  | (?P<open>;;?|&&?|\|[|&]?|\(|`)
  | (?P<close>\))
  | (?P<word>[^\s;&|()'"`$\\<>\#][^\s;&|()'"`$\\<>]*)
    """,
    re.VERBOSE,
)
_VARIABLE = re.compile(r"\\.|(?P<variable>\$(?:\{[^}]*\}?|[A-Za-z_]\w*|[0-9@*#?$!-]))")
_MARK = re.compile(r"#[ \t]*step:[ \t]*\S")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_ENDS = {
    '"': re.compile(r'(?:[^"\\]|\\.)*(?:(?P<end>")|\\?$)'),
    "'": re.compile(r"[^']*(?:(?P<end>')|$)"),
    "$'": re.compile(r"(?:[^'\\]|\\.)*(?:(?P<end>')|\\?$)"),
}


def lex(line: str, state: State) -> tuple[list[Span], State]:
    """The coloured spans of a line (positions in characters) and the state behind it."""
    if state.documents and not state.quote:
        return _in_document(line, state)
    return _Line(line, state).read()


def _in_document(line: str, state: State) -> tuple[list[Span], State]:
    here = state.documents[0]
    if (line.lstrip("\t") if here.tabs else line) == here.end:
        return [(0, len(line), "keyword")], state._replace(documents=state.documents[1:])
    spans: list[Span] = [(0, len(line), "string")] if line else []
    if not here.raw:
        spans += _variables(line, 0, len(line))
    return spans[:MAX_SPANS], state


def _variables(line: str, begin: int, end: int) -> list[Span]:
    found = (one for one in _VARIABLE.finditer(line, begin, end) if one.lastgroup)
    return [(one.start(), one.end() - one.start(), "variable") for one in found]


class _Line:
    """Reads one line."""

    def __init__(self, line: str, state: State) -> None:
        self.line = line
        self.state = state
        self.spans: list[Span] = []
        self.documents = list(state.documents)
        self.quote = ""
        self.command = not state.inside
        """The next word names a command."""
        self.list = False
        """An `in` may come."""

    def read(self) -> tuple[list[Span], State]:
        at = self._rest_of_string() if self.state.quote else 0
        if not self.quote:
            for token in _TOKEN.finditer(self.line, at):
                self._take(token)
                if self.quote:
                    break
        inside = bool(self.quote) or self._goes_on()
        return self.spans[:MAX_SPANS], State(self.quote, tuple(self.documents), inside)

    def _rest_of_string(self) -> int:
        quote = self.state.quote
        found = _ENDS[quote].match(self.line)
        end = found.end() if found else len(self.line)
        if not (found and found["end"]):
            end, self.quote = len(self.line), quote
        self._string(0, end, quote)
        self.command = False
        return end

    def _string(self, begin: int, end: int, quote: str) -> None:
        if end > begin:
            self.spans.append((begin, end - begin, "string"))
        if quote == '"':
            self.spans += _variables(self.line, begin, end)

    def _take(self, token: re.Match[str]) -> None:
        kind, begin, end = token.lastgroup, token.start(), token.end()
        if token["document"]:
            self._document(token)
        elif kind == "comment":
            self.spans.append((begin, end - begin, "mark" if _MARK.match(token[0]) else "comment"))
        elif kind in {"single", "double", "ansi"}:
            self._quoted(token[0], begin, end)
        elif kind == "variable":
            self.spans.append((begin, end - begin, "variable"))
            self.command = False
        elif kind == "word":
            self._word(token[0], begin)
        else:
            self.command = kind in {"open", "close"}

    def _quoted(self, text: str, begin: int, end: int) -> None:
        quote = text[:2] if text.startswith("$'") else text.lstrip("$")[0]
        body = text[text.index(quote[-1]) + 1 :]
        closed = _ENDS[quote].match(body)
        if not (closed and closed["end"]):
            self.quote = quote
        self._string(begin, end, quote)
        self.command = False

    def _document(self, token: re.Match[str]) -> None:
        if "((" in self.line[: token.start()]:
            return  # a shift in arithmetic
        end = token["quoted"] or token["end"]
        raw = bool(token["quoted"] or token["slash"])
        self.documents.append(Document(end, bool(token["tabs"]), raw))
        self.spans.append((token.start(), token.end() - token.start(), "keyword"))

    def _word(self, word: str, begin: int) -> None:
        if self.list and word == "in":
            self.spans.append((begin, 2, "keyword"))
            self.list = False
            return
        if not self.command:
            if word == "]]":
                self.spans.append((begin, 2, "keyword"))
            return
        assigned = _ASSIGNED.match(word)
        if assigned:
            name = assigned.end() - (2 if assigned[0].endswith("+=") else 1)
            self.spans.append((begin, name, "variable"))
        elif word in _KEYWORDS:
            self.spans.append((begin, len(word), "keyword"))
            self.list = word in _LISTS
            self.command = word in _OPENERS
        else:
            if word in _BUILTINS:
                self.spans.append((begin, len(word), "builtin"))
            self.command = False

    def _goes_on(self) -> bool:
        line = self.line
        slashes = len(line) - len(line.rstrip("\\"))
        return bool(slashes % 2) and not (self.spans and self.spans[-1][2] in {"comment", "mark"})
