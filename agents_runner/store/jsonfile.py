"""JSON files of ours: read without trust, and one sentence where that is not possible."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from agents_runner.core.errors import InvalidInput

MAX_DEPTH = 100
"""Deeper nesting is refused: what is read must be writable again, whoever calls from however deep."""


MAX_BYTES = 64 * 1000 * 1000
"""No file of ours is longer than two scripts of the longest kind."""


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file. Raises InvalidInput for anything else (a pipe would block) and for one that is too
    large to be ours, before it is read; OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidInput("It is no ordinary file.", "Choose a JSON file.")
        # The size first, so that nothing large is read; then what is read, should it have grown.
        data = file.read(MAX_BYTES + 1) if os.fstat(file.fileno()).st_size <= MAX_BYTES else None
        if data is None or len(data) > MAX_BYTES:
            raise InvalidInput(f"It is larger than {MAX_BYTES // 1_000_000} MB.", "Choose another file.")
        return data


def parse_json(data: bytes) -> Any:
    """JSON of any kind. Raises InvalidInput with the line."""
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"It is not UTF-8 text (line {line}).", "Choose a JSON file.") from error
    except json.JSONDecodeError as error:
        raise InvalidInput(f"It is not JSON (line {error.lineno}: {error.msg}).", "Choose a JSON file.") from error
    except ValueError as error:  # a number of thousands of digits
        raise InvalidInput(f"It holds a value that cannot be used: {error}.", "Correct it.") from error
    except RecursionError as error:
        raise InvalidInput("It is nested too deeply.", "Choose another file.") from error
    if _deeper(value, MAX_DEPTH):
        raise InvalidInput("It is nested too deeply.", "Choose another file.")
    return value


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [one for one in level if isinstance(one, dict | list)]
        if not inner:
            return False
        level = [part for one in inner for part in (one.values() if isinstance(one, dict) else one)]
    return True
