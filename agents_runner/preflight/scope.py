"""What the shell knows at one point of a script: variables with their possible values, functions, the folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product

from agents_runner.core.redaction import looks_secret
from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.preflight.actions import Action, Call, Part, Sub, Var, Word
from agents_runner.preflight.facts import About, Reason
from agents_runner.preflight.places import UNKNOWN, PathSet
from agents_runner.preflight.tables import words

_MANY = 8
PLACEHOLDER = "agents__runner__unknown"
"""Stands for an unknown part where a text is parsed as a script once more."""

TASK_ONLY = words("AGENTS_RUNNER_TASK_ID AGENTS_RUNNER_ENVIRONMENT AGENTS_RUNNER_STAGE")
_EVERYWHERE = words(
    "HOME USER LOGNAME PATH SHELL LANG LANGUAGE TERM TZ OSTYPE HOSTTYPE MACHTYPE BASH BASH_VERSION BASH_VERSINFO "
    "EUID UID GROUPS SHLVL IFS LINENO FUNCNAME BASH_LINENO BASH_COMMAND PIPESTATUS OPTARG OPTIND REPLY COLUMNS LINES "
    "AGENTS_RUNNER MAIL PS1 PS4 XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME XDG_DATA_DIRS LC_ALL "
    "LC_CTYPE SUDO_USER SUDO_UID ZSH_VERSION BASH_SUBSHELL SHELLOPTS BASHOPTS COMP_WORDS _ ? ! - #"
)
_VOLATILE = words("RANDOM SRANDOM SECONDS EPOCHSECONDS EPOCHREALTIME BASHPID PPID HOSTNAME $ BASH_MONOSECONDS")
_WORKSPACE = words(
    "PWD OLDPWD AGENTS_RUNNER_WORKSPACE BASH_SOURCE 0 DIRSTACK WORKSPACE WORKSPACE_DIR GITHUB_WORKSPACE"
)
_CERTAINLY_OUTSIDE = (
    (TASK_ONLY, "which only a task has", About.TASK),
    (_WORKSPACE, "which leads to the workspace", About.WORKSPACE),
    (_VOLATILE, "which differs from one run to the next", About.CHANGING),
)
_TASK_NAME = re.compile(
    r"(?:^|_)(?:TASK|JOB|RUN|SESSION|ISSUE|PR|PULL_REQUEST|BRANCH|COMMIT|SHA|REF|ACTOR|PROMPT)(?:_|$)|"
    r"^(?:GITHUB|GITLAB|CI|BUILDKITE|CIRCLE|CODESPACE|GIT_AUTHOR|GIT_COMMITTER)(?:_|$)"
)
_DUMMY_SECRET = "0" * 8


def is_secret_name(name: str) -> bool:
    """True for a variable whose name says token, key or password."""
    return looks_secret(name, _DUMMY_SECRET) or name.endswith(
        ("TOKEN", "PASSWORD", "SECRET", "_KEY", "_PAT", "PASSPHRASE")
    )


def outside(name: str, *, has_default: bool) -> Reason | None:
    """Why a variable that the script itself never sets speaks for the run stage; None if both stages have it."""
    for names, why, about in _CERTAINLY_OUTSIDE:
        if name in names:
            return Reason(sentence=f"It reads {name}, {why}.", about=about)
    if is_secret_name(name):
        return Reason(sentence=f"It reads {name}, a secret that no image may hold.", about=About.SECRET)
    if name in _EVERYWHERE or name.startswith("LC_") or name.isdigit() or name in {"@", "*"}:
        return None
    if _TASK_NAME.search(name):
        sentence = f"It reads {name}, which looks like it differs from task to task."
        return Reason(sentence=sentence, certain=False, about=About.TASK)
    sentence = f"It reads {name}, which this script does not set."
    return None if has_default else Reason(sentence=sentence, certain=False, about=About.UNSET)


def is_always_outside(name: str) -> bool:
    """True for names whose value never comes from the script, whatever it assigns."""
    return name in _VOLATILE or name in {"PWD", "OLDPWD", "BASH_SOURCE", "0"}


def may_come_from_a_file(name: str) -> bool:
    """True for variables that a file of shell code may set; False for those whose meaning is fixed."""
    return not (
        name in _EVERYWHERE
        or name.isdigit()
        or name.startswith(("LC_", "AGENTS_RUNNER"))
        or any(name in names for names, *_ in _CERTAINLY_OUTSIDE)
    )


@dataclass(slots=True)
class Scope:
    """The shell's state between two statements, as far as it can be told without running them."""

    available: frozenset[str] = frozenset()
    """Variables that are known to be set alike in both stages."""
    values: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    """Variable to the values that it may have; None if they are not known."""
    functions: dict[str, tuple[Action, ...] | None] = field(default_factory=dict)
    """Function to its body; None for an alias."""
    defined: set[str] = field(default_factory=set)
    wild: bool = False
    """A file of shell code was read in: any name may be set."""
    folder: str = "~"
    moved: bool = False
    """The script itself chose the folder."""
    looks_back: bool = False
    """The script returns to a former folder somewhere: then each change of the folder builds on the one before."""
    made: PathSet = field(default_factory=PathSet)
    """What statements of the cached kind made so far."""
    arguments: tuple[Word, ...] | None = None
    """Inside of a function: what it was called with."""
    budget: int = 20_000
    """Actions that may still be looked at inside of functions."""

    def assign(self, name: str, values: tuple[str, ...] | None, *, definite: bool) -> None:
        """Note an assignment; one that may not happen adds to what was possible before."""
        self.defined.add(name)
        if definite:
            self.values[name] = values
            return
        before = self.values.get(name, ("",) if name not in self.values else None)
        both = None if before is None or values is None else tuple(dict.fromkeys((*before, *values)))
        self.values[name] = both if both is not None and len(both) <= _MANY else None

    def texts(self, word: Word) -> tuple[str, ...]:
        """What a word may expand to, with `UNKNOWN` for the parts that cannot be told."""
        if word.literal is not None:
            return (word.literal.replace(PLACEHOLDER, UNKNOWN),) if PLACEHOLDER in word.literal else (word.literal,)
        options = [self._part(part) for part in word.parts]
        size = 1
        for option in options:
            size *= len(option)
        if size > _MANY:
            options = [option if len(option) == 1 else (UNKNOWN,) for option in options]
        return tuple("".join(choice) for choice in product(*options))

    def text(self, word: Word) -> str:
        """Like `texts`, with `UNKNOWN` if there are several."""
        texts = self.texts(word)
        return texts[0] if len(texts) == 1 else UNKNOWN

    def _part(self, part: Part) -> tuple[str, ...]:
        if isinstance(part, str):
            return (part,)
        if not isinstance(part, Var):
            return self._located(part)
        known = self._value(part.name)
        if part.op in {"", "?", ":?"}:
            return (UNKNOWN,) if known is None else known
        if not part.has_default or part.word is None:
            return (UNKNOWN,)
        return self._with_default(part.name, part.op, known, self.texts(part.word))

    def _located(self, part: Sub) -> tuple[str, ...]:
        """`$(command -v NAME)`: some file of the image."""
        call = part.body[0] if len(part.body) == 1 else None
        if isinstance(call, Call) and len(call.words) >= 2:
            texts = [word.literal or UNKNOWN for word in call.words]
            if texts[0] == "which" or texts[:2] in (["command", "-v"], ["type", "-p"], ["type", "-P"]):
                return (f"/usr/bin/{texts[-1]}",)
        return (UNKNOWN,)

    def _with_default(
        self, name: str, op: str, known: tuple[str, ...] | None, instead: tuple[str, ...]
    ) -> tuple[str, ...]:
        if "+" in op:
            return tuple(dict.fromkeys(("", *instead)))
        if name not in self.values:
            return instead
        return (
            (UNKNOWN,) if known is None else tuple(dict.fromkeys(t for v in known for t in ((v,) if v else instead)))
        )

    def _value(self, name: str) -> tuple[str, ...] | None:
        if name == "HOME" and name not in self.values:
            return ("~",)
        if name == "AGENTS_RUNNER_WORKSPACE":
            return (WORKSPACE_PATH,)
        return self.values.get(name)
