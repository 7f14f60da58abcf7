"""What a shell statement does, as plain values: calls, assignments, definitions, in their order."""

# Not frozen: a long script makes tens of thousands of these while somebody types, and frozen ones cost twice as much.
from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Var:
    """`$NAME` or `${NAME...}`; `op` is what follows the name: "", "-", ":-", "=", "?", "+" ..., or "other"."""

    name: str
    op: str = ""
    word: Word | None = None

    @property
    def has_default(self) -> bool:
        """True if the expansion says what holds when the variable is not set."""
        return self.op in {"-", ":-", "=", ":=", "+", ":+"}


@dataclass(slots=True, eq=False)
class Sub:
    """A command or process substitution."""

    body: tuple[Action, ...]
    process: bool = False


Part = str | Var | Sub


@dataclass(slots=True, eq=False)
class Word:
    """One shell word: literal text with the quotes gone, variables and substitutions in between."""

    parts: tuple[Part, ...]
    literal: str | None
    """The whole word, if nothing in it is expanded; an unquoted leading `~` counts as text."""
    quoted: bool
    """True if any of it is quoted: then it is no alias, no pattern, no `~`."""


@dataclass(slots=True, eq=False)
class Context:
    """Where an action stands inside of its statement."""

    conditional: bool = False
    """It may not happen, or more than once."""
    isolated: bool = False
    """It happens in a subshell: what it changes in the shell is lost."""
    background: bool = False
    function: bool = False
    guarded: bool = False
    """It is what follows a failed command (`COMMAND || ...`), not what follows a test."""
    fed: bool = False
    """Its standard input was redirected around it: a loop with `< file`."""

    def inside(self, outer: Context) -> Context:
        """This context inside of another one: a function's body where the function is called."""
        if outer is TOP:
            return self
        return Context(
            conditional=self.conditional or outer.conditional,
            isolated=self.isolated or outer.isolated,
            background=self.background or outer.background,
            function=self.function,
            guarded=self.guarded or outer.guarded,
            fed=self.fed or outer.fed,
        )


TOP = Context()


@dataclass(slots=True, eq=False)
class Redirect:
    """A file that is read or written by a redirection."""

    target: Word
    writes: bool


@dataclass(slots=True, eq=False)
class Assign:
    """NAME=VALUE in the shell itself; `how` is "", export, readonly, local, declare, unset, loop or read."""

    name: str
    value: Word | None
    context: Context
    offset: int
    how: str = ""
    exports: bool = False
    keeps: bool = False
    """The old value lives on in the new one (`+=`, `((x++))`, an element of an array)."""
    array: bool = False
    choices: tuple[Word, ...] = ()
    """For a loop: the words that it goes through."""


@dataclass(slots=True, eq=False)
class Call:
    """A simple command, a test included (`[`): its words, the assignments before it and its redirections."""

    words: tuple[Word, ...]
    assigns: tuple[Assign, ...]
    redirects: tuple[Redirect, ...]
    context: Context
    offset: int
    feeder: Call | None = None
    """The command whose output it reads."""
    feeds: bool = False
    """Its output goes to another command, not to the terminal."""
    has_input: bool = False
    """Its standard input is a here-document, a file or a pipe."""
    document: str | None = None
    """The text of its here-document."""


@dataclass(slots=True, eq=False)
class Use:
    """Words that are expanded without a command: loop lists, case values, arithmetic, here-documents."""

    words: tuple[Word, ...]
    context: Context
    offset: int


@dataclass(slots=True, eq=False)
class Define:
    """A function definition."""

    name: str
    body: tuple[Action, ...]
    context: Context
    offset: int


Action = Assign | Call | Use | Define
