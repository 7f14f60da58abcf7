"""Dockerfile words: quotes, escapes and `$VARIABLE`s, as values or as words of the shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST, _DEEPEST = 4_000, 20
"""Bounds of one reference: what never ends must not be looked through again and again."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Ref:
    """`$NAME`, or `${NAME:-word}` and `${NAME:+word}` with `op` "-" and "+"."""

    name: str
    op: str = ""
    word: str = ""


Part = str | Ref


def parse_word(text: str, escape: str = "\\") -> list[Part]:
    """Texts and references, quotes taken away."""
    parts: list[Part] = []
    buffer: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        if quote == "'":
            if char == "'":
                quote = ""
            else:
                buffer.append(char)
            at += 1
        elif char == escape and at + 1 < len(text):
            following = text[at + 1]
            keeps = quote == '"' and following not in f'"$\\{escape}'
            buffer.append(char + following if keeps else following)
            at += 2
        elif char == '"' or (char == "'" and not quote):
            quote = "" if quote == char else char
            at += 1
        elif char == "$" and (found := _reference(text, at)) is not None:
            reference, at = found
            if buffer:
                parts.append("".join(buffer))
                buffer = []
            parts.append(reference)
        else:
            buffer.append(char)
            at += 1
    if buffer:
        parts.append("".join(buffer))
    return parts


def _reference(text: str, at: int) -> tuple[Ref, int] | None:
    """The reference that begins at a `$`, and the place behind it."""
    braced = text.startswith("${", at)
    name = _NAME.match(text, at + (2 if braced else 1))
    if name is None:
        return None
    if not braced:
        return Ref(name=name[0]), name.end()
    end = _closing(text, name.end())
    if end < 0:
        return None
    rest = text[name.end() : end]
    match = re.match(r":?([-+?])(.*)\Z", rest, re.S)
    if rest and match is None:
        return None
    if match is None:
        return Ref(name=name[0]), end + 1
    return Ref(name=name[0], op=match[1], word=match[2]), end + 1


def _closing(text: str, at: int) -> int:
    depth = 1
    limit = min(len(text), at + _LONGEST)
    while at < limit:
        if text.startswith("${", at):
            depth += 1
            if depth > _DEEPEST:
                return -1
            at += 2
            continue
        if text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    return -1


def expand(parts: list[Part], known: Mapping[str, str], unknown: set[str], depth: int = 0) -> str:
    """The text; names that are not known count as empty and are noted in `unknown`."""
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        value = known.get(part.name)
        if part.op in {"-", "+"} and depth < 8:
            inner = (
                expand(parse_word(part.word), known, unknown, depth + 1) if (part.op == "+") == bool(value) else ""
            )
            texts.append(inner if part.op == "+" else value or inner)
        elif value is None:
            unknown.add(part.name)
        else:
            texts.append(value)
    return "".join(texts)


def to_shell(parts: list[Part], known: Mapping[str, str], depth: int = 0) -> str:
    """One word of the shell, in double quotes: what is known is filled in, the rest is left to the shell."""
    return f'"{_inner(parts, known, depth)}"'


def _inner(parts: list[Part], known: Mapping[str, str], depth: int) -> str:
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(quoted_inner(part))
        elif part.name in known and not part.op:
            texts.append(quoted_inner(known[part.name]))
        elif part.op in {"-", "+"} and depth < 8:
            texts.append(f"${{{part.name}:{part.op}{_inner(parse_word(part.word), known, depth + 1)}}}")
        else:
            texts.append(f"${{{part.name}}}")
    return "".join(texts)


def quoted_inner(text: str) -> str:
    """A text as it stands inside of the shell's double quotes."""
    return re.sub(r'([\\"$`])', r"\\\1", text)


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Words as they are written, with their quotes, cut at blanks outside of quotes."""
    words: list[str] = []
    buffer: list[str] = []
    quote = ""
    at = 0
    while at < len(text):
        char = text[at]
        if char == escape and quote != "'" and at + 1 < len(text):
            buffer.append(text[at : at + 2])
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char.isspace():
            if buffer:
                words.append("".join(buffer))
                buffer = []
            at += 1
            continue
        buffer.append(char)
        at += 1
    if buffer:
        words.append("".join(buffer))
    return words
