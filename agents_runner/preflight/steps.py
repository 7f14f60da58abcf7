"""Steps of a cached preflight: where `# step: NAME` cuts a script, and what each piece is given to run alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents_runner.core.scripts import interpreter_of

if TYPE_CHECKING:
    from tree_sitter import Node

START = "start"
"""Name of the step that stands before the first mark."""
MARK = re.compile(r"#[ \t]*step:[ \t]*(?P<name>\S(?:.*\S)?)[ \t\r]*\Z")
_ANY_MARK = re.compile(r"^[ \t]*#[ \t]*step:[ \t]*\S", re.MULTILINE)
_OPTIONS = frozenset({"set", "shopt"})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One layer's script: `text` runs by itself and reports the line numbers of the whole script."""

    name: str
    """The mark's name, made unique; "" for a script without marks."""
    text: str


@dataclass(frozen=True, kw_only=True)
class _Mark:
    row: int
    name: str


def split_steps(text: str) -> tuple[Step, ...]:
    """Cut a script (LF line ends) at its marks; one step with the unchanged text if that is not safely possible.

    Each step begins with the script's prologue (shebang, `set`, `shopt`, comments) and is padded with empty lines.
    """
    whole = (Step(name="", text=text),)
    if not _ANY_MARK.search(text) or interpreter_of(text).kind == "other":
        return whole
    from agents_runner.preflight.syntax import is_sound, tree_of

    source = text.encode("utf-8")
    root = tree_of(source)
    marks = find_marks(source, root)
    if not marks or not is_sound(root):
        return whole
    steps = _cut(text, root, marks)
    # A second opinion: a piece that cannot stand alone means that the marks were misjudged.
    if not all(is_sound(tree_of(step.text.encode("utf-8"))) for step in steps):
        return whole
    return steps


def find_marks(source: bytes, root: Node) -> tuple[_Mark, ...]:
    """The marks at the top level: comments alone on their line, outside of every statement."""
    from agents_runner.preflight.syntax import is_continued

    marks: list[_Mark] = []
    previous: Node | None = None
    for node in root.children:
        if node.type == "comment":
            line_start = node.start_byte - node.start_point[1]
            match = MARK.match((node.text or b"").decode("utf-8"))
            alone = not source[line_start : node.start_byte].strip(b" \t")
            # Behind a `\` the comment belongs to the command above; a comment itself cannot be continued.
            after_comment = previous is not None and previous.type == "comment"
            if match and alone and (after_comment or not is_continued(source, line_start)):
                marks.append(_Mark(row=node.start_point[0], name=match["name"]))
        previous = node
    return tuple(marks)


def _cut(text: str, root: Node, marks: tuple[_Mark, ...]) -> tuple[Step, ...]:
    lines = text.split("\n")
    busy = _statement_rows(root)
    head = _prologue_rows(root, limit=marks[0].row)
    prologue = lines[:head]
    pieces = [_Mark(row=head, name=START), *marks]
    ends = [mark.row for mark in marks] + [len(lines)]
    kept = [
        (piece, end)
        for piece, end in zip(pieces, ends, strict=True)
        if any(row in busy for row in range(piece.row, end))
    ]
    if not kept:
        return (Step(name=marks[0].name, text=text),)
    names = _distinct(piece.name for piece, _ in kept)
    return tuple(
        Step(name=name, text=_assemble(prologue, lines, piece.row, end))
        for name, (piece, end) in zip(names, kept, strict=True)
    )


def _assemble(prologue: list[str], lines: list[str], first: int, end: int) -> str:
    padding = [""] * (first - len(prologue))
    text = "\n".join([*prologue, *padding, *lines[first:end]])
    return text if end == len(lines) else text + "\n"


def _statement_rows(root: Node) -> frozenset[int]:
    return frozenset(node.start_point[0] for node in root.children if node.is_named and node.type != "comment")


def _prologue_rows(root: Node, *, limit: int) -> int:
    """How many leading lines are the prologue; it ends at the row `limit` at the latest."""
    children = [node for node in root.children if node.type != ";"]
    for index, node in enumerate(children):
        row = node.start_point[0]
        if row >= limit:
            break
        if node.type == "comment":
            continue
        following = children[index + 1] if index + 1 < len(children) else None
        own_line = following is None or following.type == "comment" or following.start_point[0] > node.end_point[0]
        if not (is_option_line(node) and own_line):
            return row
    return limit


def is_option_line(node: Node) -> bool:
    """True for `set ...` and `shopt ...` with plain words: what may be run again in every shell."""
    if node.type != "command" or node.start_point[0] != node.end_point[0]:
        return False
    name, *arguments = node.named_children
    plain = all(word.type in {"word", "number"} and not word.named_children for word in arguments)
    return (name.text or b"").decode("utf-8") in _OPTIONS and bool(arguments) and plain


def _distinct(names: Iterable[str]) -> list[str]:
    wanted = list(names)
    used: set[str] = set()
    result: list[str] = []
    for name in wanted:
        unique, number = name, 1
        while unique in used or (number > 1 and unique in wanted):
            number += 1
            unique = f"{name} ({number})"
        used.add(unique)
        result.append(unique)
    return result
