"""How a statement's own end bears on the script's: may it fail without stopping it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents_runner.preflight.tables import words

if TYPE_CHECKING:
    from tree_sitter import Node

    from agents_runner.preflight.syntax import Tree

_NEVER_FAILS = words("echo printf true : set shopt umask trap export declare typeset alias hash unset exit return")
_ALWAYS_ZERO = frozenset({"declaration_command", "function_definition", "unset_command"})


def may_fail_quietly(tree: Tree, nodes: tuple[Node, ...], *, errexit: bool) -> bool:
    """True if the last of these statements can end with a failure and the script would go on.

    `set -e` looks away where a status is asked for (`a && b`, `! a`, the end of an `if`); without it, everywhere.
    """
    named = [node for node in nodes if node.is_named and node.type != "comment"]
    if not named:
        return False
    last = nodes[-1]
    if last.type == "&":
        return False
    return _quiet(tree, named[-1], errexit)


def _quiet(tree: Tree, node: Node, errexit: bool) -> bool:
    kind = node.type
    named = [child for child in node.named_children if child.type != "comment"]
    if kind in _ALWAYS_ZERO:
        quiet = False
    elif kind == "variable_assignment":
        quiet = not errexit and _has_substitution(node)
    elif kind == "command":
        name = node.child_by_field_name("name")
        quiet = not errexit and (name is None or tree.text_of(name) not in _NEVER_FAILS)
    elif kind == "redirected_statement":
        body = node.child_by_field_name("body")
        quiet = _quiet(tree, body, errexit) if body is not None else not errexit
    elif kind == "list":
        operators = [child.type for child in node.children if not child.is_named]
        # `a && b` keeps the failure of `a`, and `set -e` looks away.
        quiet = operators[-1:] != ["||"] or _quiet(tree, named[-1], errexit)
    elif kind == "compound_statement" and named:
        quiet = _quiet(tree, named[-1], errexit)
    else:
        quiet = kind not in {"subshell", "pipeline", "test_command"} or not errexit
    return quiet


def _has_substitution(node: Node) -> bool:
    stack = list(node.named_children)
    while stack:
        child = stack.pop()
        if child.type in {"command_substitution", "arithmetic_expansion"}:
            return True
        stack.extend(child.named_children)
    return False
