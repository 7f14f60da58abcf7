"""Programs that look at a script as well: `bash -n` and shellcheck. A program that is missing finds nothing."""

from __future__ import annotations

import json
import re
import subprocess

from agents_runner.preflight.warnings import ScriptWarning

_SECONDS = 20
_BASH_LINE = re.compile(r"(?:^|: )line (\d+): (.*)\Z")
_LEVELS = frozenset({"error", "warning"})


def bash_syntax(script: str, bash: str = "bash") -> tuple[ScriptWarning, ...]:
    """What `bash -n` says, with its line."""
    done = _run([bash, "-n"], script)
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


def _run(command: list[str], script: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command, input=script, capture_output=True, text=True, timeout=_SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
