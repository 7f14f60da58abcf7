"""From syntax tree to actions: one walk over a statement that forgets the shell's many spellings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from agents_runner.preflight.actions import (
    TOP,
    Action,
    Assign,
    Call,
    Context,
    Define,
    Redirect,
    Use,
    Var,
    Word,
)
from agents_runner.preflight.words import WordReader

if TYPE_CHECKING:
    from tree_sitter import Node

    from agents_runner.preflight.syntax import Tree

_DECLARE_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=)?")
_ASKS = frozenset(b"test [ [[ grep egrep fgrep command which type hash true false".split())
_ARITHMETIC = frozenset(
    {"binary_expression", "unary_expression", "postfix_expression", "parenthesized_expression", "ternary_expression"}
)
OPAQUE = "`"
"""Name of a command that the grammar hides from us: a backquote inside of a here-document."""


class Extractor:
    """Reads the statements of one script."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.out: list[Action] = []
        self.offset = 0
        self.words = WordReader(tree, self.inside)
        self.visitors: dict[str, Callable[[Node, Context], object]] = {
            "command": self.command,
            "redirected_statement": self.redirected,
            "variable_assignment": lambda node, context: self.out.append(self.assignment(node, context)),
            "pipeline": self.pipeline,
            "list": self.chain,
            "test_command": self.test,
            "declaration_command": self.declaration,
            "unset_command": self.unset,
            "function_definition": self.definition,
            "subshell": self.subshell,
            "if_statement": self.branch,
            "while_statement": self.branch,
            "for_statement": self.loop,
            "c_style_for_statement": self.c_loop,
            "case_statement": self.case,
            "file_redirect": self.lone_redirect,
            "variable_name": self.arithmetic,
            **dict.fromkeys(_ARITHMETIC, self.arithmetic),
        }

    def actions(self, nodes: Iterable[Node]) -> tuple[Action, ...]:
        """What some statements do that stand side by side (with the `;` and `&` between them)."""
        self.out = []
        self.siblings(list(nodes), TOP)
        return tuple(self.out)

    def inside(self, nodes: Iterable[Node]) -> tuple[Action, ...]:
        """The actions of a substitution's body: isolated, apart from the rest."""
        outer, self.out = self.out, []
        self.siblings(list(nodes), Context(isolated=True))
        inner, self.out = tuple(self.out), outer
        return inner

    def siblings(self, nodes: list[Node], context: Context) -> None:
        """Statements in a row; one that ends in `&` runs in the background."""
        for index, node in enumerate(nodes):
            if not node.is_named or node.type == "comment":
                continue
            following = nodes[index + 1] if index + 1 < len(nodes) else None
            background = following is not None and following.type == "&"
            self.visit(node, replace(context, background=True, isolated=True) if background else context)

    def visit(self, node: Node, context: Context) -> None:
        """One statement, of whatever kind."""
        self.offset = node.start_byte
        visitor = self.visitors.get(node.type)
        if visitor is not None:
            visitor(node, context)
        else:
            # Groups of statements and whatever the grammar may yet invent: everything in it, in order.
            self.siblings(node.children, context)

    # --- simple commands ---------------------------------------------------------------------------------

    def command(
        self,
        node: Node,
        context: Context,
        outer: tuple[Redirect, ...] = (),
        *,
        has_input: bool = False,
        document: str | None = None,
    ) -> Call | None:
        words: list[Word] = []
        assigns: list[Assign] = []
        redirects: list[Redirect] = list(outer)
        for child in node.children:
            kind = child.type
            if kind == "variable_assignment" and not words:
                assigns.append(self.assignment(child, context))
            elif kind == "file_redirect":
                redirects.extend(self.redirect(child))
            elif kind == "herestring_redirect":
                has_input = True
                self.use(child.named_children, context)
            elif child.is_named and kind != "comment":
                words.append(self.words.read(child))
            elif not child.is_named and kind not in _PUNCTUATION:
                # `==` and the like stand for themselves in a command's arguments.
                words.append(self.words.read(child))
        if not words:
            self.out.extend(assigns)
            if redirects:
                self.out.append(Call((), (), tuple(redirects), context, node.start_byte))
            return None
        reads = any(not redirect.writes for redirect in redirects)
        call = Call(
            tuple(words),
            tuple(assigns),
            tuple(redirects),
            context,
            node.start_byte,
            has_input=has_input or reads,
            document=document,
        )
        self.out.append(call)
        return call

    def assignment(self, node: Node, context: Context, how: str = "", *, exports: bool = False) -> Assign:
        name_node = node.child_by_field_name("name") or node.children[0]
        value_node = node.child_by_field_name("value")
        element = name_node.type == "subscript"
        if element:
            inner = name_node.child_by_field_name("name")
            name = self.tree.text_of(inner) if inner else ""
        else:
            name = self.tree.text_of(name_node)
        between = self.tree.source[name_node.end_byte : name_node.end_byte + 1]
        value = self.words.read(value_node) if value_node else Word((), "", False)
        return Assign(
            name,
            value,
            context,
            node.start_byte,
            how=how,
            exports=exports,
            keeps=element or between == b"+",
            array=element or (value_node is not None and value_node.type == "array"),
        )

    def redirect(self, node: Node) -> list[Redirect]:
        target = node.child_by_field_name("destination")
        operator = next((c.type for c in node.children if not c.is_named), ">")
        if target is None or (operator in {">&", "<&"} and target.type == "number"):
            return []
        return [Redirect(self.words.read(target), writes="<" not in operator)]

    def lone_redirect(self, node: Node, context: Context) -> None:
        """`$(<file)`, `> file`."""
        self.out.append(Call((), (), tuple(self.redirect(node)), context, node.start_byte))

    def use(self, nodes: Iterable[Node], context: Context) -> None:
        words = tuple(self.words.read(node) for node in nodes if node.type != "comment")
        if words:
            self.out.append(Use(words, context, self.offset))

    # --- redirections and here-documents -----------------------------------------------------------------

    def redirected(self, node: Node, context: Context) -> None:
        body = node.child_by_field_name("body")
        plain: list[Redirect] = []
        heredocs: list[Node] = []
        has_input = False
        for child in node.named_children:
            if child.type == "file_redirect":
                plain.extend(self.redirect(child))
            elif child.type == "heredoc_redirect":
                heredocs.append(child)
                has_input = True
                plain.extend(r for c in child.named_children if c.type == "file_redirect" for r in self.redirect(c))
            elif child.type == "herestring_redirect":
                has_input = True
                self.use(child.named_children, context)
        for heredoc in heredocs:
            self.heredoc_text(heredoc, context)
        pipes = [c for h in heredocs for c in h.named_children if c.type == "pipeline"]
        inner = replace(context, isolated=True) if pipes else context
        call: Call | None = None
        if body is not None and body.type == "command":
            document = self.document(heredocs[-1]) if heredocs else None
            call = self.command(body, inner, tuple(plain), has_input=has_input, document=document)
        else:
            if body is not None:
                fed = has_input or any(not redirect.writes for redirect in plain)
                self.visit(body, replace(inner, fed=True) if fed else inner)
            if plain or has_input:
                self.out.append(Call((), (), tuple(plain), context, node.start_byte, has_input=has_input))
        for pipe in pipes:
            if call is not None:
                call = replace(call, feeds=True)
                self.out[-1] = call
            self.pipeline(pipe, context, call)
        for heredoc in heredocs:
            self.behind_heredoc(heredoc, context)

    def heredoc_text(self, node: Node, context: Context) -> None:
        """The variables and commands in a here-document; none if its delimiter is quoted."""
        start = next((c for c in node.named_children if c.type == "heredoc_start"), None)
        body = next((c for c in node.named_children if c.type == "heredoc_body"), None)
        if body is None or start is None or set(self.tree.text_of(start)) & set("'\"\\"):
            return
        parts = [c for c in body.named_children if c.type != "heredoc_content"]
        self.use(parts, context)
        text = self.tree.text_of(body)
        if re.search(r"(?<!\\)`", text):
            hidden = Call((Word((OPAQUE,), OPAQUE, False),), (), (), Context(isolated=True), body.start_byte)
            self.out.append(hidden)

    def document(self, node: Node) -> str | None:
        """The lines of a here-document as they stand."""
        body = next((c for c in node.named_children if c.type == "heredoc_body"), None)
        return None if body is None else self.tree.text_of(body)

    def behind_heredoc(self, node: Node, context: Context) -> None:
        """`cat <<EOF && more`: the grammar hangs what follows below the here-document."""
        right = node.child_by_field_name("right")
        if right is not None:
            self.visit(right, replace(context, conditional=True))

    # --- compounds ---------------------------------------------------------------------------------------

    def pipeline(self, node: Node, context: Context, feeder: Call | None = None) -> None:
        inner = replace(context, isolated=True)
        first = len(self.out)
        for child in node.named_children:
            if child.type == "comment":
                continue
            before = len(self.out)
            self.visit(child, inner)
            if feeder is not None:
                self._feed(before, feeder)
            calls = [i for i in range(max(before, first), len(self.out)) if isinstance(self.out[i], Call)]
            last = self.out[calls[-1]] if calls else None
            feeder = last if isinstance(last, Call) else feeder
        # All but the last element write into the pipe.
        ends = [i for i in range(first, len(self.out)) if isinstance(self.out[i], Call)]
        for index in ends[:-1]:
            call = self.out[index]
            if isinstance(call, Call):
                self.out[index] = replace(call, feeds=True)

    def _feed(self, start: int, feeder: Call) -> None:
        for index in range(start, len(self.out)):
            call = self.out[index]
            if isinstance(call, Call):
                self.out[index] = replace(call, feeder=feeder, has_input=True)

    def chain(self, node: Node, context: Context) -> None:
        children = node.children
        operators = [c for c in children if not c.is_named]
        named = [c for c in children if c.is_named and c.type != "comment"]
        if not named:
            return
        self.visit(named[0], context)
        operator = operators[0].type if operators else ""
        guarded = operator == "||" and not self._asks(named[0])
        for child in named[1:]:
            self.visit(child, replace(context, conditional=True, guarded=guarded))

    def _asks(self, node: Node) -> bool:
        """True for a command that only answers a question: a failure of it is no error."""
        while node.type in {"list", "negated_command", "pipeline", "redirected_statement"} and node.named_children:
            node = node.named_children[0] if node.type == "redirected_statement" else node.named_children[-1]
        if node.type == "command":
            name = node.child_by_field_name("name")
            return name is None or self.tree.source[name.start_byte : name.end_byte] in _ASKS
        return node.type != "declaration_command"

    def test(self, node: Node, context: Context) -> None:
        words = [Word(("[",), "[", False)]
        stack = list(reversed(node.children))
        while stack:
            child = stack.pop()
            if child.type in _ARITHMETIC:
                stack.extend(reversed(child.children))
            elif child.is_named and child.type != "comment":
                words.append(self.words.read(child))
        self.out.append(Call(tuple(words), (), (), context, node.start_byte))

    def definition(self, node: Node, context: Context) -> None:
        name = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        if name is None or body is None:
            return
        outer, self.out = self.out, []
        inner = Context(isolated=body.type == "subshell", function=True)
        self.siblings(body.children, inner)
        redirects = [r for c in node.named_children if c.type == "file_redirect" for r in self.redirect(c)]
        if redirects:
            self.out.append(Call((), (), tuple(redirects), inner, node.start_byte))
        actions, self.out = tuple(self.out), outer
        self.out.append(Define(self.tree.text_of(name), actions, context, node.start_byte))

    def subshell(self, node: Node, context: Context) -> None:
        self.siblings(node.children, replace(context, isolated=True))

    def branch(self, node: Node, context: Context) -> None:
        """`if` and `while`: the first condition always happens, the rest may not."""
        inner = replace(context, conditional=True, guarded=False)
        condition = set(node.children_by_field_name("condition"))
        for index, child in enumerate(node.children):
            if not child.is_named or child.type == "comment":
                continue
            following = node.children[index + 1] if index + 1 < len(node.children) else None
            where = context if child in condition else inner
            background = following is not None and following.type == "&"
            self.visit(child, replace(where, background=True, isolated=True) if background else where)

    def loop(self, node: Node, context: Context) -> None:
        variable = node.child_by_field_name("variable")
        self.use(node.children_by_field_name("value"), context)
        if variable is not None:
            choices = tuple(self.words.read(value) for value in node.children_by_field_name("value"))
            name = self.tree.text_of(variable)
            self.out.append(Assign(name, None, context, node.start_byte, how="loop", choices=choices))
        body = node.child_by_field_name("body")
        if body is not None:
            self.visit(body, replace(context, conditional=True, guarded=False))

    def c_loop(self, node: Node, context: Context) -> None:
        for child in node.named_children:
            if child.type == "do_group":
                self.visit(child, replace(context, conditional=True, guarded=False))
            else:
                self.arithmetic(child, context)

    def case(self, node: Node, context: Context) -> None:
        value = node.child_by_field_name("value")
        if value is not None:
            self.use([value], context)
        inner = replace(context, conditional=True, guarded=False)
        for item in node.named_children:
            if item.type != "case_item":
                continue
            patterns = item.children_by_field_name("value")
            self.use([p for p in patterns if p.named_children], inner)
            skipped = {p.id for p in patterns}
            self.siblings([c for c in item.children if c.id not in skipped], inner)

    # --- variables ---------------------------------------------------------------------------------------

    def declaration(self, node: Node, context: Context) -> None:
        keyword = node.children[0].type
        options = ""
        for child in node.children[1:]:
            kind = child.type
            if kind == "variable_assignment":
                exports = keyword == "export" or "x" in options
                how = keyword if "f" not in options else "function"
                self.out.append(self.assignment(child, context, how, exports=exports))
            elif kind == "file_redirect":
                self.out.append(Call((), (), tuple(self.redirect(child)), context, node.start_byte))
            elif child.is_named and kind != "comment":
                word = self.words.read(child)
                if word.literal is not None and word.literal.startswith("-"):
                    options += word.literal
                else:
                    self.out.append(declared(word, keyword, options, context, node.start_byte))

    def unset(self, node: Node, context: Context) -> None:
        options = ""
        for child in node.named_children:
            word = self.words.read(child)
            if word.literal is not None and word.literal.startswith("-"):
                options += word.literal
            elif word.literal is not None:
                how = "unset-function" if "f" in options else "unset"
                self.out.append(Assign(word.literal, None, context, node.start_byte, how=how))
            else:
                self.out.append(Use((word,), context, node.start_byte))

    def arithmetic(self, node: Node, context: Context) -> None:
        """`((...))`: every name is read, and the ones that are changed are written as well."""
        if node.type == "variable_assignment":
            self.out.append(self.assignment(node, context))
            return
        names = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", self.tree.text_of(node)))
        self.out.append(
            Use((Word(tuple(Var(name) for name in sorted(names)), None, False),), context, node.start_byte)
        )
        text = self.tree.text_of(node)
        for match in re.finditer(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^]]*\])?\s*(?:\+\+|--|[-+*/%&|^]?=(?!=))", text):
            self.out.append(Assign(match[1], None, context, node.start_byte, keeps=True))
        for match in re.finditer(r"(?:\+\+|--)\s*([A-Za-z_][A-Za-z0-9_]*)", text):
            self.out.append(Assign(match[1], None, context, node.start_byte, keeps=True))


def declared(word: Word, keyword: str, options: str, context: Context, offset: int) -> Action:
    """One argument of `export` and its like that the grammar gave as a word: NAME, or a quoted NAME=VALUE."""
    head = word.parts[0] if word.parts and isinstance(word.parts[0], str) else ""
    match = _DECLARE_NAME.match(head)
    exports = keyword == "export" or "x" in options
    if not match:
        return Use((word,), context, offset)
    if "f" in options or "F" in options:
        return Assign(match[1], None, context, offset, how="export-function" if exports else "show")
    if not match[2]:
        how = "attribute" if exports or keyword in {"readonly"} or options else keyword
        return Assign(match[1], None, context, offset, how=how, exports=exports, keeps=True)
    rest = head[match.end() :]
    parts = ((rest,) if rest else ()) + word.parts[1:]
    value = Word(parts, rest if len(word.parts) == 1 else None, True)
    return Assign(match[1], value, context, offset, how=keyword, exports=exports, keeps=match[2] == "+=")


_PUNCTUATION = frozenset({"<<<", "&", ";", "\n", "<", ">", "|", "(", ")"})
