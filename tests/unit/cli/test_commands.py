"""Every word of the command line leads to a function, and a start imports no other command's modules."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.cli.main import command_of
from agents_runner.cli.parser import build_parser


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The words of every command, and what stands behind them."""
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not below and words != ("window",):
        yield " ".join(words), parser.get_default("handler")
    for action in below:
        for word, inner in action.choices.items():
            yield from commands(inner, (*words, word))


HANDLERS = dict(commands(build_parser()))


def test_there_are_commands() -> None:
    assert {"run", "env create", "env secret set", "tasks work"} <= HANDLERS.keys()


@pytest.mark.parametrize("words", HANDLERS)
def test_every_command_is_there(words: str) -> None:
    assert callable(command_of(HANDLERS[words]))


def test_no_two_commands_share_a_function() -> None:
    assert len(set(HANDLERS.values())) == len(HANDLERS)


def test_a_start_loads_neither_the_importers_nor_the_analyzer_nor_qt_nor_docker() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, agents_runner.app, agents_runner.cli.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    late = ("agents_runner.importers", "agents_runner.preflight.parse", "tree_sitter", "PySide6", "docker")
    assert [one for one in loaded if one.startswith(late)] == []


def test_a_start_loads_no_command() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, agents_runner.app, agents_runner.cli.parser as parser; parser.build_parser(); "
            "print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert [one for one in loaded if one.startswith("agents_runner.cli.") and one.endswith("_commands")] == []


@pytest.mark.parametrize("words", ["--version", "--help", "nonsense"])
def test_help_and_mistakes_need_none_of_the_application_s_parts(words: str, ar_home: Path) -> None:
    """The models of files, and what makes them, are most of what a start loads."""
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from agents_runner.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == (2 if words == "nonsense" else 0)
    loaded = done.stderr.split("\n")[-2].split()
    assert "agents_runner.cli.parser" in loaded
    late = ("agents_runner.app", "agents_runner.runner", "agents_runner.images", "agents_runner.engine", "pydantic")
    assert [one for one in loaded if one.startswith(late)] == []
