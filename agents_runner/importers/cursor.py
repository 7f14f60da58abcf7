"""Cursor's `.cursor/environment.json` as an environment."""

from __future__ import annotations

import posixpath
from typing import Any

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.importers.bases import guess_base
from agents_runner.importers.collect import Collector, short
from agents_runner.importers.commands import BESIDE, is_endless, leave_out, setup_block, start_block
from agents_runner.importers.dockerfile import add_dockerfile
from agents_runner.importers.documents import parse_jsonc
from agents_runner.importers.project import joined

_TAKEN = frozenset(
    [
        "$schema",
        "name",
        "build",
        "install",
        "start",
        "terminals",
        "snapshot",
        "ports",
        "user",
        "agentCanUpdateSnapshot",
    ]
)


def add_cursor(c: Collector, relative: str) -> None:
    """Take an environment.json over: install is the set-up, start runs at every start."""
    data = parse_jsonc(c.read(relative), relative)
    c.name = data["name"] if isinstance(data.get("name"), str) else ""
    _build(c, data.get("build"), posixpath.dirname(relative))
    if data.get("snapshot"):
        c.missing(
            f"snapshot {data['snapshot']}",
            "It is a disk in Cursor's cloud, which nobody else can read.",
            "Write what was installed there by hand into the cached preflight.",
        )
    for key in ("install", "start"):
        text = data.get(key)
        if not isinstance(text, str) or not text.strip():
            if text not in (None, ""):
                c.missing(key, "It is no text.", "")
        elif key == "start":
            start_block(c, key, text)
        elif is_endless(text):
            leave_out(c, key, text)
        else:
            c.setup.append(setup_block(c, key, text))
    _terminals(c, data.get("terminals"))
    _rest(c, data)
    guess_base(c)


def _build(c: Collector, build: Any, folder: str) -> None:
    if not isinstance(build, dict) or not isinstance(build.get("dockerfile"), str):
        return
    relative = joined(folder, build["dockerfile"])
    context = joined(folder, build["context"] if isinstance(build.get("context"), str) else ".")
    try:
        add_dockerfile(c, relative, context=context)
    except AgentsRunnerError as error:
        c.missing(relative, error.message, error.hint or "Choose the base image by hand.")


def _terminals(c: Collector, terminals: Any) -> None:
    """What ran beside the agent in a terminal of its own."""
    for one in terminals if isinstance(terminals, list) else []:
        if not isinstance(one, dict) or not isinstance(one.get("command"), str):
            continue
        name = f"terminal {one['name']}" if isinstance(one.get("name"), str) else "terminal"
        c.missing(
            f"{name}: {one['command']}",
            "There are no terminals beside the agent.",
            BESIDE,
        )
        c.remarks.append(f"{short(name)}, left out since it runs beside the agent:\n  {short(one['command'])}")


def _rest(c: Collector, data: dict[str, Any]) -> None:
    ports = data.get("ports")
    for one in ports if isinstance(ports, list) else []:
        number = one.get("port") if isinstance(one, dict) else one
        if isinstance(number, int) and not isinstance(number, bool):
            c.port(str(number), f"{number} (ports)")
        else:
            c.missing(f"port {number}", "It is no port.", "")
    user = data.get("user")
    if isinstance(user, str) and user not in {"", "root"}:
        c.missing(f"user {user}", "The scripts run as the image's own user, the agent as you.", "")
    repositories = data.get("repositoryDependencies")
    if repositories:
        c.missing("repositoryDependencies", "A task has one workspace.", "Clone or mount the others.")
    for key in data:
        if key not in _TAKEN and key != "repositoryDependencies":
            c.missing(key, "It is not known here.", "")
