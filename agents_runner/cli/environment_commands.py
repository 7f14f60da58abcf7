"""`env create | list | show | edit | import | export | delete`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from agents_runner.cli.printing import echo, table
from agents_runner.cli.reading import assignments
from agents_runner.cli.reply import Reply
from agents_runner.core.environment import Environment, new_environment_id
from agents_runner.core.errors import InvalidInput
from agents_runner.core.field_values import apply_assignments
from agents_runner.core.migrate import model_data
from agents_runner.core.profile import OFFER
from agents_runner.core.repository_url import shown_fields
from agents_runner.runner.services import Services
from agents_runner.workspace.folders import real_path

PROFILE_HINT = "`env edit NAME --set profile=standard` chooses it, `--set profile=sudo` keeps it."


def refuse_taken(services: Services, name: str) -> None:
    """Raise InvalidInput for a name that an environment has already."""
    if any(environment.name == name for environment in services.environments.list().environments):
        raise InvalidInput(f"There is an environment {name!r} already.", "Choose another name.", field="name")


def create(services: Services, args: argparse.Namespace) -> Reply:
    """Make an environment of the fields that were given. Raises InvalidInput at the field."""
    refuse_taken(services, args.name)
    fields: dict[str, Any] = {"id": new_environment_id(args.name), "name": args.name}
    environment = allowing(_assigned(None, fields, args.sets), args.allow_mounts)
    return _saved(services, environment, None)


def edit(services: Services, args: argparse.Namespace) -> Reply:
    """Change the fields of an environment that were given. Raises NotFound, InvalidInput at the field."""
    environment = services.environments.get(args.name)
    return _saved(services, allowing(_assigned(environment, {}, args.sets), args.allow_mounts), environment)


def allowing(environment: Environment, sources: Sequence[str]) -> Environment:
    """The environment with these sources allowed beside those that are. Raises InvalidInput for what is no path."""
    real = [real_path(source, field="allow_mounts") for source in sources]
    allowed = tuple(dict.fromkeys((*environment.allow_mounts, *real)))
    return environment.model_copy(update={"allow_mounts": allowed}) if sources else environment


def _assigned(environment: Environment | None, fields: dict[str, Any], sets: list[str]) -> Environment:
    return apply_assignments(environment, assignments(sets), fields)


def _saved(services: Services, environment: Environment, base: Environment | None) -> Reply:
    for problem in services.environments.check(environment):
        raise problem.error()
    saved = services.environments.save(environment, base)
    lines = [f"{saved.name} ({saved.id})", *(f"!! {remark}" for remark in services.environments.remarks(saved))]
    if saved.cache_container_build and saved.single_script and saved.run_preflight_script.strip():
        lines.append("!! Caching is on, but the cached preflight is empty: move the slow installs there.")
    return Reply(json=shown_fields(model_data(saved)), text="\n".join(lines))


def profile_offer(environment: Environment) -> tuple[str, ...]:
    """One line for the error stream where nobody has chosen the profile yet, else none."""
    if not environment.profile_from_before:
        return ()
    return (f"!! {environment.name}: {OFFER} {PROFILE_HINT}",)


def list_(services: Services, _args: argparse.Namespace) -> Reply:
    """List every environment that can be read; what is odd about the others goes to standard error."""
    listing = services.environments.list()
    for note in listing.notes:
        echo(f"!! {note}", to=sys.stderr)
    rows = [
        (one.name, one.id, one.agent, one.base_image, "on" if one.cache_container_build else "off")
        for one in listing.environments
    ]
    return Reply(
        json=[shown_fields(model_data(environment)) for environment in listing.environments],
        text=table(("name", "id", "agent", "base image", "cache"), rows) if rows else "No environments yet.",
    )


def show(services: Services, args: argparse.Namespace) -> Reply:
    """Show the fields of one environment. Raises NotFound."""
    environment = services.environments.get(args.name)
    fields = shown_fields(model_data(environment))
    remarks = (f"!! {remark}" for remark in services.environments.remarks(environment))
    lines = [line for name, value in fields.items() for line in _field_lines(name, value)]
    return Reply(json=fields, text="\n".join(lines), remarks=(*profile_offer(environment), *remarks))


def _field_lines(name: str, value: object) -> list[str]:
    text = value if isinstance(value, str) else repr(value)
    if "\n" not in text:
        return [f"{name}: {text}"]
    return [f"{name}:", *(f"    {line}" for line in text.splitlines())]


def export(services: Services, args: argparse.Namespace) -> int:
    """Print the file as it is: it is JSON of several lines, with `--json` or without."""
    echo(services.environments.export(args.name).rstrip("\n"))
    return 0


def delete(services: Services, args: argparse.Namespace) -> Reply:
    """Move an environment to the trash. Raises NotFound."""
    environment = services.environments.get(args.name)
    services.environments.delete(environment.id)
    return Reply(json={"deleted": environment.id}, text=f"{environment.name} is in the trash.")
