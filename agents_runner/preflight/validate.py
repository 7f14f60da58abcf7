"""The checker: warnings with line, rule and what to do. It warns only; nothing here keeps anybody from saving."""

from __future__ import annotations

from collections.abc import Collection

from agents_runner.core.scripts import interpreter_of, normalise
from agents_runner.preflight import external, rules_commands, rules_stage, rules_text
from agents_runner.preflight.analysis import analyse
from agents_runner.preflight.collector import paused_collector
from agents_runner.preflight.warnings import CheckStage, ScriptWarning, View

RULES = (*rules_text.RULES, *rules_stage.RULES, *rules_commands.RULES)


def check(
    text: str,
    stage: CheckStage,
    *,
    has_sudo: bool | None = None,
    before: str = "",
    available: Collection[str] = (),
    bash: str | None = None,
    shellcheck: str | None = None,
) -> tuple[ScriptWarning, ...]:
    """Check a script as it was typed; by line.

    `has_sudo`: None if nobody knows. `before`: the cached preflight, for the run preflight. `available`: variables
    that are set alike in build and task. `bash` and `shellcheck`: programs to ask as well, in processes of their own.
    """
    found: set[ScriptWarning] = set(_line_ends(text))
    script = normalise(text)
    if not script.strip():
        return tuple(sorted(found))
    names = frozenset(available)
    shell = interpreter_of(script).kind != "other"
    if shell:
        with paused_collector():
            view = View(
                text=script,
                stage=stage,
                analysis=analyse(script, names),
                has_sudo=has_sudo,
                before=analyse(normalise(before), names) if before.strip() else None,
            )
            for rule in RULES:
                found.update(rule(view))
    if shell and bash:
        syntax = external.bash_syntax(script, bash)
        # bash has the last word on what a syntax error is.
        found = {w for w in found if w.rule != "not-understood" or not syntax}
        found.update(syntax)
    if shell and shellcheck:
        found.update(external.shellcheck_findings(script, shellcheck))
    return tuple(sorted(found))


def _line_ends(text: str) -> list[ScriptWarning]:
    at = text.find("\r\n")
    if at < 0:
        return []
    return [
        ScriptWarning(
            line=text.count("\n", 0, at) + 1,
            rule="crlf",
            message="The lines end in CR LF, as on Windows. The script runs with plain line ends.",
            hint="Save it with LF line ends to see here what runs.",
        )
    ]
