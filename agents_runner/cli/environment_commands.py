"""`env create | list | show | edit | import | export | delete`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from agents_runner.cli.printing import say, say_json, table
from agents_runner.core.assign import apply_assignments
from agents_runner.core.environment import Environment, new_environment_id
from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.migrate import model_data
from agents_runner.core.scripts import decode_script
from agents_runner.runner.services import Services


def _assignments(sets: list[str]) -> list[tuple[str, str]]:
    """`field=value` pairs; `field=@file` is the file's text, `@-` standard input."""
    pairs = []
    for text in sets:
        field, equals, value = text.partition("=")
        if not equals or not field:
            raise UsageError(f"{text!r} is no assignment.", "Write --set field=value or --set field=@file.")
        if value.startswith("@"):
            value = decode_script(_read(value[1:], field), field)
        pairs.append((field.strip(), value))
    return pairs


def _read(path: str, field: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", "Check its name.", field=field) from error


def create(services: Services, args: argparse.Namespace) -> int:
    listing = services.environments.list()
    if any(environment.name == args.name for environment in listing.environments):
        raise InvalidInput(f"There is an environment {args.name!r} already.", "Choose another name.", field="name")
    fields: dict[str, Any] = {"id": new_environment_id(args.name), "name": args.name}
    environment = _assigned(None, fields, args.sets)
    return _saved(services, environment, args)


def edit(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.name)
    return _saved(services, _assigned(environment, {}, args.sets), args)


def _assigned(environment: Environment | None, fields: dict[str, Any], sets: list[str]) -> Environment:
    return apply_assignments(environment, _assignments(sets), fields)


def _saved(services: Services, environment: Environment, args: argparse.Namespace) -> int:
    for field, message, hint in services.check_environment(environment):
        raise InvalidInput(message, hint, field=field)
    saved = services.environments.save(environment)
    if args.json:
        say_json(model_data(saved))
    else:
        say(f"{saved.name} ({saved.id})")
        if saved.cache_container_build and saved.single_script and saved.run_preflight_script.strip():
            say("!! Caching is on, but the cached preflight is empty: move the slow installs there.")
    return 0


def list_(services: Services, args: argparse.Namespace) -> int:
    listing = services.environments.list()
    for problem in listing.problems:
        say(f"!! {problem.message} {problem.hint}".rstrip(), to=sys.stderr)
    for note in listing.notes:
        say(f"!! {note}", to=sys.stderr)
    if args.json:
        say_json([model_data(environment) for environment in listing.environments])
        return 0
    rows = [
        (one.name, one.id, one.agent, one.base_image, "on" if one.cache_container_build else "off")
        for one in listing.environments
    ]
    say(table(("name", "id", "agent", "base image", "cache"), rows) if rows else "No environments yet.")
    return 0


def show(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.name)
    fields = model_data(environment)
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
    return 0


def export(services: Services, args: argparse.Namespace) -> int:
    say(services.export_environment(args.name).rstrip("\n"))
    return 0


def delete(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.name)
    services.environments.delete(environment.id)
    if args.json:
        say_json({"deleted": environment.id})
    else:
        say(f"{environment.name} is in the trash.")
    return 0
