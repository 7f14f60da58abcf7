"""Who goes where: places every piece in the cached stage, the run stage or both, so that both together do the same.

The run stage starts after the whole cached stage, in a fresh shell: exported variables, files and installed software
reach it, anything else of the shell does not. Starting from what each piece is by itself, pieces move towards the run
stage until nothing builds on something that is not there yet; they never move back, so this ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agents_runner.preflight.analysis import Entry
from agents_runner.preflight.facts import FOLDER, OPTIONS, POSITIONAL, Reason
from agents_runner.preflight.places import PathSet
from agents_runner.preflight.scope import is_secret_name

RUN, CACHED, STATE, PLAIN = "run", "cached", "state", "plain"
_UNCARRIED = frozenset({FOLDER, OPTIONS, POSITIONAL})


@dataclass(slots=True)
class Placed:
    """Where a piece is, and why it was moved there."""

    entry: Entry
    kind: str
    in_cached: bool = False
    in_run: bool = False
    why: Reason | None = None
    because: tuple[int, ...] = ()
    pinned: bool = False
    """A person put it here: it stays."""
    moved: bool = False
    """It is in the run stage for the sake of another piece."""

    @property
    def run_only(self) -> bool:
        """True if only the run stage has it."""
        return self.in_run and not self.in_cached


class _Tie(NamedTuple):
    """What keeps a piece out of the cached stage: another one, and what it has to do with that one."""

    source: int
    what: str
    """The beginning of a sentence that goes on with a line's number."""
    certain: bool = True


