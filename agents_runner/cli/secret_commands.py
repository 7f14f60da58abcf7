"""`env secret set | list | delete`: values come in by standard input or a prompt, and are never printed."""

from __future__ import annotations

import argparse
import getpass
import sys

from agents_runner.cli.printing import table
from agents_runner.cli.reading import read_input
from agents_runner.cli.reply import Reply
from agents_runner.core.errors import InvalidInput
from agents_runner.core.secret_stages import STAGES
from agents_runner.core.secrets import MAX_VALUE_BYTES, SecretUse
from agents_runner.runner.services import Services

KEEP = {"keyring": "in the keyring", "file": "in a private file (mode 0600), as plain text"}


def put(services: Services, args: argparse.Namespace) -> Reply:
    """Keep a value, which comes by standard input or is asked for on a terminal."""
    environment = services.environments.get(args.name)
    settings = services.settings.load()
    storage = args.storage or settings.secret_storage
    value = _value(args.secret)
    if storage != settings.secret_storage:
        services.settings.save(settings.model_copy(update={"secret_storage": storage}), settings)
    note = services.secrets.set(environment.id, args.secret, value, _use(args, environment.secret_uses))
    stages = next(
        one.stages for one in services.environments.get(environment.id).secret_grants if one.name == args.secret
    )
    reply = {"environment": environment.id, "name": args.secret, "stages": list(stages), "storage": storage}
    text = f"{args.secret} is kept {KEEP[storage]}; {', '.join(stages) or 'no stage'} may see it."
    if note:
        reply["note"] = note
        text += f"\n!! {note}"
    return Reply(json=reply, text=text)


def _use(args: argparse.Namespace, uses: dict[str, SecretUse]) -> SecretUse | None:
    """What the options say; what they leave out stays as it is."""
    if not args.stages and args.as_variable is None:
        return None
    old = uses.get(args.secret, SecretUse())
    given = tuple(stage for stage in STAGES if stage in args.stages) if args.stages else old.stages
    as_variable = old.as_variable if args.as_variable is None else args.as_variable
    return old.model_copy(update={"stages": given, "as_variable": as_variable})


def _value(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name}: ")
    try:
        text = read_input("secrets", MAX_VALUE_BYTES + 2).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(
            f"The value of {name} is not valid UTF-8.", "Encode it, with base64 for example.", field="secrets"
        ) from None
    # What `echo` adds to one line is not meant; a key of several lines needs its last line end.
    line = text.removesuffix("\n").removesuffix("\r")
    return text if "\n" in line else line


def list_(services: Services, args: argparse.Namespace) -> Reply:
    """List an environment's secrets, who may see them, and whether each has a value."""
    found = services.secrets.list(args.name)
    value = [
        {
            "name": one.name,
            "stages": list(one.stages),
            "as_variable": one.as_variable,
            "value": "set" if one.has_value else "missing",
        }
        for one in found
    ]
    rows = [
        (one.name, ", ".join(one.stages), "yes" if one.as_variable else "no", "set" if one.has_value else "missing")
        for one in found
    ]
    return Reply(json=value, text=table(("name", "stages", "variable", "value"), rows) if rows else "No secrets yet.")


def delete(services: Services, args: argparse.Namespace) -> Reply:
    """Remove a secret and its value. Raises NotFound."""
    services.secrets.delete(args.name, args.secret)
    return Reply(json={"deleted": args.secret}, text=f"{args.secret} and its value are gone.")
