"""What the command line prints, on a terminal and into a file."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from agents_runner.cli.printing import ContainerLines, EventLines, echo, table
from agents_runner.core.events import LogLine, Notice, Progress

HOSTILE = "\x1b]0;title\x07\x1b]52;c;cm0=\x07\x1b[2J\x9b5n\r\u202e"
SHOWN = "^[]0;title^G^[]52;c;cm0=^G^[[2J<U+009B>5n^M<U+202E>"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_m6_a_containers_line_has_its_colours_on_a_terminal_and_nothing_else() -> None:
    terminal = Terminal()
    with redirect_stdout(terminal):
        lines = EventLines()
        lines.echo(LogLine(stream="stdout", line=f"\x1b[31mred{HOSTILE}"))
        lines.echo(Notice(message="Ours.", hint=""))
        lines.echo(LogLine(stream="stdout", line="still\x1b[0m"))
        ContainerLines().echo("stderr", HOSTILE)
    assert terminal.getvalue().split("\n") == [
        f"\x1b[31mred{SHOWN}\x1b[0m",
        "!! Ours.",
        "\x1b[31mstill\x1b[0m\x1b[0m",
        SHOWN,
        "",
    ]


def test_m6_what_is_said_about_a_container_has_not_even_colours() -> None:
    terminal = Terminal()
    with redirect_stdout(terminal):
        lines = EventLines()
        lines.echo(Notice(message=f"\x1b[8m{HOSTILE}", hint=HOSTILE))
        lines.echo(Progress(phase="base", text=f"\x1b[31m{HOSTILE}"))
        echo(f"name: \x1b[31m{HOSTILE}")
    assert terminal.getvalue().split("\n") == [
        f"!! ^[[8m{SHOWN} {SHOWN}",
        f"-- ^[[31m{SHOWN}",
        f"name: ^[[31m{SHOWN}",
        "",
    ]


def test_m6_standard_error_is_a_terminal_of_its_own() -> None:
    file = io.StringIO()
    with redirect_stdout(file):
        errors = Terminal()
        echo(HOSTILE, to=errors)
        echo(HOSTILE)
    assert errors.getvalue() == SHOWN + "\n"
    assert file.getvalue() == HOSTILE + "\n"


def test_m6_a_file_gets_the_bytes() -> None:
    file = io.StringIO()
    with redirect_stdout(file):
        lines = EventLines()
        lines.echo(LogLine(stream="stdout", line=f"\x1b[31m{HOSTILE}"))
        ContainerLines().echo("stdout", HOSTILE)
    assert file.getvalue() == f"\x1b[31m{HOSTILE}\n{HOSTILE}\n"


def test_m6_a_cell_is_one_line() -> None:
    text = table(("id", "prompt"), [("1", "first\nabc  forged   row\r\x1b[A"), ("2", "tab\t")])
    assert text.split("\n")[2:] == ["1   first^Jabc  forged   row^M^[[A", "2   tab^I"]
