"""What an agent is: a value that says how to start it, what logs it in, and how to check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class LoginFile:
    """One file that logs an agent in: `path` below the home folder, here and in the container."""

    path: str
    home_variable: str = ""
    """A variable of this machine that names another folder for it."""
    variable_path: str = ""
    """Its path below that folder; "" for the file's own name."""
    required: bool = True
    """False for a file that an agent can do without."""
    words: tuple[str, ...] = ()
    """It is a login only if it holds one of these; () if its being there says so."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that tell the agent to use it, set where it goes along."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """One command-line agent. The prompt comes on standard input, unless argv holds `{prompt_file}`."""

    name: str
    title: str
    argv: tuple[str, ...]
    """With `{args}` where the person's own arguments go; without it they go to the end."""
    login: tuple[LoginFile, ...] = ()
    login_hint: str = ""
    """How a person logs in."""
    check: tuple[str, ...] = ()
    """A command that shows whether the agent is there, and its version."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Defaults: a variable that the environment or a script sets wins."""
    root_environment: Mapping[str, str] = field(default_factory=dict)
    """Set only where the agent runs as uid 0."""
    program: str = ""
    """Name of a program of ours (in `agents/programs`) that goes along."""
    install_hint: str = ""
