"""`env import`: our own files, and what people have for other programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents_runner.cli.environment_commands import allowing, refuse_taken
from agents_runner.cli.printing import say, say_json
from agents_runner.core.environment import Environment
from agents_runner.core.errors import NotFound
from agents_runner.core.migrate import model_data
from agents_runner.core.repository_url import shown_fields
from agents_runner.core.results import Problem
from agents_runner.runner.importing import (
    Draft,
    Gap,
    ImportCandidate,
    draft_of,
    environment_of,
    no_project_file,
    offers,
    recognise,
)
from agents_runner.runner.services import Services


def import_(services: Services, args: argparse.Namespace) -> int:
    path = Path(args.file).expanduser()
    if path.is_dir():
        found = offers(path)
        if not found:
            raise no_project_file(path)
        return _import_found(services, args, found[0], found[1:])
    if not path.is_file():
        raise NotFound(f"There is no file {args.file}.", "Check its name.")
    one = recognise(path)
    return _import_found(services, args, one, ()) if one is not None else _import_own(services, args, path)


def _import_own(services: Services, args: argparse.Namespace, path: Path) -> int:
    """A file of this program, or of an older one."""
    if args.name:
        refuse_taken(services, args.name)
    report = services.environments.import_file(path, name=args.name, dry_run=args.dry_run)
    made = [allowing(environment, args.allow_mounts) for environment in report.environments]
    if args.allow_mounts and not args.dry_run:
        made = [services.environments.save(environment) for environment in made]
    _print(args, made, notes=report.notes, problems=report.problems)
    return 0 if report.environments else 1


def _import_found(
    services: Services, args: argparse.Namespace, found: ImportCandidate, others: Sequence[ImportCandidate]
) -> int:
    if args.name:
        refuse_taken(services, args.name)
    draft = draft_of(found, allow_mounts=args.allow_mounts)
    taken = {environment.name for environment in services.environments.list().environments}
    environment = allowing(environment_of(draft, args.name, taken), args.allow_mounts)
    notes = list(draft.notes)
    # Taken over as it is: what would stop a task is said now, and again when it is edited or run.
    notes += [problem.text for problem in services.environments.check(environment)]
    notes += [f"There is {other.describe} as well; import it by its own name." for other in others]
    if not args.dry_run:
        environment = services.environments.save(environment)
    _print(args, (environment,), notes=notes, report=draft.report, draft=draft)
    return 0


def _print(
    args: argparse.Namespace,
    environments: Sequence[Environment],
    *,
    notes: Sequence[str],
    problems: Sequence[Problem] = (),
    report: Sequence[Gap] = (),
    draft: Draft | None = None,
) -> None:
    if args.json:
        data: dict[str, Any] = {
            "environments": [shown_fields(model_data(environment)) for environment in environments],
            "notes": list(notes),
            "problems": [{"path": one.path, "message": one.message, "hint": one.hint} for one in problems],
            "report": [{"what": one.what, "why": one.why, "hint": one.hint} for one in report],
            "kind": draft.kind if draft is not None else "environment",
            "sources": [str(path) for path in draft.sources] if draft is not None else [],
            "dry_run": args.dry_run,
        }
        say_json(data)
        return
    for environment in environments:
        say(f"{environment.name} ({environment.id}){', not saved' if args.dry_run else ''}")
        if draft is not None:
            _show(environment)
    for note in notes:
        say(f"!! {note}")
    if report:
        say()
        say("Not carried over as it was:")
        for gap in report:
            say(f"- {gap.what}\n    {gap.why} {gap.hint}".rstrip())
    for problem in problems:
        say(f"!! {problem.message} {problem.hint}".rstrip(), to=sys.stderr)


def _show(environment: Environment) -> None:
    """The fields that an import proposes."""
    say(f"base image: {environment.base_image}")
    for title, text in (
        ("cached preflight", environment.cached_preflight_script),
        ("run preflight", environment.run_preflight_script),
    ):
        if text:
            say(f"{title}:")
            for line in text.splitlines():
                say(f"    {line}".rstrip())
    for title, values in (
        ("variables", [f"{name}={value}" for name, value in environment.env_vars.items()]),
        ("secrets", environment.secrets),
        ("mounts", environment.mounts),
        ("ports", environment.ports),
    ):
        if values:
            say(f"{title}: {', '.join(values)}")
