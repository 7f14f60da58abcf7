"""Mounts, ports and `docker run` options of a devcontainer.json."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from agents_runner.core.host_paths import KEY_PLACES, is_below
from agents_runner.importers.collect import Collector, looks_secret
from agents_runner.importers.substitution import Substitution

_SIZE = re.compile(r"(\d+)([bkmg]?)b?\Z", re.I)
_MIB = {"": 1 / 1024 / 1024, "b": 1 / 1024 / 1024, "k": 1 / 1024, "m": 1, "g": 1024}


def add_mounts(c: Collector, mounts: Any, substitution: Substitution) -> None:
    """The `mounts` list: `source=...,target=...,type=bind` or objects of the same."""
    if mounts is None:
        return
    if not isinstance(mounts, list):
        c.missing("mounts", "It is no list.", "")
        return
    for mount in mounts:
        if isinstance(mount, str):
            options = dict(part.strip().partition("=")[::2] for part in mount.split(",") if part.strip())
            _mount(c, options, mount, substitution)
        elif isinstance(mount, dict):
            options = {
                str(key): str(value).lower() if isinstance(value, bool) else str(value)
                for key, value in mount.items()
            }
            _mount(c, options, ",".join(f"{key}={value}" for key, value in options.items()), substitution)
        else:
            c.missing("an entry of mounts", "It is neither a text nor an object.", "")


def _mount(c: Collector, options: Mapping[str, str], shown: str, substitution: Substitution) -> None:
    source = options.get("source") or options.get("src") or ""
    target = options.get("target") or options.get("dst") or options.get("destination") or ""
    kind = options.get("type", "bind" if source.startswith(("/", "~", "$", ".")) else "volume")
    if kind != "bind":
        c.missing(
            f"mount {shown}",
            "Only folders and files of this machine are mounted, no volumes.",
            "What it caches is in the image's layers already; for data make a folder and mount that.",
        )
        return
    read_only = "readonly" in options or "ro" in options or options.get("readOnly") == "true"
    read_only = read_only and "false" not in {options.get("readonly"), options.get("ro")}
    bind(c, source, target, substitution, read_only=read_only, shown=shown)


def bind(c: Collector, source: str, target: str, substitution: Substitution, *, read_only: bool, shown: str) -> None:
    """A folder of this machine, if it is not one that holds a person's keys."""
    inside, outside = substitution.resolve(source), substitution.resolve(target)
    if inside.open or outside.open or outside.from_container or inside.from_container:
        names = ", ".join((*inside.open, *outside.open)) or "a variable of the container"
        c.missing(f"mount {shown}", f"The value of {names} is not known.", "Add the mount by hand.")
        return
    path = inside.value
    if path.startswith("."):
        path = posixpath.normpath(posixpath.join(substitution.folder, path))
    # A name that is no home stays as it is; what is no path is refused with the mount below.
    real = "" if "\0" in path else os.path.realpath(os.path.expanduser(path))  # noqa: PTH111
    home = substitution.environ.get("HOME", "").rstrip("/")
    if home and (path == home or path.startswith(home + "/")):
        path = "~" + path[len(home) :]
    if path.endswith(".sock"):
        c.missing(f"mount {shown}", "It would give the container a program of this machine to command.", "")
        return
    below = path.removeprefix("~/") if path.startswith("~/") else ""
    if path.rstrip("/") == "~" or any(is_below(below, place) for place in KEY_PLACES):
        c.missing(
            f"mount {shown}",
            "It holds keys, passwords or logins, which a project's file may not ask for.",
            f"If you want it all the same, add the mount {path}:{outside.value} by hand.",
        )
        return
    if real and not is_below(real, os.path.realpath(substitution.folder)) and real not in c.allow_mounts:
        c.missing(
            f"mount {shown}",
            "It is outside of the project, which a project's file may not ask for.",
            f"Add the mount {path}:{outside.value} by hand, or import with --allow-mount {path}.",
        )
        return
    c.mount(f"{path}:{outside.value}{':ro' if read_only else ''}", shown)


def add_ports(c: Collector, data: Mapping[str, Any]) -> None:
    """`forwardPorts` and `appPort`."""
    for key in ("forwardPorts", "appPort"):
        value = data.get(key)
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            _port(c, one, key)


def _port(c: Collector, value: Any, key: str) -> None:
    shown = f"{value} ({key})"
    if isinstance(value, bool) or not isinstance(value, int | str):
        c.missing(f"port {shown}", "It is no port.", "")
        return
    text = str(value).strip()
    local = re.fullmatch(r"(?:localhost|127\.0\.0\.1):(\d+)", text)
    if local and key == "forwardPorts":
        text = local[1]
    elif key == "forwardPorts" and not text.isdigit():
        c.missing(f"port {shown}", "It is a port of another container, and a task is one container.", "")
        return
    c.port(text, shown)


