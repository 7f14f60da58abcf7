"""What reading files of environments gives: those that can be used, and what was wrong with the others."""

from __future__ import annotations

from dataclasses import dataclass

from agents_runner.core.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file of ours that could not be used as it stands: where it is now, and one sentence about it."""

    path: str
    message: str
    hint: str = ""

    @property
    def text(self) -> str:
        """Message and hint as one line."""
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All environments that can be used, by name, and what was wrong with the others' files."""

    environments: tuple[Environment, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    read_only: frozenset[str] = frozenset()
    """Ids of those whose file is of a newer version: they can be used, not changed."""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import brought in, and sentences about what was changed or could not be taken over."""

    environments: tuple[Environment, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
