"""What the window and the analyzer's own process say to each other: one JSON object a line, both ways.

Standard library only: the window reads answers without loading the analyzer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

STAGES = ("cached", "run", "both")


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One warning about a script; `line` is 1-based."""

    line: int
    rule: str
    message: str
    hint: str = ""

    @property
    def severe(self) -> bool:
        """True where the script would not even be read to its end."""
        return self.rule in {"syntax", "not-understood"}


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A statement of a split script: whole lines `start_line` to `end_line` (1-based, inclusive)."""

    index: int
    start_line: int
    end_line: int
    text: str
    stage: str
    reason: str
    certain: bool
    kind: str
    moved: bool = False


@dataclass(frozen=True, kw_only=True)
class Review:
    """A split to look at: both scripts, the cached one with proposed marks as well, and every statement."""

    pieces: tuple[Piece, ...]
    cached: str
    run: str
    marked: str
    marks: int
    """How many marks are proposed."""
    moves: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Ties:
    """How one statement hangs together with others, by their indexes."""

    dependents: tuple[int, ...]
    """They follow it into the run stage."""
    needs: tuple[int, ...]
    """They are in the run stage, and it builds on them."""


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Check `text`; `programs` asks bash and shellcheck as well, where they are found."""

    text: str
    stage: str
    before: str = ""
    available: tuple[str, ...] = ()
    programs: bool = False

    def fields(self) -> dict[str, Any]:
        return {
            "do": "check",
            "text": self.text,
            "stage": self.stage,
            "before": self.before,
            "available": self.available,
            "programs": self.programs,
        }


@dataclass(frozen=True, kw_only=True)
class SplitRequest:
    """Split `text` with a person's `moves` (all of them); with `about`, only tell that statement's ties."""

    text: str
    available: tuple[str, ...] = ()
    moves: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    about: int | None = None

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "do": "split" if self.about is None else "ties",
            "text": self.text,
            "available": self.available,
            "moves": sorted(self.moves.items()),
        }
        if self.about is not None:
            found["about"] = self.about
        return found


def read_findings(answer: Mapping[str, Any]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The warnings by line, and which programs looked as well."""
    found = (Finding(line=one[0], rule=one[1], message=one[2], hint=one[3]) for one in answer["warnings"])
    return tuple(found), tuple(answer["programs"])


def read_review(answer: Mapping[str, Any], request: SplitRequest) -> Review:
    pieces = tuple(
        Piece(
            index=number,
            start_line=one[0],
            end_line=one[1],
            text=one[2],
            stage=one[3],
            reason=one[4],
            certain=one[5],
            kind=one[6],
            moved=one[7],
        )
        for number, one in enumerate(answer["statements"])
    )
    return Review(
        pieces=pieces,
        cached=answer["cached"],
        run=answer["run"],
        marked=answer["marked"],
        marks=answer["marks"],
        moves=MappingProxyType(dict(request.moves)),
    )


def read_ties(answer: Mapping[str, Any]) -> Ties:
    return Ties(dependents=tuple(answer["dependents"]), needs=tuple(answer["needs"]))


def to_line(message: Mapping[str, Any]) -> bytes:
    """One line of ASCII: whatever characters a text holds arrive as they are."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
