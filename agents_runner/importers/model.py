"""What an import finds and proposes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Kind = Literal["devcontainer", "cursor", "copilot", "scripts", "dockerfile"]
TITLES: dict[Kind, str] = {
    "devcontainer": "dev container",
    "cursor": "Cursor environment",
    "copilot": "Copilot set-up steps",
    "scripts": "set-up scripts",
    "dockerfile": "Dockerfile",
}


@dataclass(frozen=True, kw_only=True)
class ImportCandidate:
    """A file that can be imported; `folder` is the project it belongs to, both absolute."""

    kind: Kind
    path: Path
    folder: Path
    partner: Path | None = None
    """The maintenance script that goes with a set-up script."""

    @property
    def title(self) -> str:
        """The file as a person knows it: its path inside of the project."""
        try:
            return self.path.relative_to(self.folder).as_posix()
        except ValueError:
            return self.path.name

    @property
    def describe(self) -> str:
        """For example `.devcontainer/devcontainer.json (dev container)`."""
        return f"{self.title} ({TITLES[self.kind]})"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Something that could not be carried over as it was."""

    what: str
    why: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A proposal, not saved. `fields` are an environment's, as `core.environment` takes them, without an id."""

    kind: Kind
    sources: tuple[Path, ...]
    """Every file that was read for it."""
    folder: Path
    name: str
    fields: Mapping[str, Any]
    report: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences about what was decided."""


# -- what is asked of the shell's grammar -----------------------------------------------------------


class StatementLike(Protocol):
    """A statement of a split script."""

    @property
    def index(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def start_line(self) -> int: ...
    @property
    def stage(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def kind(self) -> str: ...


class SplitLike(Protocol):
    """A script cut into a cached and a run part."""

    @property
    def cached(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def statements(self) -> Sequence[StatementLike]: ...


class ShellTools(Protocol):
    """What the importers ask of `preflight`; handed in, since both are on the same floor."""

    def split(self, text: str, available: Collection[str], cached_lines: Collection[int]) -> SplitLike:
        """Split a script; what begins on `cached_lines` (1-based) is known to belong into the image."""
        ...

    def own_block(
        self,
        text: str,
        *,
        errexit: bool,
        prelude: str,
        elsewhere: str,
        known: Collection[str],
        alone: bool,
        last: bool,
    ) -> str:
        """See `preflight.blocks.own_block`."""
        ...

    def option_changes(self, text: str) -> bool: ...

    def syntax_error(self, text: str) -> str:
        """What bash says about a script that it cannot read; "" if it can."""
        ...

    def with_marks(self, split: SplitLike) -> str:
        """The cached part with proposed step marks, for scripts that have none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands that ran in a shell of their own."""

    name: str
    """What the file calls them; also the name of their step."""
    text: str
    errexit: bool = True
    place: str = ""
    """Where they run, as a word of the shell; "" for wherever the script is."""
    prelude: str = ""
    """Lines that only they see."""
    generated: bool = False
    """Written here for something that the file asked for: known to belong into the image, and run as it stands."""
    baked: bool = False
    """Known to belong into the image, like what is generated, but commands of a shell of their own."""
    lasting: bool = False
    """It stands as it is, since what it exports or makes is meant for whoever comes later; no step of its own."""
    tolerated: bool = False
    """A failure of theirs is passed over."""


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """The assembled texts."""

    cached: str = ""
    run: str = ""
    gaps: tuple[Gap, ...] = ()
    moved: tuple[str, ...] = ()