@dataclass
class Flow:
    """The placing of one script; `place` does it."""

    entries: tuple[Entry, ...]
    forced: Mapping[int, str] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    _last: dict[str, int] = field(default_factory=dict)
    _exported: set[str] = field(default_factory=set)
    _removers: list[Placed] = field(default_factory=list)
    _markers: list[Placed] = field(default_factory=list)
    _changed: bool = False

    def place(self) -> list[Placed]:
        """Place every piece."""
        self.placed = [self._initial(entry) for entry in self.entries]
        for entry in self.entries:
            for name in entry.facts.writes:
                self._last[name] = entry.index
            self._exported |= entry.facts.exports
        self._removers = [p for p in self.placed if p.entry.facts.files_removed]
        self._markers = [p for p in self.placed if p.entry.facts.marked]
        self._ends()
        if any(p.kind == CACHED for p in self.placed):
            self._settle()
        self._finish()
        return self.placed

    # --- where each piece starts ---------------------------------------------------------------------------

    def _initial(self, entry: Entry) -> Placed:
        facts = entry.facts
        kind = PLAIN
        if facts.run is not None:
            kind = RUN
        elif facts.is_cached:
            kind = CACHED
        elif facts.is_state:
            kind = STATE
        placed = Placed(entry, kind, in_cached=kind == CACHED, in_run=kind == RUN)
        if facts.run is not None:
            placed.why = facts.run
        wish = self.forced.get(entry.index)
        if wish is not None:
            placed.pinned = True
            placed.kind = RUN if wish == RUN else CACHED
            placed.in_cached, placed.in_run = wish in {"cached", "both"}, wish in {"run", "both"}
            placed.why = None
        elif OPTIONS in facts.writes and kind == STATE and facts.steady:
            placed.in_cached = placed.in_run = True
        return placed

    def _ends(self) -> None:
        """A script that may end early keeps everything behind that point in the run stage."""
        code = [p for p in self.placed if p.entry.is_code]
        for position, placed in enumerate(code):
            facts = placed.entry.facts
            is_last = position == len(code) - 1
            if facts.ends == "any" and not is_last and not placed.pinned:
                placed.kind, placed.in_cached, placed.in_run = RUN, False, True
                placed.why = placed.why or Reason(sentence="It may end the script here.", certain=False)

    # --- moving ----------------------------------------------------------------------------------------------

    def demote(self, placed: Placed, why: Reason, because: tuple[int, ...]) -> None:
        """Move a piece to the run stage, unless a person pinned it."""
        if placed.pinned or placed.run_only:
            return
        placed.in_cached, placed.in_run = False, True
        placed.why, placed.because = why, because
        placed.moved = bool(because)
        self._changed = True

    def _tied(self, placed: Placed, tie: _Tie) -> None:
        what = f"{tie.what} line {self._line(tie.source)}"
        sentence = f"{what}, which belongs to the run stage."
        self.demote(placed, Reason(sentence=sentence, certain=tie.certain, bare=f"{what}."), (tie.source,))

    def _line(self, index: int) -> int:
        return self.entries[index].piece.code_row + 1

    def _settle(self) -> None:
        while True:
            self._changed = False
            self._neighbours()
            self._check_cached()
            self._check_run()
            self._check_end()
            if not self._changed and not self._leftovers():
                break

    def _leftovers(self) -> bool:
        """State that nothing needs goes with what follows it, as long as what it builds on is there."""
        following = RUN
        found = False
        for placed in reversed(self.placed):
            if placed.kind in {RUN, CACHED}:
                following = RUN if placed.run_only else CACHED
            elif placed.kind == STATE and not placed.in_cached and not placed.in_run:
                self._settle_down(placed, prefer_run=following == RUN)
                found = True
        return found

    def _settle_down(self, placed: Placed, *, prefer_run: bool) -> None:
        """Put a piece where it would rather be, or else where all is that it builds on."""
        sources = [self.placed[s] for some in placed.entry.sources.values() for s in some]
        cached = all(p.in_cached for p in sources)
        to_run = not cached or (prefer_run and all(p.in_run for p in sources))
        placed.in_run, placed.in_cached = to_run, not to_run

    def _neighbours(self) -> None:
        """What changes nothing goes with its neighbours: a heading with what follows, a look with what was."""
        anchors = [p for p in self.placed if p.kind in {RUN, CACHED} or p.moved]
        if not anchors:
            return
        following: Placed | None = None
        after: list[Placed | None] = []
        for placed in reversed(self.placed):
            after.append(following)
            if placed.kind in {RUN, CACHED}:
                following = placed
        after.reverse()
        before: Placed | None = None
        for placed, behind in zip(self.placed, after, strict=True):
            if (
                placed.kind == PLAIN
                and not placed.pinned
                and not placed.moved
                and placed.entry.piece.kind != "shebang"
            ):
                facts = placed.entry.facts
                near = (before or behind) if facts.observes or facts.ends or behind is None else behind
                run = near is not None and near.run_only
                if placed.in_run != run or placed.in_cached == run:
                    placed.in_run, placed.in_cached = run, not run
            if placed.kind in {RUN, CACHED}:
                before = placed

    # --- the cached stage ------------------------------------------------------------------------------------

    def _check_cached(self) -> None:
        seen = _RunSoFar()
        for placed in self.placed:
            entry = placed.entry
            if placed.in_cached and not placed.pinned:
                found = self._missing(placed) or seen.objection(entry)
                if found is not None:
                    self._tied(placed, found)
            if placed.in_cached:
                self._wants(placed, seen)
            if placed.in_run and entry.is_code:
                seen.add(placed)

    def _missing(self, placed: Placed) -> _Tie | None:
        """A source that only the run stage has, and that cannot be had in the cached stage as well."""
        entry = placed.entry
        for name, sources in entry.sources.items():
            for source in sources:
                other = self.placed[source]
                if other.in_cached:
                    continue
                if (other.kind == STATE and not other.run_only) or (other.kind == STATE and self._may_join(other)):
                    self._add_cached(other)
                else:
                    return _Tie(source, f"It needs {_shown(name)} of")
        if entry.facts.welded and entry.index:
            previous = self._previous(entry.index)
            if previous is not None and previous.run_only:
                return _Tie(previous.entry.index, "It looks at the status of")
        return None

    def _may_join(self, other: Placed) -> bool:
        """True for a change of the shell's state that is in the run stage by default only."""
        return not other.moved and not other.pinned and other.why is None and self._copies(other)

    def _add_cached(self, other: Placed) -> None:
        other.in_cached = True
        self._changed = True

    def _previous(self, index: int) -> Placed | None:
        return next((p for p in reversed(self.placed[:index]) if p.entry.is_code), None)

    def _wants(self, placed: Placed, seen: _RunSoFar) -> None:
        """A program may look at any exported variable: those that were exported before it come along."""
        facts = placed.entry.facts
        if not facts.environment or placed.kind != CACHED:
            return
        for other in seen.pending_exports(self.placed, placed.entry.index):
            if other.in_cached:
                continue
            names = other.entry.facts.exports
            if other.kind == STATE and not other.moved:
                self._add_cached(other)
            elif other.moved or (facts.fetches and "system" not in facts.fills and any(map(is_secret_name, names))):
                what = f"It may look at {', '.join(sorted(names))}, set in"
                self._tied(placed, _Tie(other.entry.index, what, certain=False))
                return

    # --- the run stage ---------------------------------------------------------------------------------------

    def _check_run(self) -> None:
        carry = _Carry(self.placed)
        here: dict[str, int] = {}
        for placed in self.placed:
            if not placed.in_run:
                continue
            entry = placed.entry
            for name, sources in entry.sources.items():
                for source in sources:
                    if self.placed[source].in_run:
                        continue
                    if name in here or not carry.brings(name, source):
                        self._fetch(source, name, entry.index)
                if not sources and name not in here:
                    self._keep_out(name, carry.final.get(name), entry)
            if entry.facts.welded:
                previous = self._previous(entry.index)
                if previous is not None and not previous.in_run:
                    why = Reason(sentence=f"Line {self._line(entry.index)} looks at its status.")
                    self.demote(previous, why, (entry.index,))
            for name in entry.facts.writes:
                self._mark_again(name, entry.index)
                if placed.run_only or name not in entry.facts.extends:
                    here[name] = entry.index
        self._check_order()

    def _mark_again(self, name: str, index: int) -> None:
        """`export NAME` before NAME is set reaches no other shell: the run stage needs it as well."""
        for other in self._markers:
            if other.entry.index >= index:
                break
            if name in other.entry.facts.marked and not other.in_run and other.kind == STATE and self._copies(other):
                other.in_run = True
                self._changed = True

    def _fetch(self, source: int, name: str, user: int) -> None:
        """The run stage needs something that only the cached stage has, and that is not carried over."""
        other = self.placed[source]
        if other.kind == STATE and self._copies(other):
            other.in_run = True
            self._changed = True
            return
        what = f"Line {self._line(user)} of the run stage needs {_shown(name)} from it, which no image carries."
        self.demote(other, Reason(sentence=what), (user,))

    def _copies(self, placed: Placed) -> bool:
        """True if doing it in both stages is the same as doing it once."""
        facts = placed.entry.facts
        if not facts.steady or facts.files_written or self._is_left(placed):
            return False
        return not any(
            name in self._exported or not placed.entry.sources.get(name) for name in facts.keeps - _UNCARRIED
        )

    def _is_left(self, placed: Placed) -> bool:
        """True if it enters a folder that the cached stage removes later."""
        entered = placed.entry.facts.folders_entered
        return bool(entered) and any(
            path == gone or path.startswith(gone + "/")
            for other in self._removers
            if other.in_cached and other.entry.index > placed.entry.index
            for gone in other.entry.facts.files_removed
            for path in entered
        )

    def _keep_out(self, name: str, final: int | None, entry: Entry) -> None:
        """The run stage reads a name before the script sets it: it must not see what the cached stage set later."""
        if final is None or final == entry.index or name in _UNCARRIED or name.endswith("()"):
            return
        other = self.placed[final]
        if name in other.entry.facts.extends or other.run_only or other.entry.index < entry.index:
            return
        what = f"Line {self._line(entry.index)} of the run stage reads {name} before it is set here."
        self.demote(other, Reason(sentence=what), (entry.index,))

    def _check_order(self) -> None:
        """Programs of the run stage must not see variables that are exported only behind them."""
        first = next((p for p in self.placed if p.run_only and p.entry.facts.environment), None)
        if first is None:
            return
        for placed in self.placed[first.entry.index + 1 :]:
            facts = placed.entry.facts
            loud = (facts.exports - facts.extends) or (facts.wild and not facts.steady)
            if placed.in_cached and loud:
                because = first.entry.index
                what = f"It comes after line {self._line(because)}, which must not see it yet."
                self.demote(placed, Reason(sentence=what), (because,))

    def _check_end(self) -> None:
        """At the end of both, every exported variable has the value that the whole script gives it."""
        last_run: dict[str, int] = {}
        for placed in self.placed:
            if placed.in_run:
                facts = placed.entry.facts
                for name in facts.writes:
                    # A copy that only adds to PATH what is there already changes nothing.
                    if placed.run_only or name not in facts.extends:
                        last_run[name] = placed.entry.index
        for name in self._exported:
            want = self._last.get(name)
            if want is None:
                continue
            winner = self.placed[want]
            if not winner.in_run and not winner.in_cached:
                self._settle_down(winner, prefer_run=True)
                self._changed = True
            elif not winner.in_run and name in last_run:
                if winner.kind == STATE and self._copies(winner):
                    winner.in_run = True
                    self._changed = True
                else:
                    because = last_run[name]
                    what = f"Line {self._line(because)} of the run stage sets {name} before it."
                    self.demote(winner, Reason(sentence=what), (because,))

    # --- the rest ----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """State that nothing needs, the shebang, and scripts that turn out to be all of one kind."""
        has_cached = any(p.in_cached and p.kind == CACHED for p in self.placed)
        has_run = any(p.run_only and (p.kind in {RUN, CACHED} or p.moved) for p in self.placed)
        if not has_cached or not has_run:
            for placed in self.placed:
                placed.in_cached, placed.in_run = has_cached, not has_cached
            return
        for placed in self.placed:
            if placed.entry.piece.kind == "shebang":
                placed.in_cached = placed.in_run = True
        self._marks()

    def _marks(self) -> None:
        """A step mark stays with its step as long as any of it is cached."""
        mark: Placed | None = None
        for placed in self.placed:
            if placed.entry.piece.kind == "mark":
                mark = placed
                placed.in_cached, placed.in_run = False, True
            elif mark is not None and placed.in_cached and placed.entry.is_code:
                mark.in_cached, mark.in_run = True, False


