"""`field=value` as people type it, onto an environment's fields."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from agents_runner.core.environment import Environment, Resources
from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.migrate import model_data
from agents_runner.core.variables import parse_variables

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_NONE = {"", "none"}
_LISTS = ("mounts", "ports", "agent_args", "cache_inputs", "secrets")
_NUMBERS = ("build_timeout_s", "run_preflight_timeout_s", "task_timeout_s", "refresh_after_days")
_NONE_ALLOWED = ("run_preflight_timeout_s", "task_timeout_s", "refresh_after_days")
_ADDRESS = re.compile(r"\[[0-9A-Fa-f:.]+\]:")
"""`[::1]:3000` begins a port, not a JSON list."""
_FIXED = ("id", "version")
_FIELDS = tuple(name for name in Environment.model_fields if name not in _FIXED)


def assigned_fields(environment: Environment | None, assignments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The fields that the assignments change, with their new values, made in order on what the environment has.

    Raises UsageError for a field that is not there, InvalidInput at its field for a value that cannot be read.
    """
    old = model_data(environment) if environment else {}
    values: dict[str, Any] = {}
    for name, text in assignments:
        head, dot, key = name.partition(".")
        if dot and head in ("env_vars", "resources"):
            _entry(values.setdefault(head, dict(old.get(head) or {})), head, key, text)
        elif name in _FIELDS:
            values[name] = _value(name, text)
        else:
            near = difflib.get_close_matches(name, _FIELDS, 3)
            raise UsageError(
                f"An environment has no field {name!r}.",
                f"Did you mean {' or '.join(near)}?" if near else f"Its fields are {', '.join(_FIELDS)}.",
            )
    return values


def apply_assignments(
    environment: Environment | None, assignments: Sequence[tuple[str, str]], fields: dict[str, Any]
) -> Environment:
    """The environment (or a new one of `fields`) with the assignments made. Raises as `assigned_fields`."""
    values = model_data(environment) if environment else {}
    values.update(fields)
    values.update(assigned_fields(environment, assignments))
    return checked_environment(values)


def checked_environment(values: Mapping[str, Any]) -> Environment:
    """Values as an environment. Raises InvalidInput at the first field that cannot be used."""
    try:
        return Environment.model_validate(values)
    except ValidationError as error:
        raise invalid_field(error) from error


def invalid_field(error: ValidationError) -> InvalidInput:
    """pydantic's first complaint as one sentence at its field."""
    detail = error.errors()[0]
    name = ".".join(str(part) for part in detail["loc"]) or "environment"
    reason = str(detail["msg"]).removeprefix("Value error, ")
    if not reason.startswith(("is ", "must ")):
        reason = f"cannot be used: {reason[:1].lower()}{reason[1:]}"
    return InvalidInput(
        f"{name} {reason}.", "Correct it and try again.", field=str(detail["loc"][0]) if detail["loc"] else ""
    )


def _entry(values: dict[str, Any], field: str, key: str, text: str) -> None:
    """`env_vars.KEY=value`, `resources.KEY=value`; values are changed in place."""
    if field == "env_vars":
        if not key:
            raise UsageError("env_vars. needs a variable's name behind it.", "Write env_vars.NAME=value.")
        values[key] = text
        return
    if key not in Resources.model_fields:
        near = difflib.get_close_matches(key, Resources.model_fields, 1) or list(Resources.model_fields)
        raise UsageError(f"There is no resource {key!r}.", f"There is {', '.join(near)}.")
    if text.strip().lower() in _NONE:
        values[key] = None
        return
    try:
        values[key] = float(text) if key == "cpus" else int(text)
    except ValueError as error:
        raise InvalidInput(f"{key} cannot be {shown(text)}.", "Write a number or none.", field="resources") from error


def _value(name: str, text: str) -> Any:
    if Environment.model_fields[name].annotation is bool:
        return boolean(name, text)
    if name in _LISTS:
        return _list(name, text)
    if name in _NUMBERS:
        return _number(name, text)
    read = _READERS.get(name)
    return read(name, text) if read else text


def _choice(name: str, text: str) -> str:
    choices = get_args(Environment.model_fields[name].annotation)
    if text not in choices:
        raise InvalidInput(f"{name} cannot be {shown(text)}.", f"Choose {', '.join(choices)}.", field=name)
    return text


def _mapping(name: str, text: str) -> dict[str, Any]:
    """A JSON object; variables also as NAME=value lines, as a file of them holds."""
    if name == "env_vars" and not text.lstrip().startswith(("{", "[")):
        return {**parse_variables(text)}
    found = _json(name, text)
    if not isinstance(found, dict):
        raise InvalidInput(f"{name} must be a JSON object.", f"Or write {name}.KEY=value.", field=name)
    return found


def boolean(name: str, text: str) -> bool:
    """true, yes, on, 1 and their opposites. Raises InvalidInput at the field."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidInput(f"{name} cannot be {shown(text)}.", "Write true or false.", field=name)


def _number(name: str, text: str) -> int | None:
    if name in _NONE_ALLOWED and text.strip().lower() in _NONE:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise InvalidInput(f"{name} cannot be {shown(text)}.", "Write a whole number.", field=name) from error


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        way = f"Or write {name}.KEY=value." if name not in _LISTS else 'For example ["a", "b"].'
        raise InvalidInput(f"{name} is no JSON: {error}.", way, field=name) from error


def _list(name: str, text: str) -> tuple[str, ...]:
    stripped = text.strip()
    if stripped.startswith("[") and not _ADDRESS.match(stripped):
        found = _json(name, stripped)
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return tuple(found)
        raise InvalidInput(f"{name} must be a list of texts.", 'For example ["a", "b"].', field=name)
    if name == "agent_args":
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise InvalidInput(f"{name} has an open quote.", "Close it.", field=name) from error
    return tuple(part.strip() for part in stripped.replace("\n", ",").split(",") if part.strip())


def _workspace(name: str, text: str) -> dict[str, str]:
    stripped = text.strip()
    if stripped in ("", "none"):
        return {"type": "none"}
    if stripped.startswith("git+"):
        url, _, branch = stripped.removeprefix("git+").partition("#")
        return {"type": "git", "url": url, "branch": branch}
    if stripped.startswith(("/", "~")):
        return {"type": "folder", "path": stripped}
    raise InvalidInput(f"{shown(text)} is no workspace.", "Write none, /a/folder or git+URL#branch.", field=name)


def shown(text: str) -> str:
    """A typed text in quotes, cut where it is long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


_READERS: dict[str, Callable[[str, str], Any]] = {
    "workspace": _workspace,
    "env_vars": _mapping,
    "resources": _mapping,
    "secret_uses": _mapping,
    "pull": _choice,
}
