"""The host side of the work: which folders may be mounted, as they really are on this machine."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from agents_runner.core.errors import InvalidInput
from agents_runner.core.mounts import FIELD, Mount

_SYSTEM = ("/proc", "/sys", "/dev", "/boot")
_WHOLE = ("/", "/etc", "/root", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/var", "/run", "/home", "/opt", "/tmp")
_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock")


def resolve_mount(mount: Mount, *, state_dir: Path) -> Mount:
    """The mount with its real source path. Raises InvalidInput for a missing or dangerous one."""
    return replace(mount, source=resolve_source(mount.source, field=FIELD, state_dir=state_dir))


def resolve_source(path: str, *, field: str, state_dir: Path) -> str:
    """The real path of a file or folder that a container is to see; refused where it would give the host away."""
    if "\0" in path or "\n" in path:
        raise InvalidInput(f"{path!r} is no path.", "Choose a folder.", field=field)
    try:
        expanded = Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{path!r} names no home folder.", "Write the whole path.", field=field) from error
    if not expanded.is_absolute():
        raise InvalidInput(f"{path!r} is not an absolute path.", "Start it with / or ~.", field=field)
    real = os.path.realpath(expanded)
    _refuse_dangerous(path, real, field=field, state_dir=state_dir)
    try:
        mode = Path(real).stat().st_mode
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be used: {error.strerror}.", "Make it first, or choose another.", field=field
        ) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise InvalidInput(f"{path} is neither a folder nor a file.", "Choose another.", field=field)
    return real


def _refuse_dangerous(path: str, real: str, *, field: str, state_dir: Path) -> None:
    state = os.path.realpath(state_dir)
    home = os.path.realpath(Path.home())
    why = ""
    if Path(real).name in _SOCKETS:
        why = "it gives the container the whole engine"
    elif real in _WHOLE or any(real == top or real.startswith(top + "/") for top in _SYSTEM):
        why = "it is a part of this machine's system"
    elif real == home or home.startswith(real + "/"):
        why = "it holds your whole home folder with its keys and passwords"
    elif real == state or (real.startswith(state + "/") and not real.startswith(state + "/workspaces/")):
        why = "the application keeps its own files there"
    elif state.startswith(real + "/"):
        why = "the application's own files are below it"
    if why:
        raise InvalidInput(f"{path} cannot be mounted: {why}.", "Choose a folder of the project alone.", field=field)


def resolve_workspace(path: str, *, state_dir: Path) -> str:
    """A workspace folder's real path. Raises InvalidInput at the field `workspace`."""
    if not path.strip():
        raise InvalidInput(
            "The workspace needs a folder.", "Choose one, or set the workspace to none.", field="workspace"
        )
    real = resolve_source(path, field="workspace", state_dir=state_dir)
    if not Path(real).is_dir():
        raise InvalidInput(f"{path} is not a folder.", "Choose the folder to work in.", field="workspace")
    return real
