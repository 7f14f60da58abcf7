"""A whole script understood: its pieces with their facts, and which earlier piece each of them builds on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from agents_runner.core.scripts import interpreter_of
from agents_runner.preflight.actions import Action
from agents_runner.preflight.commands import handle
from agents_runner.preflight.extract import Extractor
from agents_runner.preflight.facts import FOLDER, OPTIONS, POSITIONAL, Facts
from agents_runner.preflight.interpret import Interpreter
from agents_runner.preflight.parse import Piece, Program, parse
from agents_runner.preflight.scope import Scope, may_come_from_a_file
from agents_runner.preflight.status import may_fail_quietly

_LOOKS_BACK = re.compile(r"\bcd\s+[-~+]|\bpushd\b|\bpopd\b|\bOLDPWD\b|~[-+0-9]")
_WILD = "/files of shell code"
_NO_WILD = frozenset({FOLDER, OPTIONS, POSITIONAL})


@dataclass(slots=True, eq=False)
class Entry:
    """One piece: its facts, and for each name it reads the pieces that last set it (none: the environment)."""

    index: int
    piece: Piece
    facts: Facts
    sources: dict[str, tuple[int, ...]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    quiet: bool = False
    """It may end with a failure that does not stop the script."""

    @property
    def is_code(self) -> bool:
        """False for comments, marks and the shebang."""
        return self.piece.kind == "code"


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """The whole script."""

    program: Program
    entries: tuple[Entry, ...]
    unreadable: str = ""
    """Why nothing in it could be understood; then it is one piece."""


@lru_cache(maxsize=8)
def analyse(text: str, available: frozenset[str] = frozenset()) -> Analysis:
    """Understand a script (LF line ends). `available`: variables that are set alike in build and task."""
    program = parse(text)
    if interpreter_of(text).kind == "other":
        return _opaque(program, "It is not a shell script.")
    if program.trouble is not None:
        return _opaque(program, f"Line {program.trouble} could not be understood, so nothing is taken apart.")
    interpreter = Interpreter(
        Scope(available=frozenset(available), looks_back=bool(_LOOKS_BACK.search(text))), handle
    )
    extractor = Extractor(program.tree)
    entries: list[Entry] = []
    names = _Names()
    errexit = False
    for index, piece in enumerate(program.pieces):
        actions = extractor.actions(piece.nodes)
        facts = interpreter.statement(actions, single=len(piece.nodes) == 1)
        entry = Entry(index, piece, facts, sources=names.step(index, facts), actions=actions)
        if piece.kind == "code":
            errexit = _errexit(program, piece, errexit)
            entry.quiet = may_fail_quietly(program.tree, piece.nodes, errexit=errexit)
        if facts.is_cached:
            for path in facts.files_written:
                interpreter.scope.made.add(path, index)
        entries.append(entry)
    return Analysis(program=program, entries=tuple(entries))


def _opaque(program: Program, why: str) -> Analysis:
    facts = Facts()
    facts.must_run(why, certain=False)
    pieces = program.pieces
    whole = Piece(
        kind="code",
        first=0,
        last=pieces[-1].last,
        start=0,
        end=pieces[-1].end,
        code_row=0,
    )
    single = Program(tree=program.tree, pieces=(whole,), trouble=program.trouble)
    return Analysis(program=single, entries=(Entry(0, whole, facts),), unreadable=why)


def _errexit(program: Program, piece: Piece, before: bool) -> bool:
    """Whether `set -e` holds behind a piece."""
    text = program.tree.source[piece.nodes[0].start_byte : piece.nodes[-1].end_byte]
    if not text.startswith(b"set ") or b"\n" in text:
        return before
    on = before
    words = text.decode("utf-8").split()
    for word, following in zip(words[1:], [*words[2:], ""], strict=True):
        if word in {"-o", "+o"} and following == "errexit":
            on = word == "-o"
        elif word.startswith("-") and not word.startswith("--") and "e" in word and word != "-o":
            on = True
        elif word.startswith("+") and "e" in word and word != "+o":
            on = False
    return on


@dataclass
class _Names:
    """Who set a name last, in the order of the script."""

    last: dict[str, tuple[int, ...]] = field(default_factory=dict)
    wild: int = -1
    """The last file of shell code that was read in; each such piece builds on the one before it."""
    wild_all: int = -1
    """The last of those that may set any name, the ones of the script included."""

    def step(self, index: int, facts: Facts) -> dict[str, tuple[int, ...]]:
        """The sources of what a statement reads; then its own writes count."""
        # What only perhaps sets a name, or adds to it, builds on the old value.
        reads = (
            facts.reads
            | {name for name, sure in facts.writes.items() if not sure and name not in facts.loops}
            | (facts.keeps & facts.writes.keys())
        )
        sources = {name: self._sources(name) for name in reads}
        if facts.wild and self.wild >= 0:
            sources[_WILD] = (self.wild,)
        for name in facts.writes:
            # A loop without a turn leaves the old value: who reads it builds on both.
            before = self.last.get(name, ()) if name in facts.loops else ()
            self.last[name] = (*before, index)
        if facts.wild:
            self.wild = index
            if not facts.steady:
                self.wild_all = index
        return sources

    def _sources(self, name: str) -> tuple[int, ...]:
        last = self.last.get(name, ())
        if name in _NO_WILD or not may_come_from_a_file(name):
            return last
        wild = self.wild_all if last else self.wild
        return (*last, wild) if wild >= max(last, default=0) else last
