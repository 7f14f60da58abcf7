"""Programs that look at a script as well: `bash -n` and shellcheck. A program that is missing finds nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess

from agents_runner.preflight.warnings import ScriptWarning

_SECONDS = 20
_BASH_LINE = re.compile(r"(?:^|: )line (\d+): (.*)\Z")
_LEVELS = frozenset({"error", "warning"})


def bash_syntax(script: str, bash: str = "bash") -> tuple[ScriptWarning, ...]:
    """What `bash -n` says, with its line."""
    done = _read_by(bash, script)
    if done is None or done.returncode == 0:
        return ()
    found: list[ScriptWarning] = []
    for line in done.stderr.splitlines():
        match = _BASH_LINE.search(line)
        if match and not match[2].startswith("`"):
            found.append(
                ScriptWarning(
                    line=int(match[1]), rule="syntax", message=f"bash: {match[2]}", hint="The script would stop here."
                )
            )
    return tuple(found) or (ScriptWarning(line=1, rule="syntax", message="bash cannot read this script."),)


def first_complaint(script: str) -> str:
    """The first thing that `bash -n` says, a mere warning as well (a here-document without an end); "" if none."""
    done = _read_by("bash", script)
    return done.stderr.split("\n", 1)[0].removeprefix("bash: ") if done else ""


def _read_by(bash: str, script: str) -> subprocess.CompletedProcess[str] | None:
    """`-n` only reads, and with a fixed locale its words are the ones looked for."""
    return _run([bash, "-n"], script, env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"})


def shellcheck_findings(script: str, program: str = "shellcheck") -> tuple[ScriptWarning, ...]:
    """shellcheck's errors and warnings; its code is the rule."""
    command = [program, "--format=json", "--severity=warning", "-"]
    if not script.startswith("#!"):
        command[1:1] = ["--shell=bash"]
    done = _run(command, script)
    if done is None:
        return ()
    try:
        findings = json.loads(done.stdout or "[]")
    except json.JSONDecodeError:
        return ()
    return tuple(
        ScriptWarning(
            line=int(one["line"]),
            rule=f"SC{one['code']}",
            message=str(one["message"]),
            hint=f"See shellcheck's page on SC{one['code']}.",
        )
        for one in findings
        if one.get("level") in _LEVELS
    )


def _run(
    command: list[str], script: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command,
            input=script,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
            env=env,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
