"""Reading what the command line names: files, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from agents_runner.core.errors import InvalidInput
from agents_runner.core.scripts import decode_script


def read_text(path: str, field: str) -> str:
    """A file's text as it was written; `-` is standard input. Raises InvalidInput at `field`."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", "Check its name.", field=field) from error
    return decode_script(data, field)
