"""The splitter: one script in, a cached and a run preflight out, with a reason for every statement.

Conservative throughout: what is not known to be the same for every task goes to the run stage, and so does whatever
builds on it. Nothing is lost and nothing changes its order within a stage.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from agents_runner.core.errors import InvalidInput
from agents_runner.preflight.analysis import Analysis, analyse
from agents_runner.preflight.collector import paused_collector
from agents_runner.preflight.facts import FOLDER, OPTIONS
from agents_runner.preflight.flow import CACHED, RUN, STATE, Flow, Placed

Stage = Literal["cached", "run", "both"]
CLOSER = "true  # what ended the line above with a failure did not end the whole script\n"
"""Added where a stage would otherwise end with a status that the whole script passes over."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Whole lines of the script, with their comments: all statements' texts joined are the script."""

    index: int
    text: str
    start_line: int
    end_line: int
    stage: Stage
    reason: str
    """One sentence."""
    certain: bool
    kind: Literal["shebang", "mark", "code", "comment"]
    depends_on: tuple[int, ...] = ()
    """Statements for whose sake it is in this stage."""
    moved: bool = False
    """A person put it here."""


@dataclass(frozen=True, kw_only=True)
class SplitResult:
    """Both scripts; empty where a stage has nothing to do."""

    text: str
    cached: str
    run: str
    statements: tuple[Statement, ...]
    moves: Mapping[int, Stage] = field(default_factory=lambda: MappingProxyType({}))
    available: frozenset[str] = frozenset()


def split(text: str, *, available: Collection[str] = ()) -> SplitResult:
    """Split a script (LF line ends). `available`: names of variables that are set alike in build and task."""
    return _split(text, {}, frozenset(available))


def resplit(result: SplitResult, moves: Mapping[int, Stage]) -> SplitResult:
    """The same script with a person's decisions: `moves` are all of them, by the statement's index."""
    for index in moves:
        if not 0 <= index < len(result.statements):
            raise InvalidInput(f"There is no statement {index}.", "Choose one from the list.")
    return _split(result.text, moves, result.available)


def dependents_of(result: SplitResult, index: int) -> tuple[int, ...]:
    """The statements that would follow this one into the run stage, if it were moved there."""
    if result.statements[index].stage == "run":
        return tuple(s.index for s in result.statements if index in s.depends_on and s.index != index)
    moved = resplit(result, {**result.moves, index: "run"})
    return tuple(
        new.index
        for old, new in zip(result.statements, moved.statements, strict=True)
        if new.kind == "code" and new.index != index and old.stage != "run" and new.stage == "run"
    )


def needs_of(result: SplitResult, index: int) -> tuple[int, ...]:
    """The statements of the run stage that this one builds on, nearest first: they stand against moving it."""
    found: list[int] = []
    waiting = list(result.statements[index].depends_on)
    while waiting:
        other = waiting.pop(0)
        if other not in found and other != index:
            found.append(other)
            waiting.extend(result.statements[other].depends_on)
    return tuple(found)


@paused_collector()
def _split(text: str, moves: Mapping[int, Stage], available: frozenset[str]) -> SplitResult:
    analysis = analyse(text, available)
    placed = Flow(analysis.entries, dict(moves)).place()
    statements = tuple(_statement(analysis, one, moves) for one in placed)
    return SplitResult(
        text=text,
        cached=_join(statements, placed, "cached"),
        run=_join(statements, placed, "run"),
        statements=statements,
        moves=MappingProxyType(dict(moves)),
        available=available,
    )


def _join(statements: tuple[Statement, ...], placed: list[Placed], stage: Stage) -> str:
    mine = [s for s in statements if s.stage in {stage, "both"}]
    if not any(s.stage == stage for s in statements):
        return ""
    lines = [s.text if s.text.endswith("\n") or s is statements[-1] else s.text + "\n" for s in mine]
    text = "".join(lines)
    code = [s for s in statements if s.kind == "code"]
    last = next((s for s in reversed(mine) if s.kind == "code"), None)
    if last is not None and last is not code[-1] and placed[last.index].entry.quiet:
        text = text if text.endswith("\n") else text + "\n"
        # A line that ends in `\` would take the closer in.
        text += "\n" if text.endswith("\\\n") else ""
        text += CLOSER
    return text


def _statement(analysis: Analysis, placed: Placed, moves: Mapping[int, Stage]) -> Statement:
    piece = placed.entry.piece
    stage: Stage = "both" if placed.in_cached and placed.in_run else "cached" if placed.in_cached else "run"
    reason, certain = _reason(placed, stage)
    index = placed.entry.index
    return Statement(
        index=index,
        text=analysis.program.text_of(piece),
        start_line=piece.first + 1,
        end_line=piece.last + 1,
        stage=stage,
        reason="You put it here." if index in moves else reason,
        certain=index in moves or certain,
        kind=piece.kind,
        depends_on=placed.because,
        moved=index in moves,
    )


_NO_CODE = {
    "shebang": "It says which program runs the script.",
    "mark": "It marks a step of the cached preflight.",
    "comment": "It is only a comment.",
}


def _reason(placed: Placed, stage: Stage) -> tuple[str, bool]:
    facts = placed.entry.facts
    found = None
    if placed.entry.piece.kind in _NO_CODE:
        return _NO_CODE[placed.entry.piece.kind], True
    if placed.kind == RUN:
        found = facts.run
    elif placed.kind == CACHED and stage != "run":
        found = facts.doubtful or facts.cached
    if found is not None and not placed.moved:
        return found.sentence, found.certain
    if stage == "run" and placed.why:
        return placed.why.sentence, placed.why.certain
    if placed.kind == STATE:
        return _state_reason(placed, stage), True
    return "It changes nothing; it goes with the lines next to it.", True


def _state_reason(placed: Placed, stage: Stage) -> str:
    names = sorted(placed.entry.facts.writes)
    if OPTIONS in names:
        return (
            "It sets how the shell behaves, in every script." if stage == "both" else "It sets how the shell behaves."
        )
    if names == [FOLDER]:
        what = "It says in which folder to work"
    elif names and all(name.endswith("()") for name in names):
        what = f"It defines {', '.join(names)}"
    elif placed.entry.facts.wild:
        what = "It sets up the shell"
    else:
        what = f"It sets {', '.join(name for name in names if name != FOLDER)}"
    needs = {
        "both": "and both scripts need that.",
        "cached": "and the cached script needs that; what it exports reaches the run script as well."
        if placed.entry.facts.exports
        else "and only the cached script needs that.",
        "run": "and that is quick.",
    }[stage]
    return f"{what}, {needs}"
