"""The host side of the work: which folders may be mounted, as they really are on this machine."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from agents_runner.core.errors import InvalidInput, WorkspaceError
from agents_runner.core.host_paths import Machine, danger, is_below
from agents_runner.core.mounts import FIELD, Mount

_LOOKED_AT = 2000
"""How many names below a folder are looked at for an engine's socket: the check must not wait for a large folder."""
_DEPTH = 3
"""How many folders deep that look goes; links are not followed, as no container can follow them out."""


@dataclass(frozen=True, kw_only=True)
class MountRules:
    """What decides whether a folder may be seen by a container.

    `allowed` are sources that a person typed once more, as real paths: they pass though they give the machine away.
    The application's own files below `state_dir` never do.
    """

    state_dir: Path
    allowed: Collection[str] = ()

    def allows(self, real: str) -> bool:
        """True for a place that the person named; its parent or another name for it is not enough."""
        return real in {os.path.normpath(Path(one.strip()).expanduser()) for one in self.allowed if one.strip()}


def resolve_mount(mount: Mount, rules: MountRules) -> Mount:
    """The mount with its real source path. Raises InvalidInput for a missing or dangerous one."""
    source = resolve_source(mount.source, rules, field=FIELD, read_only=mount.read_only)
    return replace(mount, source=source)


def resolve_source(path: str, rules: MountRules, *, field: str, read_only: bool = False) -> str:
    """The real path of a file or folder that a container is to see; refused where it would give the host away."""
    real = real_path(path, field=field)
    _refuse_dangerous(path, real, rules, field=field, read_only=read_only)
    mode = _mode_of(path, real, field=field)
    # A socket gives the machine away by what listens on it, so it passes only where it was named.
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or (stat.S_ISSOCK(mode) and rules.allows(real))):
        raise InvalidInput(f"{path} is neither a folder nor a file.", "Choose another.", field=field)
    return real


def resolve_input(path: str, *, field: str, state_dir: Path) -> str:
    """The real path of a file whose hash is part of a key: no container sees it. Raises InvalidInput."""
    real = real_path(path, field=field)
    if is_below(real, os.path.realpath(state_dir)) or any(is_below(real, top) for top in ("/proc", "/sys", "/dev")):
        raise InvalidInput(f"{path} cannot be used.", "Choose a file of the project.", field=field)
    mode = _mode_of(path, real, field=field)
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise InvalidInput(f"{path} is neither a folder nor a file.", "Choose another.", field=field)
    return real


def real_path(path: str, *, field: str) -> str:
    """The path without `~` and links. Raises InvalidInput for one that is not absolute."""
    if "\0" in path or "\n" in path:
        raise InvalidInput(f"{path!r} is no path.", "Choose a folder.", field=field)
    try:
        expanded = Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{path!r} names no home folder.", "Write the whole path.", field=field) from error
    if not expanded.is_absolute():
        raise InvalidInput(f"{path!r} is not an absolute path.", "Start it with / or ~.", field=field)
    return os.path.realpath(expanded)


def check_unmoved(mount: Mount) -> None:
    """Refuse a source that has become a link since it was looked at. Raises WorkspaceError.

    A container that can write the folder above a source can put a link to any place into the source's stead.
    """
    if os.path.realpath(mount.source) != mount.source:
        raise WorkspaceError(
            f"{mount.source} leads to another place than when the task was planned.",
            "Look at what changed it, and run the task again.",
        )


def _mode_of(path: str, real: str, *, field: str) -> int:
    try:
        return Path(real).stat().st_mode
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be used: {error.strerror}.", "Make it first, or choose another.", field=field
        ) from error


def _refuse_dangerous(path: str, real: str, rules: MountRules, *, field: str, read_only: bool) -> None:
    shown = path if real == os.path.normpath(Path(path).expanduser()) else f"{path} ({real})"
    state = os.path.realpath(rules.state_dir)
    if is_below(real, state) and not real.startswith(state + "/workspaces/"):
        raise InvalidInput(
            f"{shown} cannot be mounted: the application keeps its own files there.",
            "Choose a folder of the project alone.",
            field=field,
        )
    why = danger(real, _this_machine(), read_only=read_only, holds=islice(_names_below(real), _LOOKED_AT))
    if not why and is_below(state, real):
        why = "the application's own files are below it"
    if why and not rules.allows(real):
        raise InvalidInput(
            f"{shown} cannot be mounted: {why}.",
            f"Choose a folder of the project alone; or, if it must be, allow it with --allow-mount {real} "
            "(in the window: type it into Allowed mount sources as well).",
            field=field,
        )


def _this_machine() -> Machine:
    return Machine(home=os.path.realpath(Path.home()), sockets=tuple(_sockets()))


def _sockets() -> Iterator[str]:
    """Where the engine in use listens, and the agent that holds the person's ssh keys."""
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "SSH_AUTH_SOCK"):
        path = os.environ.get(name, "").removeprefix("unix://")
        if path.startswith("/"):
            yield os.path.realpath(path)


def _names_below(real: str) -> Iterator[str]:
    """Names of what is in a folder, of all on one level before the next; none of what cannot be read."""
    level = [real]
    for _ in range(_DEPTH):
        below: list[str] = []
        for folder in level:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    yield entry.name
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.path)
        level = below


def resolve_workspace(path: str, rules: MountRules) -> str:
    """A workspace folder's real path. Raises InvalidInput at the field `workspace`."""
    if not path.strip():
        raise InvalidInput(
            "The workspace needs a folder.", "Choose one, or set the workspace to none.", field="workspace"
        )
    real = resolve_source(path, rules, field="workspace")
    if not Path(real).is_dir():
        raise InvalidInput(f"{path} is not a folder.", "Choose the folder to work in.", field="workspace")
    return real
