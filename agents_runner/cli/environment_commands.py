"""`env create | list | show | edit | import | export | delete`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from agents_runner.cli.printing import say, say_json, table
from agents_runner.cli.reading import assignments
from agents_runner.core.environment import Environment, new_environment_id
from agents_runner.core.errors import InvalidInput
from agents_runner.core.field_values import apply_assignments
from agents_runner.core.migrate import model_data
from agents_runner.core.profile import OFFER
from agents_runner.core.repository_url import shown_fields
from agents_runner.core.variables import remarks_on
from agents_runner.runner.services import Services
from agents_runner.workspace.folders import real_path

PROFILE_HINT = "`env edit NAME --set profile=standard` chooses it, `--set profile=sudo` keeps it."


def refuse_taken(services: Services, name: str) -> None:
    """Raise InvalidInput for a name that an environment has already."""
    if any(environment.name == name for environment in services.environments.list().environments):
        raise InvalidInput(f"There is an environment {name!r} already.", "Choose another name.", field="name")


def create(services: Services, args: argparse.Namespace) -> int:
    refuse_taken(services, args.name)
    fields: dict[str, Any] = {"id": new_environment_id(args.name), "name": args.name}
    environment = allowing(_assigned(None, fields, args.sets), args.allow_mounts)
    return _saved(services, environment, None, args)


def edit(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.name)
    return _saved(services, allowing(_assigned(environment, {}, args.sets), args.allow_mounts), environment, args)


def allowing(environment: Environment, sources: Sequence[str]) -> Environment:
    """The environment with these sources allowed beside those that are. Raises InvalidInput for what is no path."""
    real = [real_path(source, field="allow_mounts") for source in sources]
    allowed = tuple(dict.fromkeys((*environment.allow_mounts, *real)))
    return environment.model_copy(update={"allow_mounts": allowed}) if sources else environment


def _assigned(environment: Environment | None, fields: dict[str, Any], sets: list[str]) -> Environment:
    return apply_assignments(environment, assignments(sets), fields)


def _saved(services: Services, environment: Environment, base: Environment | None, args: argparse.Namespace) -> int:
    for problem in services.environments.check(environment):
        raise problem.error()
    saved = services.environments.save(environment, base)
    if args.json:
        say_json(shown_fields(model_data(saved)))
    else:
        say(f"{saved.name} ({saved.id})")
        for remark in remarks_on(saved.env_vars):
            say(f"!! {remark}")
        if saved.cache_container_build and saved.single_script and saved.run_preflight_script.strip():
            say("!! Caching is on, but the cached preflight is empty: move the slow installs there.")
    return 0


def say_profile_offer(environment: Environment) -> None:
    """One line on the error stream where nobody has chosen the profile yet."""
    if environment.profile_from_before:
        say(f"!! {environment.name}: {OFFER} {PROFILE_HINT}", to=sys.stderr)


def list_(services: Services, args: argparse.Namespace) -> int:
    listing = services.environments.list()
    for note in listing.notes:
        say(f"!! {note}", to=sys.stderr)
    if args.json:
        say_json([shown_fields(model_data(environment)) for environment in listing.environments])
        return 0
    rows = [
        (one.name, one.id, one.agent, one.base_image, "on" if one.cache_container_build else "off")
        for one in listing.environments
    ]
    say(table(("name", "id", "agent", "base image", "cache"), rows) if rows else "No environments yet.")
    return 0


def show(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.name)
    fields = shown_fields(model_data(environment))
    if args.json:
        say_json(fields)
        return 0
    for name, value in fields.items():
        text = value if isinstance(value, str) else repr(value)
        if "\n" in text:
            say(f"{name}:")
            for line in text.splitlines():
                say(f"    {line}")
        else:
            say(f"{name}: {text}")
    say_profile_offer(environment)
    return 0


def export(services: Services, args: argparse.Namespace) -> int:
    say(services.environments.export(args.name).rstrip("\n"))
    return 0


def delete(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.name)
    services.environments.delete(environment.id)
    if args.json:
        say_json({"deleted": environment.id})
    else:
        say(f"{environment.name} is in the trash.")
    return 0
