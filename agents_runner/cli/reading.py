"""Reading what the command line names: files, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.scripts import decode_script


def read_text(path: str, field: str) -> str:
    """A file's text as it was written; `-` is standard input. Raises InvalidInput at `field`."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", "Check its name.", field=field) from error
    return decode_script(data, field)


def assignments(sets: list[str]) -> list[tuple[str, str]]:
    """`field=value` pairs; `field=@file` is the file's text, `@-` standard input."""
    pairs = []
    for text in sets:
        field, equals, value = text.partition("=")
        if not equals or not field:
            raise UsageError(f"{text!r} is no assignment.", "Write --set field=value or --set field=@file.")
        if value.startswith("@"):
            value = read_text(value[1:], field)
        pairs.append((field.strip(), value))
    return pairs
