"""Reading what the command line names: files, or standard input; never more than what can be meant."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.scripts import decode_script

MAX_BYTES = 16 * 1024 * 1024
"""How long a script or a prompt may be: neither is read further than this."""


def read_bytes(path: str, field: str, limit: int = MAX_BYTES) -> bytes:
    """A file's bytes, at most `limit`; `-` is standard input. Raises InvalidInput at `field`.

    Nothing is waited for but standard input: a pipe or a device under any name is refused.
    """
    if path == "-":
        return read_input(field, limit)
    try:
        handle = os.open(Path(path).expanduser(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InvalidInput(
                    f"{path} is no ordinary file.", "Name a file, or write - to read standard input.", field=field
                )
            data = file.read(limit + 1)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"{path} cannot be read: {reason}.", "Check its name.", field=field) from error
    return _within(data, path, field, limit)


def read_input(field: str, limit: int = MAX_BYTES) -> bytes:
    """What comes by standard input, at most `limit` bytes. Raises InvalidInput at `field`."""
    try:
        data = sys.stdin.buffer.read(limit + 1)
    except OSError as error:
        raise InvalidInput(
            f"Standard input cannot be read: {error.strerror}.", "Give it a file or a pipe.", field=field
        ) from error
    return _within(data, "Standard input", field, limit)


def read_text(path: str, field: str) -> str:
    """A script's text as it was written; `-` is standard input. Raises InvalidInput at `field`."""
    return decode_script(read_bytes(path, field), field)


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


def _within(data: bytes, name: str, field: str, limit: int) -> bytes:
    if len(data) > limit:
        size = f"{limit // (1024 * 1024)} MiB" if limit >= 1024 * 1024 else f"{limit // 1024} KiB"
        raise InvalidInput(
            f"{name} holds more than {size}.", "Give it less; put large data into a file.", field=field
        )
    return data
