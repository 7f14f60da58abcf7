"""Commands that had a shell of their own, as lines for the middle of a longer script that runs under `set -e`.

What they set must not reach what comes after them, and their status must count as it did. Where nothing can leak they
become plain lines, so that each can be judged by itself; otherwise they stay together in a subshell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents_runner.preflight.status import may_fail_quietly
from agents_runner.preflight.syntax import Tree, tree_of
from agents_runner.preflight.tables import words

if TYPE_CHECKING:
    from tree_sitter import Node

_ENDS = words("exit exec return trap logout suspend")
_SETS = words(
    "set shopt alias unalias source . eval export declare typeset readonly local unset umask ulimit read mapfile "
    "readarray let getopts enable hash disown wait builtin command_not_found_handle"
)
_OF_THE_SHELL = words(
    "PATH HOME IFS LANG LC_ALL LANGUAGE USER LOGNAME SHELL TERM TMPDIR CDPATH OPTIND PS1 PS4 LD_LIBRARY_PATH "
    "LD_PRELOAD PYTHONPATH NODE_OPTIONS NODE_ENV DEBIAN_FRONTEND BASH_ENV ENV EDITOR PAGER"
)
_OWN_SHELL = frozenset({"subshell", "command_substitution", "process_substitution", "pipeline"})
_PLAIN = frozenset(
    {"command", "pipeline", "list", "redirected_statement", "test_command", "negated_command", "declaration_command"}
    | {"variable_assignment", "variable_assignments", "unset_command"}
)
_LINK = _PLAIN - {"list", "negated_command"}
_COMPOUND = frozenset(
    [
        "compound_statement",
        "subshell",
        "if_statement",
        "while_statement",
        "for_statement",
        "c_style_for_statement",
        "case_statement",
        "function_definition",
    ]
)


SOFT = "set +e\n"
"""Stands before commands that went on after a failure."""

# What is added to PATH is meant for whoever comes later, and a package manager that asks nothing harms nobody.
_HARMLESS_EXPORT = re.compile(
    r"export (?:PATH=\"?(?:[^\s\":;&|$`]|\$HOME\b|\$\{HOME\})+:(?:\$PATH|\$\{PATH\})\"?|"
    r"PATH=\"?(?:\$PATH|\$\{PATH\}):(?:[^\s\":;&|$`]|\$HOME\b|\$\{HOME\})+\"?|DEBIAN_FRONTEND=\"?noninteractive\"?)\Z"
)


@dataclass(kw_only=True)
class _Leaks:
    """What a shell would be left with."""

    ends: bool = False
    sets: bool = False
    names: set[str] = field(default_factory=set)


def own_block(  # noqa: PLR0911 - one way out a form
    text: str,
    *,
    errexit: bool,
    prelude: str = "",
    elsewhere: str = "",
    known: Collection[str] = (),
    alone: bool = False,
    last: bool = False,
) -> str:
    """The commands as lines (with a newline at the end), "" if they do nothing.

    `errexit`: their shell stopped at the first failure. `prelude`: lines that only they are to see (variables,
    options). `elsewhere`: the rest of the script; a plain variable that is not named there may stay set. `known`:
    names of variables that programs see. `alone`: no other commands stand beside them, so that what they set may
    stay; `last`: nothing comes after them, so that they may end the script.
    """
    tree = tree_of(text)
    if tree.trouble is not None:
        return _subshell(text, errexit=errexit, prelude=prelude)
    code = [node for node in tree.root.children if node.is_named and node.type != "comment"]
    if not code:
        return ""
    head = _options(tree, code[0])
    if head is not None and not prelude:
        if alone:
            errexit = errexit or head.errexit
        else:
            rest = tree.source[code[0].end_byte :].decode("utf-8").removeprefix("\n")
            comments = tree.source[: code[0].start_byte].decode("utf-8")
            return _with_options(comments + rest, head, errexit=errexit, elsewhere=elsewhere, known=known, whole=text)
    leaks = _leaks(tree)
    if prelude or (leaks.ends and not (alone and last)):
        return _subshell(text, errexit=errexit, prelude=prelude)
    seen = leaks.sets or leaks.ends or any(_is_seen(name, elsewhere, known) for name in leaks.names)
    if seen or (not errexit and (len(code) > 1 or not _is_plain(code[0]))):
        if alone:
            return _with_newline(text if errexit else SOFT + text)
        return _subshell(text, errexit=errexit, prelude="")
    torn = _torn(tree, code)
    if not alone and torn is None and may_fail_quietly(tree, tuple(tree.root.children), errexit=True):
        return _closed(tree, code[-1])
    return _with_newline(torn or text)


def option_changes(text: str) -> bool:
    """True if the commands change how their own shell behaves (`set`, `shopt`)."""
    tree = tree_of(text)
    return any(_name_of(tree, node) in {"set", "shopt"} for node in _own_nodes(tree.root) if node.type == "command")


# -- options at the top ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Options:
    errexit: bool
    on: str
    off: str


def _options(tree: Tree, node: Node) -> _Options | None:
    """What `set -euo pipefail` as the first statement says; None for every other statement."""
    words = tree.text_of(node).split()
    following = tree.source[node.end_byte :]
    if node.type != "command" or words[:1] != ["set"] or not following.startswith(b"\n"):
        return None
    letters, names = "", []
    arguments = words[1:]
    while arguments:
        word = arguments.pop(0)
        if not re.fullmatch(r"-[euxo]+", word):
            return None
        letters += word[1:].replace("o", "")
        if "o" in word:
            name = arguments.pop(0) if arguments else ""
            short = {"errexit": "e", "nounset": "u", "xtrace": "x"}.get(name, "")
            letters += short
            if not short and name != "pipefail":
                return None
            names += [name] if not short else []
    on = ("u" if "u" in letters else "", "o pipefail" if names else "")
    return _Options(
        errexit="e" in letters,
        # Tracing changes nothing but the output.
        on=f"set -{''.join(on)}\n" if any(on) else "",
        off=f"set{' +u' if on[0] else ''}{' +o pipefail' if on[1] else ''}\n" if any(on) else "",
    )


def _with_options(
    text: str, head: _Options, *, errexit: bool, elsewhere: str, known: Collection[str], whole: str
) -> str:
    """The block between its options and their end, if it can be plain lines; else the whole of it in a subshell."""
    body = own_block(text, errexit=errexit or head.errexit, elsewhere=elsewhere, known=known)
    if not body or body.startswith("(\n"):
        return _subshell(whole, errexit=errexit, prelude="") if body else ""
    return f"{head.on}{body}{head.off}"


# -- what would leak --------------------------------------------------------------------------------


def _leaks(tree: Tree) -> _Leaks:
    found = _Leaks()
    for node in _own_nodes(tree.root):
        kind = node.type
        if kind == "command":
            name = _name_of(tree, node)
            found.ends |= name in _ENDS
            found.sets |= name in _SETS or not name
        elif kind in {"declaration_command", "unset_command"}:
            found.sets |= not _HARMLESS_EXPORT.match(tree.text_of(node))
        elif kind == "variable_assignment" and (node.parent is None or node.parent.type != "command"):
            if not _HARMLESS_EXPORT.match("export " + tree.text_of(node)):
                name_node = node.child_by_field_name("name")
                found.names.add(tree.text_of(name_node) if name_node is not None else "")
        elif kind == "function_definition":
            name_node = node.child_by_field_name("name")
            found.names.add(tree.text_of(name_node) if name_node is not None else "")
        elif kind in {"for_statement", "select_statement"}:
            name_node = node.child_by_field_name("variable")
            found.names.add(tree.text_of(name_node) if name_node is not None else "")
        elif kind == "c_style_for_statement":
            found.sets = True
    return found


def _own_nodes(root: Node) -> Iterator[Node]:
    """All nodes whose commands run in the shell itself."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for child in node.children if child.type not in _OWN_SHELL)


