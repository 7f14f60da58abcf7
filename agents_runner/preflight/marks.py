"""Proposes `# step:` marks for a cached preflight, where a cut changes nothing but the layers.

Each step starts in a fresh shell with the exports so far. So a cut is proposed only where the kind of work changes
and no variable, function, folder or option of the shell would be lost. The order stays: what a script does first is
mostly what is slow and rarely changed, and the last step is the one that is edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agents_runner.preflight.analysis import Entry, analyse
from agents_runner.preflight.facts import OPTIONS
from agents_runner.preflight.split import CLOSER, SplitResult, Statement

_JOINS = frozenset({"", "configuration"})
"""Layers that are not worth a step of their own between others."""


@dataclass(frozen=True, kw_only=True)
class ProposedMark:
    """A mark in front of a statement."""

    index: int
    """The statement's index in the split's result."""
    line: int
    """Its first line in the whole script (1-based)."""
    name: str
    reason: str


def propose_marks(result: SplitResult) -> tuple[ProposedMark, ...]:
    """Marks for the cached part of a split; none if it has marks already, or nothing to tell apart."""
    mine = [s for s in result.statements if s.stage in {"cached", "both"} and s.kind in {"code", "comment", "mark"}]
    if any(s.kind == "mark" for s in result.statements) or not result.cached:
        return ()
    entries = analyse(result.text, result.available).entries
    head = _prologue(mine, entries)
    groups = list(_groups(mine[head:], entries))
    if len(groups) < 2:
        return ()
    blocked = _blocked([entries[s.index] for s in mine], head)
    marks = [_mark(*groups[0])]
    marks.extend(_mark(statement, layer) for statement, layer in groups[1:] if statement.index not in blocked)
    return tuple(marks) if len(marks) > 1 else ()


def with_marks(result: SplitResult, marks: tuple[ProposedMark, ...] | None = None) -> str:
    """The cached script with marks in it: the proposed ones, unless others are given."""
    chosen = {mark.index: mark.name for mark in (propose_marks(result) if marks is None else marks)}
    if not chosen:
        return result.cached
    parts: list[str] = []
    for statement in result.statements:
        if statement.stage not in {"cached", "both"}:
            continue
        if statement.index in chosen:
            parts.append(f"# step: {chosen[statement.index]}\n")
        parts.append(statement.text if statement.text.endswith("\n") else statement.text + "\n")
    text = "".join(parts)
    if result.cached.endswith(CLOSER):
        text += ("\n" if text.endswith("\\\n") else "") + CLOSER
    return text


def _mark(statement: Statement, layer: str) -> ProposedMark:
    return ProposedMark(
        index=statement.index,
        line=statement.start_line,
        name=layer,
        reason=f"From here on it is about {layer}: a change here leaves the layers before it as they are.",
    )


def _prologue(mine: list[Statement], entries: tuple[Entry, ...]) -> int:
    """How many leading statements only set options: every step gets those."""
    for position, statement in enumerate(mine):
        writes = entries[statement.index].facts.writes
        first = statement.text.split("\n")[entries[statement.index].piece.code_row - statement.start_line + 1]
        if set(writes) != {OPTIONS} or not first.startswith(("set ", "shopt ")):
            return position
    return len(mine)


def _groups(mine: list[Statement], entries: tuple[Entry, ...]) -> Iterator[tuple[Statement, str]]:
    """Where the kind of work changes: the statement that begins it (with what prepares it) and its name.

    State and settings go with what follows them; settings behind everything else are a group of their own.
    """
    current = ""
    waiting: Statement | None = None
    layers = [entries[statement.index].facts.layer for statement in mine]
    last = max((position for position, layer in enumerate(layers) if layer not in _JOINS), default=-1)
    for position, (statement, layer) in enumerate(zip(mine, layers, strict=True)):
        waiting = waiting or statement
        if layer in _JOINS and not (layer and position > last >= 0):
            continue
        if layer != current:
            yield waiting, layer
            current = layer
        waiting = None


def _blocked(entries: list[Entry], head: int) -> set[int]:
    """Indexes of the pieces in front of which no cut is possible."""
    blocked: set[int] = set()
    positions = {entry.index: position for position, entry in enumerate(entries)}
    exported: dict[str, int] = {}
    for position, entry in enumerate(entries):
        facts = entry.facts
        for name, sources in entry.sources.items():
            for source in sources:
                if source not in positions or exported.get(name, position) <= positions[source]:
                    continue
                blocked.update(e.index for e in entries[positions[source] + 1 : position + 1])
        if facts.welded:
            blocked.add(entry.index)
        if position >= head and OPTIONS in facts.writes:
            blocked.update(e.index for e in entries[position + 1 :])
        for name in facts.exports | facts.extends:
            exported.setdefault(name, position)
    return blocked
