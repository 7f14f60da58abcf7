"""A git repository with one commit, to be cloned."""

from __future__ import annotations

import subprocess
from pathlib import Path

_AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@example.com")


def git(*args: str | Path) -> None:
    subprocess.run(["git", *_AUTHOR, *args], check=True)


def make_repository(folder: Path) -> None:
    """Its branch is `main`, its commit's message `first`."""
    git("init", "-q", "-b", "main", folder)
    git("-C", folder, "commit", "-q", "--allow-empty", "-m", "first")
