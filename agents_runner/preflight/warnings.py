"""What a checker's rule sees, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from agents_runner.preflight.actions import Action, Assign, Call, Define, Part, Sub, Use, Var, Word
from agents_runner.preflight.analysis import Analysis, Entry
from agents_runner.preflight.invocation import Invocation, read_call
from agents_runner.preflight.scope import Scope

CheckStage = Literal["cached", "run", "single"]


@dataclass(frozen=True, kw_only=True, order=True)
class ScriptWarning:
    """One warning: it never keeps anybody from saving."""

    line: int
    """1-based; the whole script: 1."""
    rule: str
    message: str
    hint: str = ""


@dataclass(slots=True, eq=False)
class Seen:
    """A call somewhere in a script: inside of what it stands, and in which piece."""

    call: Call
    entry: Entry
    in_function: bool
    isolated: bool


@dataclass(eq=False)
class View:
    """A script as the rules see it."""

    text: str
    """With LF line ends."""
    stage: CheckStage
    analysis: Analysis
    has_sudo: bool | None = None
    before: Analysis | None = None
    """The cached preflight, while the run preflight is checked."""
    calls: list[tuple[Seen, Invocation]] = field(default_factory=list)

    def __post_init__(self) -> None:
        scope = Scope()
        for entry in self.analysis.entries:
            for seen in _calls(entry.actions, entry, in_function=False, isolated=False):
                invocation = read_call(seen.call, scope)
                if invocation is not None:
                    self.calls.append((seen, invocation))

    def line_of(self, offset: int) -> int:
        """The 1-based line of a byte."""
        return self.analysis.program.tree.row_of(offset) + 1

    def line(self, entry: Entry, offset: int = -1) -> int:
        """The line of an action, or of its piece's code."""
        return self.line_of(offset) if offset >= 0 else entry.piece.code_row + 1


def _calls(actions: Iterable[Action], entry: Entry, *, in_function: bool, isolated: bool) -> Iterator[Seen]:
    for action in actions:
        if isinstance(action, Call):
            yield Seen(action, entry, in_function, isolated or action.context.isolated)
            words: Iterable[Word] = action.words
        elif isinstance(action, Define):
            yield from _calls(action.body, entry, in_function=True, isolated=isolated)
            continue
        elif isinstance(action, Use):
            words = action.words
        else:
            words = (action.value,) if isinstance(action, Assign) and action.value is not None else ()
        for word in words:
            if word.literal is None:
                for part in word.parts:
                    yield from _inside(part, entry, in_function=in_function)


def _inside(part: Part, entry: Entry, *, in_function: bool) -> Iterator[Seen]:
    if isinstance(part, Sub):
        yield from _calls(part.body, entry, in_function=in_function, isolated=True)
    elif isinstance(part, Var) and part.word is not None:
        for inner in part.word.parts:
            yield from _inside(inner, entry, in_function=in_function)
