"""Every word of the command line leads to a function, and a start imports no other command's modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agents_runner.cli.main import COMMANDS, command_of


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_there(words: tuple[str, str]) -> None:
    assert callable(command_of(*words))


def test_a_start_loads_neither_the_importers_nor_the_analyzer_nor_qt_nor_docker() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, agents_runner.app, agents_runner.cli.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    late = ("agents_runner.importers", "agents_runner.preflight.parse", "tree_sitter", "PySide6", "docker")
    assert [one for one in loaded if one.startswith(late)] == []
