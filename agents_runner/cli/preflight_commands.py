"""`preflight split | check | test`."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from agents_runner.cli.printing import echo, echo_json
from agents_runner.cli.reading import read_text
from agents_runner.cli.reply import Reply
from agents_runner.cli.task_commands import follow
from agents_runner.core.errors import AgentsRunnerError, InvalidInput, UsageError
from agents_runner.core.scripts import normalise
from agents_runner.preflight.marks import propose_marks, with_marks
from agents_runner.preflight.split import SplitResult
from agents_runner.preflight.split import split as split_script
from agents_runner.preflight.validate import check as check_script
from agents_runner.runner.services import Services
from agents_runner.runner.tasks.test_preflight import has_scripts, preflight_test


def split(_services: Services, args: argparse.Namespace) -> Reply:
    """Split one script into a cached and a run preflight, with a reason for each piece."""
    result = split_script(normalise(read_text(args.file, "file")))
    cached = with_marks(result) if args.marks else result.cached
    if args.output:
        _write(Path(args.output), cached, result.run)
    return Reply(
        json=_split_json(result, cached, marks=args.marks),
        text=_split_text(result, cached, written=bool(args.output)),
    )


def _split_json(result: SplitResult, cached: str, *, marks: bool) -> dict[str, Any]:
    value: dict[str, Any] = {
        "cached": cached,
        "run": result.run,
        "statements": [
            {
                "text": one.text,
                "start_line": one.start_line,
                "end_line": one.end_line,
                "stage": one.stage,
                "reason": one.reason,
                "certain": one.certain,
            }
            for one in result.statements
        ],
    }
    if marks:
        value["marks"] = [
            {"line": mark.line, "name": mark.name, "reason": mark.reason} for mark in propose_marks(result)
        ]
    return value


def _split_text(result: SplitResult, cached: str, *, written: bool) -> str:
    parts = []
    for one in result.statements:
        doubt = "" if one.certain else " (not sure)"
        lines = str(one.start_line) if one.start_line == one.end_line else f"{one.start_line}-{one.end_line}"
        parts.append(f"{lines:>9}  {one.stage:6}  {one.reason}{doubt}")
    if not written:
        for name, text in (("cached preflight", cached), ("run preflight", result.run)):
            parts += [f"\n===== {name}", text.rstrip("\n") if text else "(nothing)"]
    return "\n".join(parts)


def _write(folder: Path, cached: str, run: str) -> None:
    files = {folder / "cached.sh": cached, folder / "run.sh": run}
    for path in files:
        if path.exists():
            raise InvalidInput(f"{path} is there already.", "Choose another folder.", field="output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidInput(
            f"{folder} cannot be written: {error.strerror}.", "Choose another folder.", field="output"
        ) from error


def check(_services: Services, args: argparse.Namespace) -> Reply:
    """Warn about a script; the exit status is 0 whatever is found."""
    warnings = check_script(
        read_text(args.file, "file"),
        args.stage,
        before=read_text(args.before, "before") if args.before else "",
        bash=shutil.which("bash"),
        shellcheck=shutil.which("shellcheck"),
    )
    found = [{"line": w.line, "rule": w.rule, "message": w.message, "hint": w.hint} for w in warnings]
    lines = [f"{args.file}:{w.line}: {w.rule}: {w.message} {w.hint}".rstrip() for w in warnings]
    lines.append(f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}.")
    return Reply(json={"warnings": found}, text="\n".join(lines))


def test(services: Services, args: argparse.Namespace) -> int:
    """Run the scripts of one or of every environment; exit status 1 if one failed."""
    if args.all == bool(args.environment):
        raise UsageError("Name one environment, or say --all.", "See `agents-runner preflight test --help`.")
    if args.environment:
        environment = services.environments.get(args.environment)
        if not has_scripts(environment):
            raise InvalidInput(
                f"{environment.name} has no preflight script that would run.",
                "Give it a cached or a run preflight, and turn preflight on.",
            )
        return follow(services, preflight_test(environment, fresh=args.fresh), as_json=args.json)
    worst = 0
    for environment in services.environments.list().environments:
        if not has_scripts(environment):
            continue
        if not args.json:
            echo(f"===== {environment.name}")
        try:
            status = follow(services, preflight_test(environment, fresh=args.fresh), as_json=args.json)
        except AgentsRunnerError as error:
            # One environment that cannot be planned does not keep the others from being tested.
            status = 1
            _echo_error(environment.name, error, as_json=args.json)
        worst = worst or (1 if status else 0)
    return worst


def _echo_error(name: str, error: AgentsRunnerError, *, as_json: bool) -> None:
    if as_json:
        echo_json({"event": "error", "environment": name, "message": error.message, "hint": error.hint})
    else:
        echo(f"!! {error.message} {error.hint}".rstrip(), to=sys.stderr)
