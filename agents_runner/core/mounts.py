"""Rules for mounts: text to value, and which sources and targets are refused."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from agents_runner.core.errors import InvalidInput
from agents_runner.core.host_paths import PUBLIC, is_below

FIELD = "mounts"
# Inside the container: the system's own trees, and the folders of the launcher and of secrets. Whatever runs there
# as root is found in the first; /var/run is /run in most images.
_TARGETS_REFUSED_BELOW = (
    *("/proc", "/sys", "/dev", "/etc", "/boot", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/run/agents-runner", "/run/secrets", "/var/run/agents-runner", "/var/run/secrets"),
)
_TARGETS_REFUSED = ("/", "/run", "/var", "/var/run", "/var/lib", "/run/lock")
_SOURCES_OF_A_PROJECT = ("/usr/src", "/usr/local/src")
"""Below /usr, but nothing is run from there."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A folder or file of the engine's machine inside the container; both paths absolute."""

    source: str
    target: str
    read_only: bool = False


def parse_mount(text: str) -> Mount:
    """`SOURCE:TARGET[:ro|rw]`; a colon in the source is allowed, `~` is not expanded here."""
    if "\0" in text or "\n" in text:
        raise InvalidInput("A mount is one line of text.", "Write SOURCE:TARGET or SOURCE:TARGET:ro.", field=FIELD)
    rest, read_only = text, False
    head, colon, mode = text.rpartition(":")
    if colon and mode in ("ro", "rw"):
        rest, read_only = head, mode == "ro"
    source, colon, target = rest.rpartition(":")
    if not colon or not source or not target:
        raise InvalidInput(f"{text!r} is not a mount.", "Write SOURCE:TARGET or SOURCE:TARGET:ro.", field=FIELD)
    if not source.startswith(("/", "~")):
        raise InvalidInput(
            f"The mount's source {source!r} is not an absolute path.", "Start it with / or ~.", field=FIELD
        )
    return Mount(source=source, target=check_target(target, read_only=read_only), read_only=read_only)


def check_target(target: str, *, read_only: bool = False) -> str:
    """The target, without doubled or trailing slashes; refused where it would hide the system or the launcher."""
    if not target.startswith("/") or ".." in target.split("/"):
        raise InvalidInput(
            f"The mount's target {target!r} must be an absolute path without '..'.",
            "For example /data.",
            field=FIELD,
        )
    clean = posixpath.normpath(target)
    clean = clean[1:] if clean.startswith("//") else clean
    if _is_the_systems(clean) and not (read_only and _below(clean, PUBLIC)):
        raise InvalidInput(
            f"Nothing can be mounted at {clean}: the container's own system is there.",
            "Choose a folder of its own, for example /data.",
            field=FIELD,
        )
    return clean


def _is_the_systems(path: str) -> bool:
    return path in _TARGETS_REFUSED or (
        _below(path, _TARGETS_REFUSED_BELOW) and not _below(path, _SOURCES_OF_A_PROJECT)
    )


def _below(path: str, tops: Iterable[str]) -> bool:
    return any(is_below(path, top) for top in tops)


def check_mounts(mounts: Iterable[Mount], workspace: str) -> None:
    """Refuse two mounts at one target and any that would hide the workspace."""
    taken = {workspace: "the workspace"}
    for mount in mounts:
        if mount.target in taken:
            raise InvalidInput(
                f"{mount.target} is used twice: by {taken[mount.target]} and by {mount.source}.",
                "Give each mount a target of its own.",
                field=FIELD,
            )
        if workspace.startswith(mount.target + "/"):
            raise InvalidInput(
                f"A mount at {mount.target} would hide the workspace {workspace}.",
                "Choose another target.",
                field=FIELD,
            )
        taken[mount.target] = mount.source
