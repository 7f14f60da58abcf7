"""The command line's way in: words to a use case, errors to one sentence and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agents_runner.cli.parser import build_parser
from agents_runner.cli.printing import echo, echo_json, error_json, problem_json
from agents_runner.cli.reply import Command, Reply
from agents_runner.cli.streams import OutputLost, give_up
from agents_runner.core.errors import AgentsRunnerError, EngineError, InvalidInput, StoreError

if TYPE_CHECKING:
    from agents_runner.core.results import Problem
    from agents_runner.runner.services import Services

INTERRUPTED = 130
log = logging.getLogger(__name__)


def command_of(handler: str) -> Command:
    """The function that the parser names as `module.function`; its module in this folder is imported only now."""
    module, name = handler.split(".")
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
        _adopt_orphans(services, args)
        said = command_of(args.handler)(services, args)
        return said.show(as_json=args.json) if isinstance(said, Reply) else said
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
            text = f"!! {problem.text}"
            echo(json.dumps(problem_json(problem)) if as_json else text, to=sys.stderr)


def _adopt_orphans(services: Services, args: argparse.Namespace) -> None:
    """Tasks that a killed process left are settled before anybody looks at tasks."""
    if args.command == "tasks" and args.action != "work":
        # Without an engine, or with a full disk, there is nothing to adopt; the command itself says what it
        # cannot do.
        with contextlib.suppress(EngineError, StoreError):
            services.runner.adopt_orphans(here=False)


def _report(error: AgentsRunnerError, *, as_json: bool) -> None:
    if as_json:
        # Where standard output takes nothing, the sentence goes to standard error.
        with contextlib.suppress(OutputLost, BrokenPipeError):
            echo_json(error_json(error))
            return
    field = f"{error.field}: " if isinstance(error, InvalidInput) and error.field else ""
    echo(f"agents-runner: {field}{error.message} {error.hint}".rstrip(), to=sys.stderr)
