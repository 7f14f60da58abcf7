"""What there is to know about a package manager: how it is spelt, what each subcommand does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INSTALL = "install"
"""Adds or removes software outside of the workspace."""
UPDATE = "update"
"""Refreshes an index of packages."""
CONFIG = "config"
"""Changes settings or caches that all projects share."""
QUERY = "query"
"""Only looks."""
PROJECT = "project"
"""Works on the project in the current folder."""
ACCOUNT = "account"
"""Logs in or speaks for a person."""
SERVICE = "service"
"""Talks to something that runs."""
SESSION = "session"
"""Changes the shell it is called in."""
PATHS = "paths"
"""Its path arguments decide."""


@dataclass(frozen=True, kw_only=True)
class Manager:
    """One package manager; `actions` maps a subcommand ("" for none, "*" for any other) to what it does."""

    programs: tuple[str, ...]
    store: str
    """What it fills: two managers with the same store get in each other's way."""
    layer: str
    """Name of the step that it belongs to."""
    actions: Mapping[str, str]
    everywhere: frozenset[str] = frozenset()
    """Options that make it work for all projects: then `wide` decides, not `actions`."""
    wide: Mapping[str, str] = field(default_factory=dict)
    valued: frozenset[str] = frozenset()
    """Options that take the next word."""
    files: frozenset[str] = frozenset()
    """Of those, the ones whose word is a file or folder."""
    named: frozenset[str] = frozenset()
    """Subcommands that need a name: without one they read the project's version file."""
    confirm: frozenset[str] = frozenset()
    """Options that answer its questions; empty if it asks none."""
    home: tuple[str, ...] = ()
    """Where it keeps its things."""
    function: str = ""
    """Name of the shell function that it is, or that carries it."""
    operations: Mapping[str, str] = field(default_factory=dict)
    """For managers whose subcommand is an option: option or letter to subcommand."""
    is_system: bool = False
    """It is the operating system's: nothing but the base image has to be there first."""


SYSTEM = "system packages"
TOOLCHAINS = "toolchains"
TOOLS = "tools"