# -- docker run -------------------------------------------------------------------------------------


def add_run_args(c: Collector, arguments: Any, substitution: Substitution) -> None:
    """`runArgs`: limits, ports, variables and mounts are taken over, rights are not."""
    if arguments is None:
        return
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        c.missing("runArgs", "It is no list of texts.", "")
        return
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        handler = _RUN_ARGS.get(name)
        takes_value = handler is not None or name in _WITH_VALUE
        if takes_value and not equals:
            value = words.pop(0) if words else ""
        if handler is not None:
            handler(c, value, substitution)
        elif name not in _HARMLESS:
            shown = f"{name} {value}".strip()
            c.missing(f"runArgs {shown}", "Containers of tasks get no options of `docker run`.", "")


def _env(c: Collector, value: str, substitution: Substitution) -> None:
    name, equals, text = value.partition("=")
    found = substitution.resolve(text)
    if not equals or found.open or found.from_container:
        if looks_secret(name):
            c.secret(name)
        else:
            c.missing(f"runArgs -e {value}", "Its value comes from this machine.", f"Set {name} by hand.")
    else:
        c.variable(name, found.value)


def _volume(c: Collector, value: str, substitution: Substitution) -> None:
    match = re.match(r"(?P<source>(?:\$\{[^}]*\}|[^:])+):(?P<target>[^:]+)(?::(?P<mode>.*))?\Z", value)
    if match is None or not match["source"].startswith(("/", "~", "$", ".")):
        c.missing(f"runArgs -v {value}", "Only folders and files of this machine are mounted, no volumes.", "")
        return
    read_only = "ro" in (match["mode"] or "").split(",")
    bind(c, match["source"], match["target"], substitution, read_only=read_only, shown=value)


def _mount_option(c: Collector, value: str, substitution: Substitution) -> None:
    add_mounts(c, [value], substitution)


def _publish(c: Collector, value: str, _substitution: Substitution) -> None:
    c.port(value, f"{value} (runArgs)")


def _megabytes(field: str) -> Callable[[Collector, str, Substitution], None]:
    def take(c: Collector, value: str, _substitution: Substitution) -> None:
        match = _SIZE.match(value.strip())
        size = int(int(match[1]) * _MIB[match[2].lower()]) if match and len(match[1]) < 16 else 0
        if size < (16 if field == "memory_mb" else 1):
            c.missing(f"runArgs {field} {value}", "It is no size that can be used.", "Set the limit by hand.")
        else:
            c.resources[field] = size

    return take


def _cpus(c: Collector, value: str, _substitution: Substitution) -> None:
    if re.fullmatch(r"\d{1,4}(?:\.\d+)?", value) and 0 < float(value) <= 4096:
        c.resources["cpus"] = float(value)
    else:
        c.missing(f"runArgs --cpus {value}", "It is no number that can be used.", "Set the limit by hand.")


def _pids(c: Collector, value: str, _substitution: Substitution) -> None:
    if re.fullmatch(r"\d{2,8}", value) and int(value) >= 16:
        c.resources["pids"] = int(value)
    else:
        c.missing(f"runArgs --pids-limit {value}", "It is no number that can be used.", "Set the limit by hand.")


_RUN_ARGS: dict[str, Callable[[Collector, str, Substitution], None]] = {
    "-e": _env,
    "--env": _env,
    "-v": _volume,
    "--volume": _volume,
    "--mount": _mount_option,
    "-p": _publish,
    "--publish": _publish,
    "-m": _megabytes("memory_mb"),
    "--memory": _megabytes("memory_mb"),
    "--shm-size": _megabytes("shm_mb"),
    "--cpus": _cpus,
    "--pids-limit": _pids,
}
_WITH_VALUE = frozenset(
    [
        "--name",
        "--hostname",
        "-h",
        "--network",
        "--net",
        "--cap-add",
        "--cap-drop",
        "--security-opt",
        "--device",
        "--gpus",
        "--user",
        "-u",
        "--add-host",
        "--env-file",
        "--label",
        "-l",
        "--ipc",
        "--pid",
        "--userns",
        "--platform",
        "--runtime",
        "--ulimit",
        "--dns",
        "--workdir",
        "-w",
        "--entrypoint",
        "--volumes-from",
        "--group-add",
        "--tmpfs",
        "--sysctl",
        "--restart",
        "--memory-swap",
        "--cgroupns",
    ]
)
_HARMLESS = frozenset(["--name", "--hostname", "-h", "--init", "--rm", "--label", "-l"])
