"""The command line's way in: words to a use case, errors to one sentence and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import sys
from collections.abc import Callable, Sequence

from agents_runner.cli.parser import build_parser
from agents_runner.cli.printing import error_json, problem_json, say, say_json
from agents_runner.cli.streams import OutputLost, give_up
from agents_runner.core.errors import AgentsRunnerError, EngineError, InvalidInput, StoreError
from agents_runner.core.results import Problem
from agents_runner.runner.services import Services

Command = Callable[[Services, argparse.Namespace], int]
INTERRUPTED = 130
log = logging.getLogger(__name__)

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
    arguments: Sequence[str],
    make_services: Callable[[], Services],
    open_window: Callable[[str], int],
    log_file: str = "the application's log",
) -> int:
    """Run one command line; returns the exit status (0 done, 1 explained failure, 2 bad usage, or the agent's).

    `log_file` is where an error that nobody foresaw is written down.
    """
    as_json = "--json" in arguments
    try:
        args = build_parser().parse_args(arguments)
        if args.command in (None, "window"):
            return open_window(getattr(args, "environment", ""))
        return _with_services(args, make_services(), as_json=as_json)
    except AgentsRunnerError as error:
        _report(error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        give_up(1)
        return 1
    except Exception:
        # Top of the program: one sentence for the person, all of it in the log.
        log.exception("%s failed", " ".join(arguments[:2]))
        _report(
            AgentsRunnerError("Something unexpected went wrong.", f"The details are in {log_file}."), as_json=as_json
        )
        return 1


def _with_services(args: argparse.Namespace, services: Services, *, as_json: bool) -> int:
    told: set[Problem] = set()
    try:
        # Both before and after: the command may take long, and find out more itself.
        _tell_problems(services, told, as_json=as_json)
        _take_up(services, args)
        return command_of(args.command, getattr(args, "action", ""))(services, args)
    finally:
        try:
            _tell_problems(services, told, as_json=as_json)
        finally:
            services.system.close()


def _tell_problems(services: Services, told: set[Problem], *, as_json: bool) -> None:
    """What was wrong with the application's own files: on standard error, whatever the command is about."""
    for problem in services.diagnostics.problems():
        if problem not in told:
            told.add(problem)
            text = f"!! {problem.message} {problem.hint}".rstrip()
            say(json.dumps(problem_json(problem)) if as_json else text, to=sys.stderr)


def _take_up(services: Services, args: argparse.Namespace) -> None:
    """Tasks that a killed process left are settled before anybody looks at tasks."""
    if args.command == "tasks" and args.action != "work":
        # Without an engine, or with a full disk, there is nothing to take up; the command itself says what it
        # cannot do.
        with contextlib.suppress(EngineError, StoreError):
            services.runner.recover(here=False)


def _report(error: AgentsRunnerError, *, as_json: bool) -> None:
    if as_json:
        # Where standard output takes nothing, the sentence goes to standard error.
        with contextlib.suppress(OutputLost, BrokenPipeError):
            say_json(error_json(error))
            return
    field = f"{error.field}: " if isinstance(error, InvalidInput) and error.field else ""
    say(f"agents-runner: {field}{error.message} {error.hint}".rstrip(), to=sys.stderr)
