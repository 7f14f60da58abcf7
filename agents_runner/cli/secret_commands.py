"""`env secret set | list | delete`: values come in by standard input or a prompt, and are never printed."""

from __future__ import annotations

import argparse
import getpass
import sys

from agents_runner.cli.printing import say, say_json, table
from agents_runner.cli.reading import read_input
from agents_runner.core.errors import InvalidInput
from agents_runner.core.secrets import DEFAULT_STAGES, MAX_VALUE_BYTES, STAGES, SecretUse
from agents_runner.runner.services import Services

KEEP = {"keyring": "in the keyring", "file": "in a private file (mode 0600), as plain text"}


def secret(services: Services, args: argparse.Namespace) -> int:
    actions = {"set": _set, "list": _list, "delete": _delete}
    return actions[args.secret_action](services, args)


def _set(services: Services, args: argparse.Namespace) -> int:
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
    if args.json:
        said = {"environment": environment.id, "name": args.secret, "stages": list(stages), "storage": storage}
        say_json(said | ({"note": note} if note else {}))
    else:
        say(f"{args.secret} is kept {KEEP[storage]}; {', '.join(stages) or 'no stage'} may see it.")
        if note:
            say(f"!! {note}")
    return 0


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


def _list(services: Services, args: argparse.Namespace) -> int:
    found = services.secrets.list(args.name)
    if args.json:
        say_json(
            [
                {
                    "name": one.name,
                    "stages": list(one.stages),
                    "as_variable": one.as_variable,
                    "value": "set" if one.has_value else "missing",
                }
                for one in found
            ]
        )
        return 0
    rows = [
        (one.name, ", ".join(one.stages), "yes" if one.as_variable else "no", "set" if one.has_value else "missing")
        for one in found
    ]
    say(table(("name", "stages", "variable", "value"), rows) if rows else "No secrets yet.")
    return 0


def _delete(services: Services, args: argparse.Namespace) -> int:
    services.secrets.delete(args.name, args.secret)
    if args.json:
        say_json({"deleted": args.secret})
    else:
        say(f"{args.secret} and its value are gone.")
    return 0


def add_parsers(parser: argparse.ArgumentParser) -> None:
    """The words behind `env secret`."""
    actions = parser.add_subparsers(dest="secret_action", required=True, parser_class=type(parser), metavar="ACTION")
    put = actions.add_parser("set", help="keep a value, read from standard input or asked for")
    put.add_argument("name", metavar="ENV")
    put.add_argument("secret", metavar="NAME")
    text = f"which stages may see it; may be repeated (default: {' and '.join(DEFAULT_STAGES)})"
    put.add_argument("--stage", action="append", default=[], dest="stages", choices=STAGES, help=text)
    put.add_argument(
        "--as-variable",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="those stages also get it as a variable of that name",
    )
    put.add_argument(
        "--storage",
        choices=tuple(KEEP),
        default="",
        help="from now on keep values in the keyring (default), or as plain text in a private file",
    )
    show = actions.add_parser("list", help="names, stages, and whether there is a value")
    show.add_argument("name", metavar="ENV")
    delete = actions.add_parser("delete", help="remove a secret and its value")
    delete.add_argument("name", metavar="ENV")
    delete.add_argument("secret", metavar="NAME")
    for one in (put, show, delete):
        one.add_argument("--json", action="store_true", help="print JSON")
