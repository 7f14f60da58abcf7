"""Finds the files in a project's folder that can be imported: fixed places only, and nothing is opened."""

from __future__ import annotations

import os
from pathlib import Path

from agents_runner.importers.model import ImportCandidate, Kind
from agents_runner.importers.project import Project

_DEVCONTAINERS = (".devcontainer/devcontainer.json", ".devcontainer.json", "devcontainer.json")
_CURSOR = ".cursor/environment.json"
_WORKFLOWS = (".github/workflows/copilot-setup-steps.yml", ".github/workflows/copilot-setup-steps.yaml")
_PAIRS = (
    (".codex/setup.sh", ".codex/maintenance.sh", False),
    ("setup.sh", "maintenance.sh", True),
    ("scripts/setup.sh", "scripts/maintenance.sh", True),
    (".agents/setup.sh", ".agents/maintenance.sh", False),
)
"""Set-up, maintenance, and whether both must be there: a lone `setup.sh` may be anything."""
_DOCKERFILES = ("Dockerfile", "Containerfile", ".devcontainer/Dockerfile", ".cursor/Dockerfile", "Dockerfile.dev")


def discover(folder: Path) -> tuple[ImportCandidate, ...]:
    """Everything that can be imported, the best first. An empty tuple for a folder that is not there."""
    root = Path(os.path.abspath(folder))  # noqa: PTH100 - Path.resolve would follow the folder's own links
    project = Project(root)
    found = [_found(project, "devcontainer", path) for path in _DEVCONTAINERS if project.has(path)]
    for name in project.folders(".devcontainer"):
        path = f".devcontainer/{name}/devcontainer.json"
        if project.has(path):
            found.append(_found(project, "devcontainer", path))
    if project.has(_CURSOR):
        found.append(_found(project, "cursor", _CURSOR))
    found += [_found(project, "copilot", path) for path in _WORKFLOWS if project.has(path)]
    found += _pairs(project)
    # A Dockerfile beside a file that builds on it would be the same thing once more.
    owners = {one.path.parent for one in found}
    found += [
        _found(project, "dockerfile", path)
        for path in _DOCKERFILES
        if project.has(path) and not ((root / path).parent in owners and (root / path).parent != root)
    ]
    return tuple(found)


def _found(project: Project, kind: Kind, path: str, partner: str = "") -> ImportCandidate:
    return ImportCandidate(
        kind=kind,
        path=project.root / path,
        folder=project.root,
        partner=project.root / partner if partner else None,
    )


def _pairs(project: Project) -> list[ImportCandidate]:
    found = []
    for setup, maintenance, both in _PAIRS:
        has_setup, has_maintenance = project.has(setup), project.has(maintenance)
        if has_setup and (has_maintenance or not both):
            found.append(_found(project, "scripts", setup, maintenance if has_maintenance else ""))
    return found