class _Carry:
    """What an image carries over: the last values of exported variables."""

    def __init__(self, placed: list[Placed]) -> None:
        self.final: dict[str, int] = {}
        """Name to the last piece of the cached stage that sets it."""
        self._replaced: dict[str, int] = {}
        self._exported = {"PATH"}
        for one in placed:
            if one.in_cached:
                facts, index = one.entry.facts, one.entry.index
                self._exported |= facts.exports
                for name in facts.writes:
                    self.final[name] = index
                    if name not in facts.extends:
                        self._replaced[name] = index

    def brings(self, name: str, source: int) -> bool:
        """True if the value that `source` set reaches the run stage, with nothing but additions to it."""
        if name not in self._exported or name in _UNCARRIED:
            return False
        return self.final.get(name, -1) >= source >= self._replaced.get(name, -1)


@dataclass
class _RunSoFar:
    """What the pieces of the run stage did up to a point of the script."""

    reads: PathSet = field(default_factory=PathSet)
    writes: PathSet = field(default_factory=PathSet)
    fills: dict[str, int] = field(default_factory=dict)
    asked: int | None = None
    untold: int | None = None
    barrier: _Tie | None = None
    _exports_seen: int = 0

    def add(self, placed: Placed) -> None:
        """Count in a piece of the run stage."""
        entry = placed.entry
        facts, index = entry.facts, entry.index
        if placed.in_cached:
            # A copy: it only sets up the shell once more.
            return
        for path in facts.files_read:
            self.reads.add(path, index)
        for path in facts.files_written:
            self.writes.add(path, index)
        for store in facts.fills:
            self.fills.setdefault(store, index)
        if facts.untold and self.untold is None:
            self.untold = index
        if facts.asks and self.asked is None:
            self.asked = index
        if self.barrier is None:
            if facts.ends:
                self.barrier = _Tie(index, "It may not be reached after", certain=False)
            elif OPTIONS in facts.writes:
                self.barrier = _Tie(index, "It comes after the change of the shell's options in")

    def objection(self, entry: Entry) -> _Tie | None:
        """Why a piece cannot be done before these."""
        facts = entry.facts
        if not entry.is_code:
            return None
        if self.barrier is not None:
            return self.barrier
        used = facts.files_read | facts.files_written
        untold = self.untold if (used or facts.folders_entered) and not facts.fills else None
        objections = (
            (
                "It may need what is installed by",
                False,
                (self.fills.get(store) for store in facts.needs | facts.fills),
            ),
            ("What it installs is asked for in", True, (self.asked if facts.fills else None,)),
            ("It uses a file or folder of", True, map(self.writes.overlap, used)),
            # Package managers keep to their own folders.
            ("It may use a file of", False, (untold,)),
            ("It enters a folder of", True, map(self.writes.covers, facts.folders_entered)),
            ("It changes a file that is read before by", True, map(self.reads.overlap, facts.files_written)),
        )
        for what, certain, found in objections:
            index = next((index for index in found if index is not None), None)
            if index is not None:
                return _Tie(index, what, certain)
        return None

    def pending_exports(self, placed: list[Placed], until: int) -> list[Placed]:
        """The exporting pieces since the last time this was asked."""
        found = [p for p in placed[self._exports_seen : until] if p.entry.facts.exports or p.entry.facts.extends]
        self._exports_seen = until
        return found


def _shown(name: str) -> str:
    if name == FOLDER:
        return "the current folder"
    if name == POSITIONAL:
        return "the arguments"
    if name.startswith("/"):
        return "what is read in by"
    return name if name.endswith("()") else f"the variable {name}"
