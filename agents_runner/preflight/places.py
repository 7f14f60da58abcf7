"""Where a path belongs: part of the image, or of something that only a running task has."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from enum import Enum

from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.preflight.tables import words

UNKNOWN = "\0"
"""Stands in a resolved text for what is not known before the script runs."""


class Place(Enum):
    """What a path is part of; the value says it in the middle of a sentence."""

    IMAGE = "part of the image"
    NOWHERE = "no file at all"
    TEMPORARY = "in a temporary folder, which may be empty at task start"
    RUNTIME = "in a folder that exists only while the container runs"
    ENGINE = "a file that the container engine replaces at every start"
    WORKSPACE = "in the workspace"
    PERSON = "where an agent's or a person's login and identity are kept"
    RELATIVE = "a relative path, which may be in the workspace"
    OTHER = "outside of the system's own folders, where something may be mounted"
    UNTOLD = "not known before the script runs"


_IMAGE_ROOTS = words("bin boot etc home lib lib32 lib64 libx32 nix opt root sbin snap usr var .dockerenv")
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "~/tmp", "~/.tmp")
_RUNTIME = ("/run", "/proc", "/sys", "/dev", "/var/run", "/var/lock")
_ENGINE = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab")
_PERSON = (
    "~/.ssh",
    "~/.netrc",
    "~/.aws",
    "~/.azure",
    "~/.config/gcloud",
    "~/.kube",
    "~/.docker",
    "~/.config/gh",
    "~/.git-credentials",
    "~/.gnupg/private",
    "~/.codex",
    "~/.claude",
    "~/.claude.json",
    "~/.copilot",
    "~/.config/github-copilot",
    "~/.gemini",
    "~/.pypirc",
)
_WORKSPACES = (WORKSPACE_PATH, "/workspace", "/workspaces")
_SPECIAL = tuple(
    (tuple(folder + "/" for folder in folders), place)
    for folders, place in (
        (_ENGINE, Place.ENGINE),
        (_WORKSPACES, Place.WORKSPACE),
        (_TEMPORARY, Place.TEMPORARY),
        (_RUNTIME, Place.RUNTIME),
        (_PERSON, Place.PERSON),
    )
)
_NOWHERE = re.compile(r"/dev/(?:null|zero|full|tty|stdin|stdout|stderr|fd/.*)\Z")
_OPEN = re.compile(r"[\0*?[{]")
_HOME_ALIAS = re.compile(r"/(?:root|home/[^/\0]+)(?=/|\Z)")


def absolute(text: str, folder: str) -> str:
    """A path without `.` and `..`, from the folder the shell is in; home folders are `~`, unknown parts `UNKNOWN`."""
    if text in {"~+", "~-"} or text.startswith(("~+/", "~-/")):
        return UNKNOWN
    if not text.startswith(("/", "~", UNKNOWN)):
        text = f"{folder}/{text}"
    alias = _HOME_ALIAS.match(text)
    if alias and not text.startswith("/home/linuxbrew"):
        text = "~" + text[alias.end() :]
    normal = posixpath.normpath(text)
    return normal[1:] if normal.startswith("//") else normal


def place_of(path: str) -> Place:
    """The place of an absolute path, see `absolute`."""
    if path.startswith(UNKNOWN):
        return Place.UNTOLD
    if _NOWHERE.match(path):
        return Place.NOWHERE
    below = path + "/"
    for folders, place in _SPECIAL:
        if below.startswith(folders):
            return place
    root = path.split("/", 2)[1] if path.startswith("/") else ""
    in_image = path in {"/", "~"} or path.startswith("~/") or root in _IMAGE_ROOTS
    return Place.IMAGE if in_image else Place.OTHER


@dataclass
class PathSet:
    """Paths with an owner each (a statement's number), asked for overlap: same path, or one inside of the other."""

    _exact: dict[str, int] = field(default_factory=dict)
    _parents: dict[str, int] = field(default_factory=dict)
    _partial: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    _children: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, path: str, owner: int) -> None:
        """Remember a path; one that is known only up to a point overlaps all that begin so."""
        if path.startswith(UNKNOWN) or path in self._exact:
            return
        folder, stem, partial = _known(path)
        if partial:
            self._partial.setdefault(folder, []).append((stem, owner))
            path = folder
            self._parents.setdefault(path, owner)
        else:
            self._exact.setdefault(path, owner)
        while True:
            parent, _, name = path.rpartition("/")
            parent = parent or ("/" if path.startswith("/") and path != "/" else "")
            if not parent:
                break
            self._children.setdefault(parent, {}).setdefault(name, owner)
            self._parents.setdefault(parent, owner)
            path = parent

    def overlap(self, path: str) -> int | None:
        """The owner of a path that overlaps this one."""
        if path.startswith(UNKNOWN):
            return None
        folder, stem, partial = _known(path)
        if partial:
            for name, owner in self._children.get(folder, {}).items():
                if name.startswith(stem):
                    return owner
            for other, owner in self._partial.get(folder, ()):
                if other.startswith(stem) or stem.startswith(other):
                    return owner
            return self._above(folder)
        if path in self._parents:
            return self._parents[path]
        return self._above(path)

    def covers(self, path: str) -> int | None:
        """The owner of the path itself or of a folder above it."""
        if path.startswith(UNKNOWN):
            return None
        folder, _, partial = _known(path)
        return self._above(folder if partial else path)

    def _above(self, path: str) -> int | None:
        """The owner of the path itself, of a folder above it, or of a partial path that it may be in."""
        while True:
            if path in self._exact:
                return self._exact[path]
            parent, _, name = path.rpartition("/")
            parent = parent or ("/" if path.startswith("/") and path != "/" else "")
            if not parent:
                return None
            for stem, owner in self._partial.get(parent, ()):
                if name.startswith(stem):
                    return owner
            path = parent


def _known(path: str) -> tuple[str, str, bool]:
    """The folder and the beginning of the name up to which a path is known, and whether it ends there."""
    cut = _OPEN.search(path)
    if cut is None:
        return path, "", False
    folder, _, stem = path[: cut.start()].rpartition("/")
    return folder or "/", stem, True
