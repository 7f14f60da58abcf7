"""The one place that calls the bash grammar: text in, concrete syntax tree out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser


@cache
def _parser() -> Parser:
    # Imported here: most scripts are never split, and start-up must not pay for the grammar.
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def tree_of(source: bytes) -> Node:
    """The root node of a script in UTF-8; it never fails, errors are nodes of the tree."""
    return _parser().parse(source).root_node


def is_sound(root: Node) -> bool:
    """True if the grammar understood every byte: no error and no missing node."""
    return not root.has_error


def is_continued(source: bytes, line_start: int) -> bool:
    """True if the line that starts at this byte continues the one before it (an odd number of `\\` ends that one)."""
    end = line_start - 1
    if end < 0:
        return False
    stripped = source[:end].rstrip(b"\\") if source[end - 1 : end] == b"\\" else source[:end]
    return (end - len(stripped)) % 2 == 1
