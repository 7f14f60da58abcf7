"""One script against its two halves, in containers on the Debian base: the same files, exports and exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents_runner.preflight.split import split
from tests.support.cli import Cli

SCRIPTS = sorted((Path(__file__).parents[1] / "data/preflight/containers").glob("*.sh"))
LOOK = r"""
cut="-path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /workspace -o -path /var/log"
cut="$cut -o -path /var/cache -o -path /var/lib/apt/lists -o -name __pycache__ -o -path /root/.npm"
cut="$cut -o -path /etc/agents-runner -o -path /etc/hosts -o -path /etc/hostname -o -path /etc/resolv.conf"
find / -xdev \( $cut \) -prune -o -printf '%y %m %U:%G %p %l\0' | sort -z | tr '\0' '\n' > manifest
find / -xdev \( $cut \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum >> manifest
env -0 | sort -z | tr '\0' '\n' > exports
"""
"""What the agent does: write down every file of the image's part of the tree, and its variables."""
OF_THE_TASK = ("AGENTS_RUNNER_TASK_ID=", "AGENTS_RUNNER_ENVIRONMENT=", "HOSTNAME=", "TASK_LABEL=", "_=")


def of_task(line: str) -> bool:
    return line.startswith(OF_THE_TASK)


def outcome(cli: Cli, folder: Path, base: str, name: str, fields: dict[str, str]) -> dict[str, Any]:
    workspace = folder / f"workspace-{name}"
    workspace.mkdir()
    sets = ["--set", f"base_image={base}", "--set", f"workspace={workspace}", "--set", "agent=shell"]
    for field, value in fields.items():
        path = folder / f"{name}-{field}"
        path.write_text(value)
        sets += ["--set", f"{field}=@{path}"]
    # The same name in both: scripts may write it down.
    cli("env", "create", "same", *sets)
    done = cli("run", "same", LOOK, "--json", check=False)
    cli("env", "delete", "same")
    files = {str(path.relative_to(workspace)): path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    manifest = files.pop("manifest", b"").decode().splitlines()
    exports = [line for line in files.pop("exports", b"").decode().splitlines() if not of_task(line)]
    return {
        "status": done.result["exit_code"],
        "manifest": manifest,
        "exports": exports,
        "workspace": files,
        "phases": done.result["phases"],
        "log": done.log[-20:],
    }


def test_there_are_enough_scripts() -> None:
    assert len(SCRIPTS) >= 15


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.stem for path in SCRIPTS])
def test_the_halves_do_what_the_whole_did(
    path: Path, cli: Cli, tmp_path: Path, debian_base: str, request: pytest.FixtureRequest
) -> None:
    text = path.read_text(encoding="utf-8")
    # npm's four hundred packages would be installed twice: they are in the base.
    base = request.getfixturevalue("agents_base") if "npm" in path.stem else debian_base
    result = split(text)
    assert result.cached.strip(), "nothing of it is baked, so nothing is shown"
    whole = outcome(cli, tmp_path, base, "whole", {"run_preflight_script": text})
    halves = outcome(
        cli,
        tmp_path,
        base,
        "halves",
        {
            "cached_preflight_script": result.cached,
            "run_preflight_script": result.run,
            "cache_container_build": "true",
        },
    )
    assert "build.env" in halves["phases"], json.dumps(halves["log"])
    assert "preflight.cached" not in halves["phases"], json.dumps(halves["log"])
    assert halves["status"] == whole["status"], (whole["log"], halves["log"])
    assert halves["workspace"] == whole["workspace"]
    if whole["status"] == 0:
        assert whole["manifest"]
        assert set(whole["manifest"]) ^ set(halves["manifest"]) == set()
        assert whole["exports"] == halves["exports"]