def _name_of(tree: Tree, node: Node) -> str:
    """A command's name; "" if it is not known before it runs."""
    name = node.child_by_field_name("name")
    if name is None or any(child.type != "word" for child in name.named_children):
        return ""
    return tree.text_of(name).lstrip("\\")


def _is_seen(name: str, elsewhere: str, known: Collection[str]) -> bool:
    base = name.split("[", 1)[0].rstrip("+")
    return not base or base in _OF_THE_SHELL or base in known or bool(re.search(rf"\b{re.escape(base)}\b", elsewhere))


def _is_plain(node: Node) -> bool:
    """True for simple commands and lists of them: `set -e` outside changes nothing inside of these."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type in _COMPOUND:
            return False
        if one.type in {"list", "redirected_statement", "negated_command", "pipeline"}:
            waiting.extend(child for child in one.named_children)
    return node.type in _PLAIN


# -- chains -----------------------------------------------------------------------------------------


def _torn(tree: Tree, code: list[Node]) -> str | None:
    """The text with the chain of `&&` at its end as lines, which say the same under `set -e`; None without one."""
    last = code[-1]
    links = _chain(tree, last)
    behind = tree.source[last.end_byte :].strip()
    if len(links) < 2 or behind or not tree.is_alone(last) or any(n.type == "function_definition" for n in code):
        return None
    head = tree.source[: last.start_byte].decode("utf-8")
    return head + "\n".join(links)


def _closed(tree: Tree, last: Node) -> str:
    """The text with its last statement in a subshell, whose status counts where the statement's own would not."""
    if not tree.is_alone(last):
        return _subshell(tree.source.decode("utf-8"), errexit=True, prelude="")
    head = tree.source[: last.start_byte].decode("utf-8")
    return head + _subshell(tree.source[last.start_byte :].decode("utf-8"), errexit=True, prelude="")


def _chain(tree: Tree, node: Node) -> list[str]:
    """The links of a pure `&&` chain of simple commands as texts; [] for anything else."""
    tail = node.end_byte
    if node.type == "redirected_statement":
        first, *redirects = node.children
        if first.type != "list" or any(one.type != "file_redirect" for one in redirects):
            return []
        node = first
    links: list[Node] = []
    while node.type == "list":
        parts = node.children
        if len(parts) != 3 or parts[1].type != "&&":
            return []
        links.insert(0, parts[2])
        node = parts[0]
    links.insert(0, node)
    if any(link.type not in _LINK for link in links[:-1]) or links[-1].type in {"list", "negated_command"}:
        return []
    if any(_has_heredoc(link) for link in links):
        return []
    texts = [tree.text_of(link) for link in links[:-1]]
    return [*texts, tree.source[links[-1].start_byte : tail].decode("utf-8")]


def _has_heredoc(node: Node) -> bool:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type == "heredoc_redirect":
            return True
        waiting.extend(one.children)
    return False


# -- texts ------------------------------------------------------------------------------------------


def _subshell(text: str, *, errexit: bool, prelude: str) -> str:
    off = "" if errexit else SOFT
    return f"(\n{off}{_with_newline(prelude) if prelude else ''}{_with_newline(text)})\n"


def _with_newline(text: str) -> str:
    text = text.rstrip("\n") + "\n"
    # Behind a `\` the next line would belong to this one.
    return text + "\n" if text.endswith("\\\n") else text
