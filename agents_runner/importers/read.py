"""Reads one file that was found or named as a draft of an environment."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from agents_runner.core.errors import AgentsRunnerError, InvalidInput, NotFound
from agents_runner.importers.collect import Collector
from agents_runner.importers.cursor import add_cursor
from agents_runner.importers.devcontainer import add_devcontainer
from agents_runner.importers.dockerfile import add_dockerfile
from agents_runner.importers.documents import parse_jsonc
from agents_runner.importers.model import Draft, ImportCandidate, Kind, ShellTools
from agents_runner.importers.project import Project, decode, read_limited
from agents_runner.importers.scripts import add_scripts
from agents_runner.importers.workflow import add_workflow

_DOCKERFILE = re.compile(r"(?:(?:.+\.)?(?:dockerfile|containerfile)|(?:dockerfile|containerfile)\..+)\Z", re.I)
_DEVCONTAINER_KEYS = frozenset(
    [
        "build",
        "dockerFile",
        "dockerComposeFile",
        "features",
        "customizations",
        "forwardPorts",
        "containerEnv",
        "remoteEnv",
        "remoteUser",
        "onCreateCommand",
        "updateContentCommand",
        "postCreateCommand",
        "postStartCommand",
        "postAttachCommand",
        "runArgs",
    ]
)
_CURSOR_KEYS = frozenset({"install", "start", "terminals", "snapshot", "agentCanUpdateSnapshot"})


def read_draft(
    found: ImportCandidate, tools: ShellTools, environ: Mapping[str, str], allow_mounts: Collection[str] = ()
) -> Draft:
    """The proposal for one file. `environ`: this machine's variables, of which only harmless ones are used.

    `allow_mounts`: sources outside the project that a person named; others are not taken over.

    Raises NotFound, InvalidInput in one sentence with the line.
    """
    allowed = frozenset(os.path.realpath(Path(source).expanduser()) for source in allow_mounts)
    c = Collector(kind=found.kind, project=Project(found.folder), allow_mounts=allowed)
    relative = found.path.relative_to(found.folder).as_posix()
    match found.kind:
        case "devcontainer":
            add_devcontainer(c, relative, environ)
        case "cursor":
            add_cursor(c, relative)
        case "copilot":
            add_workflow(c, relative)
        case "scripts":
            partner = found.partner.relative_to(found.folder).as_posix() if found.partner else ""
            add_scripts(c, relative, partner)
        case "dockerfile":
            context = (
                "." if found.path.parent == found.folder else found.path.parent.relative_to(found.folder).as_posix()
            )
            add_dockerfile(c, relative, context=context)
    return c.draft(tools)


def recognise(path: Path) -> ImportCandidate | None:  # noqa: PLR0911 - one way out a kind
    """What kind of file this is, by its name and what is in it; None if it is none that is imported here.

    Raises NotFound, InvalidInput for a file that cannot be read.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", "Check its name.")
    name = path.name.lower()
    if name in {"devcontainer.json", ".devcontainer.json"}:
        return _found("devcontainer", path)
    if name.endswith((".yml", ".yaml")):
        return _found("copilot", path)
    if _DOCKERFILE.match(name):
        return _found("dockerfile", path)
    if name.endswith((".sh", ".bash")):
        partner = path.with_name(path.name.replace("setup", "maintenance"))
        pair = partner != path and Project(path.parent).has(partner.name)
        return _found("scripts", path, partner if pair else None)
    if name.endswith((".json", ".jsonc", ".json5")):
        kind = _json_kind(path)
        return _found(kind, path) if kind else None
    try:
        head = read_limited(path, path.name)[:200]
    except AgentsRunnerError:
        return None
    if head.startswith(b"#!"):
        return _found("scripts", path)
    return None


def _found(kind: Kind, path: Path, partner: Path | None = None) -> ImportCandidate:
    return ImportCandidate(kind=kind, path=path, folder=_project_of(path), partner=partner)


def _project_of(path: Path) -> Path:
    """The project's folder: the one above the folder that tools keep their files in."""
    parents = list(path.parents)
    for number, folder in enumerate(parents[:3]):
        if folder.name in {".devcontainer", ".cursor", ".codex", ".agents"} and number + 1 < len(parents):
            return parents[number + 1]
        if folder.name == "workflows" and number + 2 < len(parents) and parents[number + 1].name == ".github":
            return parents[number + 2]
    if path.parent.name == "scripts" and path.suffix in {".sh", ".bash"}:
        return parents[1]
    return path.parent


def _json_kind(path: Path) -> Kind | None:
    if path.parent.name == ".cursor" and path.name == "environment.json":
        return "cursor"
    try:
        data = parse_jsonc(decode(read_limited(path, path.name), path.name), path.name)
    except AgentsRunnerError:
        return None  # whoever reads the application's own files says what is wrong with it
    keys = data.keys()
    if keys & _DEVCONTAINER_KEYS and "version" not in keys:
        return "devcontainer"
    if len(keys & _CURSOR_KEYS) >= 2 and "id" not in keys and "env_id" not in keys:
        return "cursor"
    return None


def no_project_file(folder: Path) -> InvalidInput:
    """The error for a folder in which nothing was found."""
    return InvalidInput(
        f"Nothing in {folder} can be imported.",
        "Looked for devcontainer.json, .cursor/environment.json, .github/workflows/copilot-setup-steps.yml, "
        ".codex/setup.sh, setup.sh with maintenance.sh, and a Dockerfile.",
    )
