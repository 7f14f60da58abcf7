"""A script cut into pieces that are never torn: each top-level statement with its comments, no byte left over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from agents_runner.preflight.steps import MARK
from agents_runner.preflight.syntax import Tree, tree_of

if TYPE_CHECKING:
    from tree_sitter import Node

Kind = Literal["shebang", "mark", "code", "comment"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """Whole lines of the script: rows `first` to `last` (0-based, inclusive), bytes `start` to `end`."""

    kind: Kind
    first: int
    last: int
    start: int
    end: int
    code_row: int
    """Where the code itself begins, behind its comments."""
    nodes: tuple[Node, ...] = ()
    """The statements, and the `;` and `&` between them; empty for what is no code."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A parsed script; the pieces' texts joined are the text, byte for byte."""

    tree: Tree
    pieces: tuple[Piece, ...]
    trouble: int | None
    """The first line (1-based) that the grammar could not read; then everything is one piece."""

    def text_of(self, piece: Piece) -> str:
        """The piece as it was typed."""
        return self.tree.source[piece.start : piece.end].decode("utf-8")


@dataclass
class _Group:
    kind: Kind
    first: int
    code_row: int
    end_row: int
    nodes: list[Node]


@lru_cache(maxsize=16)
def parse(text: str) -> Program:
    """Parse a script (LF line ends); never fails, see `trouble`."""
    tree = tree_of(text)
    rows = len(tree.starts) - (1 if tree.starts[-1] == len(tree.source) and len(tree.starts) > 1 else 0)
    if tree.trouble is not None:
        piece = Piece(kind="code", first=0, last=rows - 1, start=0, end=len(tree.source), code_row=0)
        return Program(tree=tree, pieces=(piece,), trouble=tree.trouble)
    groups = list(_groups(tree)) or [_Group("comment", 0, 0, 0, [])]
    # Comments go with what follows them, blank lines with what stands before them.
    firsts = [0, *(group.first for group in groups[1:]), rows]
    offsets = [*tree.starts[:rows], len(tree.source)]
    pieces = tuple(
        Piece(
            kind=group.kind,
            first=first,
            last=max(first, end - 1),
            start=offsets[first],
            end=offsets[end],
            code_row=group.code_row,
            nodes=tuple(group.nodes),
        )
        for group, first, end in zip(groups, firsts, firsts[1:], strict=False)
    )
    return Program(tree=tree, pieces=pieces, trouble=None)


def _groups(tree: Tree) -> Iterator[_Group]:
    """Statements that share a line are one group; comments above a statement are its own."""
    group: _Group | None = None
    waiting: int | None = None  # the row of the first comment that still waits for its statement
    for node in tree.root.children:
        row = tree.row_of(node.start_byte)
        if group and (row <= group.end_row or (waiting is None and tree.is_continued(row))):
            group.nodes.append(node)
            group.end_row = max(group.end_row, tree.end_row_of(node))
            continue
        if node.type == "comment":
            kind = _comment_kind(tree, node)
            if kind is None:
                waiting = row if waiting is None else waiting
                continue
            if group:
                yield group
                group = None
            yield _Group(kind, row if waiting is None else waiting, row, row, [])
        else:
            if group:
                yield group
            group = _Group("code", row if waiting is None else waiting, row, tree.end_row_of(node), [node])
        waiting = None
    if group:
        yield group
    elif waiting is not None:
        yield _Group("comment", waiting, waiting, waiting, [])


def _comment_kind(tree: Tree, node: Node) -> Kind | None:
    text = tree.text_of(node)
    if node.start_byte == 0 and text.startswith("#!"):
        return "shebang"
    return "mark" if MARK.match(text) else None
