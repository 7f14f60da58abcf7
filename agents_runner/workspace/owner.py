"""Whose a live folder is: what belongs to somebody else the agent may not be able to write."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from agents_runner.core.events import Notice


def foreign_owner(path: str) -> Notice | None:
    """What to tell of a folder of this machine that belongs to somebody else than the person, or None.

    An agent without a single capability writes only where the person's own number may, also where the person is root.
    """
    try:
        owner = Path(path).expanduser().stat().st_uid
    except (OSError, ValueError, RuntimeError):
        return None  # said where the folder is mounted
    if owner == os.getuid():
        return None
    return Notice(
        message=f"The workspace {path} belongs to {_name(owner)} and not to you: the agent may not write there.",
        hint="Change its owner (chown -R), or choose the profile Sudo.",
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user with the number {uid}"
