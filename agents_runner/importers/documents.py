"""JSON with comments and YAML, read as plain values: nothing is made of a tag, and size and depth are limited."""

from __future__ import annotations

import re
from typing import Any

from agents_runner.core.errors import InvalidInput

_DEPTH = 60
_MAX_PARTS = 100_000
_NEAR = re.compile(r"near (\d+)")
_HINT = "Correct it there, then import it again."


def parse_jsonc(text: str, name: str) -> dict[str, Any]:
    """A JSON object with comments and trailing commas. Raises InvalidInput with the line."""
    import pyjson5  # here: a start of the program must not wait for it

    try:
        value = pyjson5.decode(text, maxdepth=_DEPTH)
    except (pyjson5.Json5Exception, ValueError, OverflowError, RecursionError) as error:
        message = str(error.args[0]) if error.args else str(error)
        near = _NEAR.search(message)
        if "nesting" in message.lower() or isinstance(error, RecursionError):
            raise InvalidInput(f"{name} is nested too deeply.", _HINT) from error
        place = min(int(near[1]), len(text)) if near else len(text)
        # The position is behind what could not be read; a line end there belongs to the line before.
        line = text.count("\n", 0, max(place - 1, 0)) + 1
        raise InvalidInput(f"{name} is not JSON (line {line}).", _HINT) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} holds no JSON object.", _HINT)
    _weigh(value, name)
    return value


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """A YAML mapping whose scalars are all texts, as written. Raises InvalidInput with the line."""
    import yaml

    try:
        # The base loader knows no types and no tags: a value can only be a text, a list or a mapping.
        value = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: {error.problem}" if mark else str(error.problem)
        raise InvalidInput(f"{name} is not YAML ({place}).", _HINT) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        first = str(error).split("\n", 1)[0]
        raise InvalidInput(f"{name} is not YAML ({first}).", _HINT) from error
    except RecursionError as error:
        raise InvalidInput(f"{name} is nested too deeply.", _HINT) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{name} holds no YAML mapping.", _HINT)
    _weigh(value, name)
    return value


def _weigh(value: Any, name: str) -> None:
    """Refuse what would grow beyond all bounds when it is written out: aliases of aliases, or a loop of them."""
    level, parts = [value], 0
    for _ in range(_DEPTH + 1):
        parts += len(level)
        inner = [one for one in level if isinstance(one, dict | list)]
        if not inner:
            return
        if parts + sum(len(one) for one in inner) > _MAX_PARTS:
            raise InvalidInput(f"{name} holds too many values.", _HINT)
        level = [part for one in inner for part in (one.values() if isinstance(one, dict) else one)]
    raise InvalidInput(f"{name} is nested too deeply.", _HINT)
