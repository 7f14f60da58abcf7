"""`env import`: our own files, and what people have for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from agents_runner.cli.environment_commands import allowing, refuse_taken
from agents_runner.cli.reply import Reply
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


def import_(services: Services, args: argparse.Namespace) -> Reply:
    """Make environments of a file, or of the best file of a folder; exit status 1 if none came of it."""
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


def _import_own(services: Services, args: argparse.Namespace, path: Path) -> Reply:
    """A file of this program, or of an older one."""
    if args.name:
        refuse_taken(services, args.name)
    report = services.environments.import_file(path, name=args.name, dry_run=args.dry_run)
    made = [allowing(environment, args.allow_mounts) for environment in report.environments]
    if args.allow_mounts and not args.dry_run:
        made = [services.environments.save(environment) for environment in made]
    return _reply(args, made, notes=report.notes, problems=report.problems)


def _import_found(
    services: Services, args: argparse.Namespace, found: ImportCandidate, others: Sequence[ImportCandidate]
) -> Reply:
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
    return _reply(args, (environment,), notes=notes, report=draft.report, draft=draft)


def _reply(
    args: argparse.Namespace,
    environments: Sequence[Environment],
    *,
    notes: Sequence[str],
    problems: Sequence[Problem] = (),
    report: Sequence[Gap] = (),
    draft: Draft | None = None,
) -> Reply:
    value = {
        "environments": [shown_fields(model_data(environment)) for environment in environments],
        "notes": list(notes),
        "problems": [{"path": one.path, "message": one.message, "hint": one.hint} for one in problems],
        "report": [{"what": one.what, "why": one.why, "hint": one.hint} for one in report],
        "kind": draft.kind if draft is not None else "environment",
        "sources": [str(path) for path in draft.sources] if draft is not None else [],
        "dry_run": args.dry_run,
    }
    lines: list[str] = []
    for environment in environments:
        lines.append(f"{environment.name} ({environment.id}){', not saved' if args.dry_run else ''}")
        if draft is not None:
            lines += _proposed(environment)
    lines += [f"!! {note}" for note in notes]
    if report:
        lines += ["", "Not carried over as it was:"]
        lines += [f"- {gap.what}\n    {gap.why} {gap.hint}".rstrip() for gap in report]
    return Reply(
        json=value,
        text="\n".join(lines),
        remarks=tuple(f"!! {problem.text}" for problem in problems),
        status=0 if environments else 1,
    )


def _proposed(environment: Environment) -> list[str]:
    """Lines about the fields that an import proposes."""
    lines = [f"base image: {environment.base_image}"]
    for title, text in (
        ("cached preflight", environment.cached_preflight_script),
        ("run preflight", environment.run_preflight_script),
    ):
        if text:
            lines.append(f"{title}:")
            lines += [f"    {line}".rstrip() for line in text.splitlines()]
    for title, values in (
        ("variables", [f"{name}={value}" for name, value in environment.env_vars.items()]),
        ("secrets", environment.secrets),
        ("mounts", environment.mounts),
        ("ports", environment.ports),
    ):
        if values:
            lines.append(f"{title}: {', '.join(values)}")
    return lines
