"""A Dockerfile cut into its instructions: continuations, comments, here-documents, the escape directive."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from agents_runner.core.errors import InvalidInput

_DIRECTIVE = re.compile(r"#[ \t]*([A-Za-z]+)[ \t]*=[ \t]*(.*?)[ \t]*\Z")
_HEREDOC = re.compile(r"""(?<!<)<<(-?)(?:"([^"\s]+)"|'([^'\s]+)'|([A-Za-z0-9_.+-]+))""")
_MAX_HEREDOCS = 50
_MAX_INSTRUCTIONS = 2_000
_WITH_HEREDOC = {"RUN", "COPY", "ADD"}
KNOWN = frozenset(
    [
        "FROM",
        "RUN",
        "ENV",
        "ARG",
        "WORKDIR",
        "USER",
        "COPY",
        "ADD",
        "SHELL",
        "ENTRYPOINT",
        "CMD",
        "EXPOSE",
        "LABEL",
        "VOLUME",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ONBUILD",
        "MAINTAINER",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Heredoc:
    """A here-document behind an instruction; `body` ends with a newline unless it is empty."""

    name: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """`word` in capitals; `flags` like `--mount=...` as (name, value) pairs; `rest` without continuations."""

    word: str
    rest: str
    line: int
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def array(self) -> list[str] | None:
        """The words of the exec form, None for the shell form."""
        if not self.rest.lstrip().startswith("["):
            return None
        try:
            value = json.loads(self.rest)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


def parse_instructions(text: str, name: str) -> tuple[tuple[Instruction, ...], str]:
    """The instructions and the escape character. Raises InvalidInput with the line."""
    lines = text.split("\n")
    escape = _escape(lines)
    found: list[Instruction] = []
    at = 0
    while at < len(lines):
        stripped = lines[at].strip()
        if not stripped or stripped.startswith("#"):
            at += 1
            continue
        if len(found) >= _MAX_INSTRUCTIONS:
            raise InvalidInput(
                f"{name} has more than {_MAX_INSTRUCTIONS} instructions (line {at + 1}).", "Take fewer."
            )
        first = at
        pieces, at = _logical(lines, at, escape)
        word, rest = _head(pieces)
        if word not in KNOWN:
            raise InvalidInput(
                f"{name} is no Dockerfile (line {first + 1}: {word[:30]!r} is no instruction).",
                "Correct it there, then import it again.",
            )
        flags, body = _flags(rest)
        heredocs: tuple[Heredoc, ...] = ()
        if word in _WITH_HEREDOC:
            heredocs, at = _heredocs(body, lines, at, name)
        found.append(
            Instruction(
                word=word,
                rest=body.strip(),
                line=first + 1,
                flags=flags,
                heredocs=heredocs,
            )
        )
    return tuple(found), escape


def _escape(lines: list[str]) -> str:
    """The escape character; directives stand before everything else."""
    for line in lines:
        match = _DIRECTIVE.match(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape" and match[2] in {"`", "\\"}:
            return match[2]
    return "\\"


def _logical(lines: list[str], at: int, escape: str) -> tuple[list[str], int]:
    """The physical lines of one instruction without their continuation marks, and the next line's number."""
    pieces: list[str] = []
    while at < len(lines):
        line = lines[at]
        at += 1
        if pieces and (not line.strip() or line.lstrip().startswith("#")):
            continue  # Docker skips comments and empty lines inside of an instruction
        bare = line.rstrip(" \t")
        if bare.endswith(escape):
            pieces.append(bare[: -len(escape)])
            continue
        pieces.append(line)
        break
    return pieces, at


def _head(pieces: list[str]) -> tuple[str, str]:
    text = "".join(pieces).lstrip()
    match = re.match(r"\S+", text)
    word = match[0] if match else ""
    return word.upper(), text[len(word) :].lstrip()


def _flags(rest: str) -> tuple[tuple[tuple[str, str], ...], str]:
    flags: list[tuple[str, str]] = []
    while (match := re.match(r"--([a-z-]+)(?:=(\S*))?(?:\s+|\Z)", rest)) is not None:
        flags.append((match[1], match[2] or ""))
        rest = rest[match.end() :]
    return tuple(flags), rest


def _heredocs(body: str, lines: list[str], at: int, name: str) -> tuple[tuple[Heredoc, ...], int]:
    found: list[Heredoc] = []
    for match in _HEREDOC.finditer(body):
        if len(found) >= _MAX_HEREDOCS:
            raise InvalidInput(f"{name} has too many here-documents (line {at}).", "Take fewer.")
        if _inside_quotes(body, match.start()):
            continue
        end = match[2] or match[3] or match[4]
        taken: list[str] = []
        first = at
        while at < len(lines):
            line = lines[at].lstrip("\t") if match[1] else lines[at]
            at += 1
            if line == end:
                break
            taken.append(line)
        else:
            raise InvalidInput(
                f"{name} has a here-document without its end {end[:30]!r} (line {first}).",
                "Correct it there, then import it again.",
            )
        text = "".join(line + "\n" for line in taken)
        found.append(Heredoc(name=end, body=text))
    return tuple(found), at


def _inside_quotes(text: str, at: int) -> bool:
    quote = ""
    for char in text[:at]:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
    return bool(quote)
