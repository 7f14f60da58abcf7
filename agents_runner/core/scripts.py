"""The one rule for script texts: what is stored is what was typed, what runs has plain line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents_runner.core.errors import InvalidInput

BOM = "\ufeff"
_CRLF = re.compile(r"\r+\n")
_SHELLS = {"bash": "bash", "sh": "sh", "dash": "sh", "ash": "sh"}


def normalise(text: str) -> str:
    """The text as it runs: no byte order mark, LF line ends, one at the end; an empty text stays empty."""
    text = text.lstrip(BOM)
    if text and not text.endswith("\n"):
        text += "\n"
    return _CRLF.sub("\n", text)


def check_script(text: str, field: str) -> None:
    """Refuse what no shell can read: a NUL or a character that is no valid Unicode."""
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise InvalidInput(
            f"Line {line} of the script holds a NUL character, which no shell can read.",
            "Remove it, or load the script again as plain text.",
            field=field,
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidInput(
            f"Line {line} of the script holds a character that is not valid Unicode.",
            "Save the script as UTF-8 and load it again.",
            field=field,
        ) from error


def decode_script(data: bytes, field: str) -> str:
    """A script file's bytes as text; errors name the line."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"Line {line} of the script is not UTF-8 text.",
            "Convert the file to UTF-8 first, for example with iconv.",
            field=field,
        ) from error
    check_script(text, field)
    return text


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Who runs a script: `kind` is bash, sh, default (bash where there is one, else sh) or other."""

    kind: str
    words: tuple[str, ...] = ()
    """For bash and sh: its options. For other: the program and its arguments."""


def interpreter_of(text: str) -> Interpreter:
    """Read the first line's `#!`; a script without one is run by the default shell."""
    first = text.removeprefix(BOM).split("\n", 1)[0].rstrip("\r")
    if not first.startswith("#!"):
        return Interpreter(kind="default")
    words = first[2:].split()
    if not words:
        return Interpreter(kind="default")
    program, arguments = words[0], words[1:]
    if program.rsplit("/", 1)[-1] == "env":
        if arguments and arguments[0] == "-S":
            arguments = arguments[1:]
        if not arguments:
            return Interpreter(kind="default")
        program, arguments = arguments[0], arguments[1:]
    else:
        # The kernel hands everything behind the program over as one argument.
        rest = first[2:].strip()[len(program) :].strip()
        arguments = [rest] if rest else []
    shell = _SHELLS.get(program.rsplit("/", 1)[-1])
    if shell:
        return Interpreter(kind=shell, words=tuple(arguments))
    return Interpreter(kind="other", words=(program, *arguments))
