"""Steps of a cached preflight: where `# step: NAME` cuts a script, and what each piece is given to run alone."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents_runner.core.scripts import interpreter_of

if TYPE_CHECKING:
    from tree_sitter import Node

    from agents_runner.preflight.syntax import Tree

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
class Mark:
    """A mark: its 0-based line and the name that it gives."""

    row: int
    name: str


def split_steps(text: str) -> tuple[Step, ...]:
    """Cut a script (LF line ends) at its marks; one step with the unchanged text if that is not safely possible.

    Each step begins with the script's prologue (shebang, `set`, `shopt`, comments) and is padded with empty lines.
    """
    whole = (Step(name="", text=text),)
    if not _ANY_MARK.search(text) or interpreter_of(text).kind == "other":
        return whole
    from agents_runner.preflight.syntax import tree_of

    tree = tree_of(text)
    marks = find_marks(tree)
    if not marks or tree.trouble is not None:
        return whole
    steps = _cut(text, tree, marks)
    # A second opinion: a piece that cannot stand alone means that the marks were misjudged.
    if any(tree_of(step.text).trouble is not None for step in steps):
        return whole
    return steps


def find_marks(tree: Tree) -> tuple[Mark, ...]:
    """The marks at the top level: comments alone on their line, outside of every statement."""
    marks: list[Mark] = []
    previous: Node | None = None
    for node in tree.root.children:
        if node.type == "comment":
            match = MARK.match(tree.text_of(node))
            row = tree.row_of(node.start_byte)
            # Behind a `\` the comment belongs to the command above; a comment itself cannot be continued.
            after_comment = previous is not None and previous.type == "comment"
            if match and tree.is_alone(node) and (after_comment or not tree.is_continued(row)):
                marks.append(Mark(row=row, name=match["name"]))
        previous = node
    return tuple(marks)


def _cut(text: str, tree: Tree, marks: tuple[Mark, ...]) -> tuple[Step, ...]:
    lines = text.split("\n")
    busy = sorted(tree.row_of(node.start_byte) for node in tree.root.children if _is_statement(node))
    head = _prologue_rows(tree, limit=marks[0].row)
    pieces = [Mark(row=head, name=START), *marks]
    ends = [mark.row for mark in marks] + [len(lines)]
    kept = [
        (piece, end)
        for piece, end in zip(pieces, ends, strict=True)
        if bisect_left(busy, end) > bisect_left(busy, piece.row)
    ]
    if not kept:
        return (Step(name=marks[0].name, text=text),)
    names = _distinct(piece.name for piece, _ in kept)
    return tuple(
        Step(name=name, text=_assemble(lines[:head], lines, piece.row, end))
        for name, (piece, end) in zip(names, kept, strict=True)
    )


def _is_statement(node: Node) -> bool:
    return node.is_named and node.type != "comment"


def _assemble(prologue: list[str], lines: list[str], first: int, end: int) -> str:
    padding = [""] * (first - len(prologue))
    text = "\n".join([*prologue, *padding, *lines[first:end]])
    return text if end == len(lines) else text + "\n"


def _prologue_rows(tree: Tree, *, limit: int) -> int:
    """How many leading lines are the prologue; it ends at the row `limit` at the latest."""
    children = [node for node in tree.root.children if node.type != ";"]
    for index, node in enumerate(children):
        row = tree.row_of(node.start_byte)
        if row >= limit:
            break
        if node.type == "comment":
            continue
        following = children[index + 1] if index + 1 < len(children) else None
        own_line = (
            following is None
            or following.type == "comment"
            or tree.row_of(following.start_byte) > tree.end_row_of(node)
        )
        if not (is_option_line(tree, node) and own_line):
            return row
    return limit


def is_option_line(tree: Tree, node: Node) -> bool:
    """True for `set ...` and `shopt ...` with plain words: what may be run again in every shell."""
    if node.type != "command" or tree.row_of(node.start_byte) != tree.end_row_of(node):
        return False
    name, *arguments = node.named_children
    plain = all(word.type in {"word", "number"} and not word.named_children for word in arguments)
    return tree.text_of(name) in _OPTIONS and bool(arguments) and plain


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
