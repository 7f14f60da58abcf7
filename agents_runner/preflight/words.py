"""Reading words: quotes removed, variables and substitutions kept apart from the text around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from agents_runner.preflight.actions import Action, Part, Sub, Var, Word

if TYPE_CHECKING:
    from tree_sitter import Node

    from agents_runner.preflight.syntax import Tree

_EXPANSION = re.compile(
    r"\$\{(?P<flag>[!#]?)(?P<name>[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!_-])(?:\[[^]]*\])?(?P<op>:?[-=?+])?"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPE = re.compile(r"\\(\n|.)", re.DOTALL)
_QUOTED_ESCAPE = re.compile(r"\\([$`\"\\])|\\\n")
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "0": "", "e": "\x1b", "a": "\a"}
Inside = Callable[[Iterable["Node"]], tuple[Action, ...]]


class WordReader:
    """Turns word nodes into `Word`; `inside` reads the body of a substitution."""

    def __init__(self, tree: Tree, inside: Inside) -> None:
        self._source = tree.source
        self._inside = inside
        self._readers: dict[str, Callable[[Node, list[Part]], None]] = {
            "string": self._string,
            "raw_string": self._raw,
            "ansi_c_string": self._ansi,
            "simple_expansion": self._variable,
            "expansion": self._expansion,
            "command_substitution": self._substitution,
            "process_substitution": self._substitution,
            "arithmetic_expansion": self._arithmetic,
        }

    def read(self, node: Node) -> Word:
        """One word, whatever the grammar calls it."""
        if node.type == "command_name" and node.named_child_count == 1:
            node = node.named_children[0]
        kind = node.type
        if kind == "word" and node.named_child_count == 0:
            text = _unescape(self._text(node))
            return Word((text,), text, False)
        parts: list[Part] = []
        self._collect(node, parts, quoted=False)
        merged = _merge(parts)
        literal = (
            "".join(p for p in merged if isinstance(p, str)) if all(isinstance(p, str) for p in merged) else None
        )
        return Word(merged, literal, kind in _QUOTES or (kind == "concatenation" and _has_quotes(node)))

    def _text(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8")

    def _collect(self, node: Node, parts: list[Part], *, quoted: bool) -> None:
        kind = node.type
        if kind in _EXPANSIONS:
            # Inside of a string the grammar counts the blanks before an expansion as part of it.
            text = self._text(node)
            blanks = len(text) - len(text.lstrip())
            if blanks:
                parts.append(text[:blanks])
        special = self._readers.get(kind)
        if special is not None:
            special(node, parts)
        elif not node.named_child_count:
            text = self._text(node)
            parts.append(_QUOTED_ESCAPE.sub(lambda m: m[1] or "", text) if quoted else _unescape(text))
        else:
            # Arrays have blanks between their elements; a concatenation has not.
            for index, child in enumerate(node.named_children):
                if index and kind == "array":
                    parts.append(" ")
                self._collect(child, parts, quoted=quoted)

    def _raw(self, node: Node, parts: list[Part]) -> None:
        parts.append(self._text(node)[1:-1])

    def _ansi(self, node: Node, parts: list[Part]) -> None:
        parts.append(_ESCAPE.sub(lambda m: _ANSI.get(m[1], m[0]), self._text(node)[2:-1]))

    def _variable(self, node: Node, parts: list[Part]) -> None:
        parts.append(Var(self._text(node).strip()[1:]))

    def _substitution(self, node: Node, parts: list[Part]) -> None:
        parts.append(Sub(self._inside(node.children), process=node.type == "process_substitution"))

    def _string(self, node: Node, parts: list[Part]) -> None:
        """A double-quoted string; the grammar leaves out blanks between its expansions."""
        at = node.start_byte + 1
        end = node.end_byte - 1
        for child in node.named_children:
            if child.start_byte > at:
                parts.append(self._source[at : child.start_byte].decode("utf-8"))
            self._collect(child, parts, quoted=True)
            at = child.end_byte
        if end > at:
            parts.append(self._source[at:end].decode("utf-8"))

    def _expansion(self, node: Node, parts: list[Part]) -> None:
        text = self._text(node).lstrip()
        match = _EXPANSION.match(text)
        if not match:
            # `${#}` and forms that the pattern does not know: every name in it is read.
            parts.extend(Var(name, "other") for name in _NAME.findall(text) or ["#"])
            return
        op = match["op"] or ("" if text == "${" + match["name"] + "}" else "other")
        keys = text.endswith(("[@]}", "[*]}"))
        op = "indirect" if match["flag"] == "!" and not keys else op
        inner: list[Part] = []
        for child in node.named_children:
            if child.type == "subscript":
                index = child.child_by_field_name("index")
                if index is not None and index.named_child_count:
                    self._collect(index, inner, quoted=False)
            elif (
                child.type not in {"variable_name", "special_variable_name"} or child.start_byte > node.start_byte + 3
            ):
                self._collect(child, inner, quoted=False)
        merged = _merge(inner)
        literal = (
            "".join(p for p in merged if isinstance(p, str)) if all(isinstance(p, str) for p in merged) else None
        )
        parts.append(Var(match["name"], op, Word(merged, literal, False)))

    def _arithmetic(self, node: Node, parts: list[Part]) -> None:
        stack = list(node.named_children)
        names = set(_NAME.findall(self._text(node)))
        while stack:
            child = stack.pop()
            if child.type == "command_substitution":
                parts.append(Sub(self._inside(child.children)))
                names -= set(_NAME.findall(self._text(child)))
            else:
                stack.extend(child.named_children)
        parts.extend(Var(name, "other") for name in sorted(names))
        if not names:
            parts.append(self._text(node))


_EXPANSIONS = frozenset({"simple_expansion", "expansion", "command_substitution", "arithmetic_expansion"})
_QUOTES = frozenset({"string", "raw_string", "ansi_c_string", "translated_string"})


def _has_quotes(node: Node) -> bool:
    return any(child.type in _QUOTES for child in node.named_children)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda m: "" if m[1] == "\n" else m[1], text) if "\\" in text else text


def _merge(parts: list[Part]) -> tuple[Part, ...]:
    """Neighbouring texts become one."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)
