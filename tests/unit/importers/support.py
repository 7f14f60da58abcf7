"""Makes projects out of texts, and drafts out of projects; every draft's scripts are looked at by bash."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from agents_runner.importers.model import Draft, ImportCandidate
from agents_runner.runner.importing import draft_of, environment_of, offers

DATA = Path(__file__).parents[2] / "data" / "importers"
ENVIRON = {"HOME": "/home/me", "USER": "me", "SECRET_OF_THE_HOST": "hunter2", "THEME": "dark"}


def bash_complaint(script: str) -> str:
    """What `bash -n` says; also a here-document without its end."""
    return subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False).stderr


def checked(draft: Draft) -> Draft:
    """The draft, if its scripts can be read and its fields are an environment's."""
    for name in ("cached_preflight_script", "run_preflight_script"):
        script = draft.fields.get(name, "")
        assert bash_complaint(script) == "", script
        assert script == "" or script.endswith("\n")
    environment = environment_of(draft)
    assert environment.name == draft.name
    assert (environment.model_extra or {}) == {}
    assert all(gap.what for gap in draft.report)
    assert all(gap.why for gap in draft.report)
    assert "hunter2" not in json.dumps([dict(draft.fields), [repr(one) for one in draft.report], draft.notes])
    return draft


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return folder


def draft(folder: Path, number: int = 0, allow_mounts: Collection[str] = ()) -> Draft:
    """The draft of what a folder offers."""
    return checked(draft_of(offers(folder)[number], ENVIRON, allow_mounts))


def devcontainer(folder: Path, data: Any, allow_mounts: Collection[str] = (), **files: str) -> Draft:
    text = data if isinstance(data, str) else json.dumps(data)
    return draft(write(folder, {".devcontainer/devcontainer.json": text, **files}), allow_mounts=allow_mounts)


def dockerfile(folder: Path, text: str, **files: str) -> Draft:
    return draft(write(folder, {"Dockerfile": text, **files}))


def workflow(folder: Path, steps: str, *, job: str = "runs-on: ubuntu-latest", top: str = "", **files: str) -> Draft:
    """`steps`, `job` and `top` as they stand in the file, without indentation."""
    inside = "".join(f"    {line}\n" for line in job.split("\n") if line)
    listed = "".join(f"      {line}\n" for line in steps.split("\n"))
    text = f"{top}\njobs:\n  copilot-setup-steps:\n{inside}    steps:\n{listed}"
    return draft(write(folder, {".github/workflows/copilot-setup-steps.yml": text, **files}))


def cached(one: Draft) -> str:
    return str(one.fields.get("cached_preflight_script", ""))


def run(one: Draft) -> str:
    return str(one.fields.get("run_preflight_script", ""))


def whats(one: Draft) -> str:
    """Everything that the report names, one a line."""
    return "\n".join(gap.what for gap in one.report)


def why(one: Draft, what: str) -> str:
    return next(f"{gap.why} {gap.hint}" for gap in one.report if what in gap.what)


def kinds(found: tuple[ImportCandidate, ...]) -> list[tuple[str, str]]:
    return [(one.kind, one.title) for one in found]
