"""The command line's way in: words to a use case, errors to one sentence and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence

from agents_runner.cli.parser import build_parser
from agents_runner.cli.printing import error_json, say, say_json
from agents_runner.core.errors import AgentsRunnerError, EngineError, InvalidInput
from agents_runner.runner.services import Services

Command = Callable[[Services, argparse.Namespace], int]
INTERRUPTED = 130

COMMANDS: dict[tuple[str, str], str] = {
    ("demo", ""): "demo_commands.demo",
    ("doctor", ""): "image_commands.doctor",
    ("env", "create"): "environment_commands.create",
    ("env", "list"): "environment_commands.list_",
    ("env", "show"): "environment_commands.show",
    ("env", "edit"): "environment_commands.edit",
    ("env", "import"): "import_commands.import_",
    ("env", "export"): "environment_commands.export",
    ("env", "delete"): "environment_commands.delete",
    ("env", "secret"): "secret_commands.secret",
    ("plan", ""): "image_commands.plan",
    ("build", ""): "image_commands.build",
    ("run", ""): "task_commands.run",
    ("tasks", "list"): "task_commands.list_",
    ("tasks", "show"): "task_commands.show",
    ("tasks", "logs"): "task_commands.logs",
    ("tasks", "stop"): "task_commands.stop",
    ("tasks", "desktop"): "task_commands.desktop",
    ("tasks", "screenshot"): "task_commands.screenshot",
    ("tasks", "work"): "task_commands.work",
    ("preflight", "split"): "preflight_commands.split",
    ("preflight", "check"): "preflight_commands.check",
    ("preflight", "test"): "preflight_commands.test",
    ("bench", "startup"): "bench_commands.startup",
    ("images", ""): "image_commands.images",
    ("clean", ""): "image_commands.clean",
    ("settings", ""): "settings_commands.settings",
}
"""Words to `module.function` in this folder; a start imports only the one that it needs."""


def command_of(command: str, action: str) -> Command:
    """The function behind two words of the command line."""
    module, name = COMMANDS[command, action].split(".")
    found: Command = getattr(importlib.import_module(f"agents_runner.cli.{module}"), name)
    return found


def run_command(
    arguments: Sequence[str], make_services: Callable[[], Services], open_window: Callable[[str], int]
) -> int:
    """Run one command line; returns the exit status (0 done, 1 explained failure, 2 bad usage, or the agent's)."""
    as_json = "--json" in arguments
    try:
        args = build_parser().parse_args(arguments)
        if args.command in (None, "window"):
            return open_window(getattr(args, "environment", ""))
        services = make_services()
        try:
            _take_up(services, args)
            return command_of(args.command, getattr(args, "action", ""))(services, args)
        finally:
            services.close()
    except AgentsRunnerError as error:
        _report(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        sys.stderr.close()
        return 1


def _take_up(services: Services, args: argparse.Namespace) -> None:
    """Tasks that a killed process left are settled before anybody looks at tasks."""
    if args.command == "tasks" and args.action != "work":
        # Without an engine there is nothing to take up; the command itself says what it cannot do.
        with contextlib.suppress(EngineError):
            services.recover(False)


def _report(error: AgentsRunnerError, *, as_json: bool) -> None:
    if as_json:
        say_json(error_json(error))
        return
    field = f"{error.field}: " if isinstance(error, InvalidInput) and error.field else ""
    say(f"agents-runner: {field}{error.message} {error.hint}".rstrip(), to=sys.stderr)
