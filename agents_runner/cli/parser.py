"""The command line's words; argparse, since a start must not wait for a bigger library's import."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn, get_args

from agents_runner import __version__
from agents_runner.cli.printing import echo
from agents_runner.core.errors import UsageError
from agents_runner.core.secret_stages import DEFAULT_STAGES, STAGES, SecretStorage


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process, so that bad usage is reported like every other error."""

    names_fields = False
    """Whether its help ends with the fields of an environment; the table of them is read only for that."""

    def format_help(self) -> str:
        if not self.names_fields:
            return super().format_help()
        from agents_runner.core.environment_rows import help_lines

        return "\n".join((super().format_help(), "fields:", *help_lines(), ""))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Usage and version like everything else that is printed: argparse would swallow that nobody gets it."""
        if message:
            echo(message.rstrip("\n"), to=file)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", f"See `{self.prog} --help`.")


def build_parser() -> Parser:
    """Every word of the command line; each command carries the name of its function as `handler`."""
    parser = Parser(prog="agents-runner", description="Run coding agents in containers that start at once.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", title="commands", parser_class=Parser)
    _window(commands)
    _demo(commands)
    _command(
        commands.add_parser(
            "doctor", help="check the engine, the folders and files of the application, git, the agents' logins"
        ),
        "image_commands.doctor",
    )
    _env(commands)
    plan = _command(
        commands.add_parser("plan", help="layers, keys, tags, hit or miss; touches nothing"), "image_commands.plan"
    )
    plan.add_argument("environment")
    build = _command(commands.add_parser("build", help="make an environment's layers now"), "image_commands.build")
    build.add_argument("environment")
    how = build.add_mutually_exclusive_group()
    how.add_argument("--force", action="store_true", help="build layers anew that are there")
    how.add_argument(
        "--refresh", action="store_true", help="build anew if the base is newer, or refresh_after_days over"
    )
    _run(commands)
    _tasks(commands)
    _preflight(commands)
    _bench(commands)
    _command(commands.add_parser("images", help="the application's own images"), "image_commands.images")
    clean = _command(
        commands.add_parser("clean", help="remove cached images, and what nothing uses any more"),
        "image_commands.clean",
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would go")
    clean.add_argument("--unused", action="store_true", help="only those that no environment needs as it stands")
    clean.add_argument(
        "--older-than", type=_days, metavar="DAYS", help="only those neither used nor made within so many days"
    )
    clean.add_argument("--others", action="store_true", help="also what other installations on this engine made")
    _settings(commands)
    return parser


def _days(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e6:
        raise ValueError(text)
    return value


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _command(parser: Parser, handler: str) -> Parser:
    """Words that `module.function` in this folder stands behind: a start imports only the module that it needs."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=handler)
    return parser


def _settings(commands: Commands[Parser]) -> None:
    settings = _command(
        commands.add_parser("settings", help="what holds for the whole application"), "settings_commands.settings"
    )
    names = "see docs/settings.md; cache.NAME=value; agents.NAME='COMMAND {prompt_file}', empty removes it"
    settings.add_argument("--set", action="append", default=[], dest="sets", metavar="NAME=VALUE", help=names)


def _window(commands: Commands[Parser]) -> None:
    window = commands.add_parser("window", help="open the window (as without a command)")
    window.add_argument("--environment", default="", help="the environment to select")
    window.set_defaults(json=False)


def _demo(commands: Commands[Parser]) -> None:
    demo = _command(
        commands.add_parser("demo", help="the main job on a local base image, without an account"),
        "demo_commands.demo",
    )
    demo.add_argument("--picture", default="", metavar="FILE", help="also write a picture of the window")


def _env(commands: Commands[Parser]) -> None:
    env = commands.add_parser("env", help="environments")
    actions = env.add_subparsers(dest="action", required=True, parser_class=Parser, metavar="ACTION")
    sets = "field=value or field=@file; workspace=none|/folder|git+URL#branch; env_vars.KEY=value"
    for name, text in (("create", "make an environment"), ("edit", "change an environment")):
        action = _command(actions.add_parser(name, help=text), f"environment_commands.{name}")
        action.add_argument("name")
        action.add_argument("--set", action="append", default=[], dest="sets", metavar="FIELD=VALUE", help=sets)
        _allow_mount(action)
        action.names_fields = True
    _command(actions.add_parser("list", help="all environments"), "environment_commands.list_")
    show = _command(actions.add_parser("show", help="an environment's fields"), "environment_commands.show")
    show.add_argument("name")
    show.names_fields = True
    _import(actions)
    _command(
        actions.add_parser("export", help="print an environment's file"), "environment_commands.export"
    ).add_argument("name")
    _command(
        actions.add_parser("delete", help="move an environment to the trash"), "environment_commands.delete"
    ).add_argument("name")
    _secret(actions)


