"""What is found out about one statement: what it reads and changes, and what speaks for which stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

FOLDER = "/folder"
"""The name under which the current folder is kept among the shell's names."""
OPTIONS = "/options"
POSITIONAL = "@"
_ENOUGH = 50
"""Reasons that are kept of one statement."""


def function_name(name: str) -> str:
    """The name under which a function (or alias) is kept among the shell's names."""
    return f"{name}()"


class About(StrEnum):
    """What a reason for the run stage is about; the checker's rules go by it."""

    OTHER = ""
    TASK = "task"
    WORKSPACE = "workspace"
    SECRET = "secret"
    LITERAL = "literal"
    SERVICE = "service"
    CHANGING = "changing"
    TEMPORARY = "temporary"
    RUNTIME = "runtime"
    INTERACTIVE = "interactive"
    ENDING = "ending"
    UNSET = "unset"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a statement belongs to a stage: one sentence, and whether it is sure."""

    sentence: str
    certain: bool = True
    about: About = About.OTHER
    offset: int = -1
    """Where in the script, in bytes; -1 if it is about all of the statement."""
    bare: str = ""
    """The same for who does not speak of stages; "" where the sentence does not either."""


@dataclass(slots=True)
class Facts:
    """One statement. Names are variables, `NAME()` for functions, `FOLDER` for the current folder."""

    reasons: list[Reason] = field(default_factory=list)
    """Everything that speaks for the run stage, in order."""
    offset: int = -1
    """The action that is being looked at."""
    run: Reason | None = None
    """Why it must be at task start; the first certain one, else the first."""
    cached: Reason | None = None
    """Why it may be baked."""
    doubtful: Reason | None = None
    """Like `cached`, but not sure."""
    reads: set[str] = field(default_factory=set)
    writes: dict[str, bool] = field(default_factory=dict)
    """Name to: surely (True), or only perhaps."""
    loops: set[str] = field(default_factory=set)
    """Variables of loops that may have nothing to go through: those keep what they were."""
    keeps: set[str] = field(default_factory=set)
    """Names whose old value lives on in the new one."""
    exports: set[str] = field(default_factory=set)
    marked: set[str] = field(default_factory=set)
    """Names that are marked for export without a value."""
    extends: set[str] = field(default_factory=set)
    """Names like PATH to which something is only added."""
    wild: bool = False
    """It may define anything: it reads in a file of shell code."""
    environment: bool = False
    """It starts programs that may look at any exported variable."""
    fetches: bool = False
    """It installs or downloads from outside: a token in the environment may matter to it."""
    files_read: set[str] = field(default_factory=set)
    files_written: set[str] = field(default_factory=set)
    files_removed: set[str] = field(default_factory=set)
    folders_entered: set[str] = field(default_factory=set)
    """Folders that must be there, whatever is in them."""
    untold: bool = False
    """It changes files, and which ones is not known before it runs."""
    needs: set[str] = field(default_factory=set)
    """Stores of software that must be filled before."""
    fills: set[str] = field(default_factory=set)
    asks: bool = False
    """It asks whether a program is there."""
    ends: str = ""
    """It may end the script: "failing" with a status that says so, "any" with any other."""
    steady: bool = True
    """Done twice, it gives the same both times."""
    layer: str = ""
    """Name of the step it would be in."""
    observes: bool = False
    """It only prints what is there."""
    welded: bool = False
    """It looks at the status of the command before it."""

    def must_run(self, sentence: str, *, certain: bool = True, about: About = About.OTHER, bare: str = "") -> None:
        """Note a reason for the run stage."""
        reason = Reason(sentence=sentence, certain=certain, about=about, offset=self.offset, bare=bare)
        if len(self.reasons) < _ENOUGH:
            self.reasons.append(reason)
        if self.run is None or (certain and not self.run.certain):
            self.run = reason

    def holds_secret(self, name: str = "") -> None:
        """Note that a secret stands in the script itself; `name` is the variable's, if one is set."""
        what = f"It holds a secret ({name})" if name else "It holds a secret"
        self.must_run(f"{what}, which no image may hold.", about=About.LITERAL, bare=f"{what}, in plain text.")

    def may_cache(self, sentence: str, *, certain: bool = True, layer: str = "") -> None:
        """Note a reason for the cached stage."""
        if certain:
            self.cached = self.cached or Reason(sentence=sentence)
        else:
            self.doubtful = self.doubtful or Reason(sentence=sentence, certain=False)
        if layer and not self.layer:
            self.layer = layer

    @property
    def is_cached(self) -> bool:
        """True if something in it is worth baking and nothing forbids it."""
        return self.run is None and (self.cached is not None or self.doubtful is not None)

    @property
    def is_state(self) -> bool:
        """True if all it does is to change the shell it runs in."""
        return self.run is None and not self.is_cached and (bool(self.writes) or self.wild)
