"""The one place that calls the bash grammar: text in, concrete syntax tree out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_BLANK = b" \t\n"
_NEWLINE = ord("\n")
_MAX_REPAIRS = 3
_RESERVED = frozenset(
    b"if then else elif fi do done case esac while until for select function coproc { } ;; in".split()
)
_SEPARATORS = frozenset({";", "&", "\n"})


@cache
def _parser() -> Parser:
    # Imported here: most scripts are never split, and start-up must not pay for the grammar.
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """A script's bytes (UTF-8) with its syntax tree: offsets are the script's, rows come from `row_of` only."""

    source: bytes
    root: Node
    starts: tuple[int, ...]
    """Where each line begins."""
    trouble: int | None
    """The first line (1-based) that the grammar could not read; the tree then means nothing."""

    def row_of(self, offset: int) -> int:
        """The 0-based line of a byte."""
        return bisect_right(self.starts, offset) - 1

    def end_row_of(self, node: Node) -> int:
        """The 0-based line of a node's last byte; its own last newline does not count."""
        end = node.end_byte
        if end > node.start_byte and self.source[end - 1 : end] == b"\n":
            end -= 1
        return self.row_of(end)

    def text_of(self, node: Node) -> str:
        """A node as it was typed."""
        return self.source[node.start_byte : node.end_byte].decode("utf-8")

    def is_alone(self, node: Node) -> bool:
        """True if nothing stands before a node on its line."""
        return not self.source[self.starts[self.row_of(node.start_byte)] : node.start_byte].strip(b" \t")

    def is_continued(self, row: int) -> bool:
        """True if a line continues the one before it: an odd number of `\\` ends that one."""
        end = self.starts[row] - 1
        if row == 0 or self.source[end - 1 : end] != b"\\":
            return False
        return (end - len(self.source[:end].rstrip(b"\\"))) % 2 == 1


@lru_cache(maxsize=16)
def tree_of(text: str) -> Tree:
    """Parse a script (LF line ends); it never fails, see `Tree.trouble`."""
    source = text.encode("utf-8")
    starts = [0]
    at = source.find(b"\n")
    while at >= 0:
        starts.append(at + 1)
        at = source.find(b"\n", at + 1)
    root = _parser().parse(source).root_node
    trouble: int | None = None
    if root.has_error:
        trouble = _error_offset(root)
    else:
        root, trouble = _repaired(source, root)
    line = None if trouble is None else bisect_right(starts, trouble)
    return Tree(source=source, root=root, starts=tuple(starts), trouble=line)


def _error_offset(root: Node) -> int:
    node = root
    while True:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None or node.is_error:
            return node.start_byte
        node = inner


def _repaired(source: bytes, root: Node) -> tuple[Node, int | None]:
    """The tree without the places where the grammar reads on over a line's end, and what is wrong with it.

    It does so behind a line of several assignments (`A=1 B=2`) and before a line that begins with a backslash.
    A `;` in place of the blank that stands there changes no offset and says the same to bash.
    """
    patched = source
    for _ in range(_MAX_REPAIRS):
        gaps, misread = _inspect(patched, root)
        if misread is not None or not gaps:
            return root, misread
        buffer = bytearray(patched)
        for gap in gaps:
            buffer[gap] = ord(";")
        patched = bytes(buffer)
        root = _parser().parse(patched).root_node
        if root.has_error:
            return root, gaps[0]
    return root, gaps[0]


def _inspect(source: bytes, root: Node) -> tuple[list[int], int | None]:
    """Where a simple command goes on behind a line's end, and the first place that was misread without an error.

    The latter shows as a command named like a reserved word: the grammar closed a block too early.
    """
    gaps: list[int] = []
    misread: int | None = None
    stack = [root]
    while stack:
        node = stack.pop()
        children = node.children
        if not children:
            continue
        stack.extend(children)
        kind = node.type
        if kind == "command_name":
            if source[node.start_byte : node.end_byte] in _RESERVED:
                misread = node.start_byte if misread is None else min(misread, node.start_byte)
        elif kind == "command" and b"\n" in source[node.start_byte : node.end_byte]:
            gaps.extend(_swallowed(source, children))
    odd = next((child for child in root.children if not child.is_named and child.type not in _SEPARATORS), None)
    if odd is not None:
        misread = odd.start_byte if misread is None else min(misread, odd.start_byte)
    return gaps, misread


def _swallowed(source: bytes, children: list[Node]) -> Iterator[int]:
    """Offsets behind a word whose next word stands on another line without a `\\`."""
    words = [child for child in children if child.type != "comment"]
    for left, right in pairwise(words):
        start, end = left.end_byte, right.start_byte
        # Such a word may itself begin with the newline.
        gap = source[start : end + 1] if source[end] == _NEWLINE else source[start:end]
        if b"\n" in gap.replace(b"\\\n", b"") and source[start] in _BLANK:
            yield start