def _secret(actions: Commands[Parser]) -> None:
    secret = actions.add_parser("secret", help="an environment's secrets")
    words = secret.add_subparsers(dest="secret_action", required=True, parser_class=Parser, metavar="ACTION")
    put = words.add_parser("set", help="keep a value, read from standard input or asked for")
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
        choices=get_args(SecretStorage),
        default="",
        help="from now on keep values in the keyring (default), or as plain text in a private file",
    )
    show = words.add_parser("list", help="names, stages, and whether there is a value")
    show.add_argument("name", metavar="ENV")
    delete = words.add_parser("delete", help="remove a secret and its value")
    delete.add_argument("name", metavar="ENV")
    delete.add_argument("secret", metavar="NAME")
    _command(put, "secret_commands.put")
    _command(show, "secret_commands.list_")
    _command(delete, "secret_commands.delete")


def _bench(commands: Commands[Parser]) -> None:
    bench = commands.add_parser("bench", help="measure on this machine")
    actions = bench.add_subparsers(dest="action", required=True, parser_class=Parser, metavar="ACTION")
    startup = _command(
        actions.add_parser("startup", help="bare, cached and uncached starts, interleaved"), "bench_commands.startup"
    )
    startup.add_argument("environment")
    startup.add_argument("--runs", type=int, default=5, metavar="N", help="how often each is done (5)")


def _import(actions: Commands[Parser]) -> None:
    action = _command(
        actions.add_parser("import", help="make environments of what is there already"), "import_commands.import_"
    )
    action.add_argument(
        "file",
        metavar="FILE|FOLDER",
        help="a file of `env export`, devcontainer.json, copilot-setup-steps.yml, .cursor/environment.json, "
        "a Dockerfile or a set-up script; in a folder the best of these is taken",
    )
    action.add_argument("--name", default="", help="the new environment's name")
    action.add_argument("--dry-run", action="store_true", help="only say what would come of it")
    _allow_mount(action)


def _allow_mount(action: Parser) -> None:
    action.add_argument(
        "--allow-mount",
        action="append",
        default=[],
        dest="allow_mounts",
        metavar="SOURCE",
        help="mount this folder though it gives the machine away; kept with the environment",
    )


def _run(commands: Commands[Parser]) -> None:
    run = _command(commands.add_parser("run", help="run a task"), "task_commands.run")
    run.add_argument("environment")
    run.add_argument("prompt", help="what the agent is to do; `-` reads standard input")
    run.add_argument("--agent", default="", help="another agent than the environment's")
    run.add_argument("--detach", action="store_true", help="print the task's id and return")


def _preflight(commands: Commands[Parser]) -> None:
    preflight = commands.add_parser("preflight", help="split, check and test set-up scripts")
    actions = preflight.add_subparsers(dest="action", required=True, parser_class=Parser, metavar="ACTION")
    split = _command(
        actions.add_parser("split", help="one script into a cached and a run preflight"), "preflight_commands.split"
    )
    split.add_argument("file", help="the script; `-` reads standard input")
    split.add_argument("--marks", action="store_true", help="propose step marks in the cached preflight")
    split.add_argument("--output", default="", metavar="FOLDER", help="write cached.sh and run.sh into this folder")
    check = _command(
        actions.add_parser("check", help="warnings about a script; they never stop anything"),
        "preflight_commands.check",
    )
    check.add_argument("file", help="the script; `-` reads standard input")
    stages = ("single", "cached", "run")
    check.add_argument("--stage", choices=stages, default="single", help="what the script is for")
    check.add_argument("--before", default="", metavar="FILE", help="the cached preflight, when a run one is checked")
    test = _command(
        actions.add_parser("test", help="run both scripts as a task would, without an agent"),
        "preflight_commands.test",
    )
    test.add_argument("environment", nargs="?", default="")
    test.add_argument("--all", action="store_true", help="test every environment that has scripts")
    test.add_argument("--fresh", action="store_true", help="without cached layers: from the base image")


def _tasks(commands: Commands[Parser]) -> None:
    tasks = commands.add_parser("tasks", help="tasks and their logs")
    actions = tasks.add_subparsers(dest="action", required=True, parser_class=Parser, metavar="ACTION")
    _command(actions.add_parser("list", help="all tasks, newest first"), "task_commands.list_")
    _command(actions.add_parser("show", help="one task"), "task_commands.show").add_argument("id")
    logs = _command(actions.add_parser("logs", help="a task's log"), "task_commands.logs")
    logs.add_argument("id")
    logs.add_argument("--follow", action="store_true", help="go on until the task ends")
    _command(actions.add_parser("stop", help="stop a task"), "task_commands.stop").add_argument("id")
    desktop = _command(
        actions.add_parser("desktop", help="the address of a running task's desktop"), "task_commands.desktop"
    )
    desktop.add_argument("id")
    desktop.add_argument("--view-only", action="store_true", help="an address that cannot type or click")
    screenshot = _command(
        actions.add_parser("screenshot", help="a picture of a task's desktop"), "task_commands.screenshot"
    )
    screenshot.add_argument("id")
    screenshot.add_argument("file", help="the PNG file to write")
    work = actions.add_parser("work")  # what --detach starts; not for people
    work.add_argument("id")
    work.set_defaults(json=True, handler="task_commands.work")
