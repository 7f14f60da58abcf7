"""`field=value` as people type it, onto an environment's fields."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from agents_runner.core.environment import Environment
from agents_runner.core.environment_rows import BY_NAME, FIXED, PARTS, EnvironmentRow, Kind
from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.migrate import model_data
from agents_runner.core.variables import parse_variables

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_NONE = {"", "none"}
_ADDRESS = re.compile(r"\[[0-9A-Fa-f:.]+\]:")
"""`[::1]:3000` begins a port, not a JSON list."""
_FIELDS = tuple(name for name in Environment.model_fields if name not in FIXED)


def assigned_fields(environment: Environment | None, assignments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The fields that the assignments change, with their new values, made in order on what the environment has.

    Raises UsageError for a field that is not there, InvalidInput at its field for a value that cannot be read.
    """
    old = model_data(environment) if environment else {}
    values: dict[str, Any] = {}
    for name, text in assignments:
        head, dot, key = name.partition(".")
        if dot and (head in PARTS or head == "env_vars"):
            values.setdefault(head, dict(old.get(head) or {}))[key] = _part(head, key, text)
        elif name in _FIELDS:
            values[name] = read_field(name, text)
            if name == "profile":
                values["profile_from_before"] = False  # a person chose it
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


def _part(field: str, key: str, text: str) -> Any:
    """The value of `env_vars.KEY=value`, `resources.KEY=value`."""
    if field == "env_vars":
        if not key:
            raise UsageError("env_vars. needs a variable's name behind it.", "Write env_vars.NAME=value.")
        return text
    row = BY_NAME.get(f"{field}.{key}")
    if row is None:
        known = PARTS[field].model_fields
        near = difflib.get_close_matches(key, known, 1) or list(known)
        raise UsageError(f"There is no resource {key!r}.", f"There is {', '.join(near)}.")
    return _number(row, text)


def read_field(name: str, text: str) -> Any:
    """The value that a text means for a field of `Environment`. Raises InvalidInput at the field."""
    row = BY_NAME.get(name)
    if row is None:
        return _object(name, text, f"Or write {name}.KEY=value.")  # made of parts, as a whole
    read = _READERS.get(row.kind)
    return read(row, text) if read else text


def _choice(row: EnvironmentRow, text: str) -> str:
    """One of a field that the model gives a few values to; of others the store and the planner know more."""
    choices = get_args(Environment.model_fields[row.name].annotation)
    if choices and text not in choices:
        raise InvalidInput(f"{row.name} cannot be {shown(text)}.", f"Choose {', '.join(choices)}.", field=row.name)
    return text


def _pairs(row: EnvironmentRow, text: str) -> dict[str, Any]:
    """NAME=value lines, as a file of them holds, or a JSON object."""
    if not text.lstrip().startswith(("{", "[")):
        return {**parse_variables(text)}
    return _object(row.name, text, f"Or write {row.name}.KEY=value.")


def _mapping(row: EnvironmentRow, text: str) -> dict[str, Any]:
    return _object(row.name, text, 'For example {"NAME": {"stages": ["run"]}}.')


def _object(name: str, text: str, hint: str) -> dict[str, Any]:
    found = _json(name, text, hint)
    if not isinstance(found, dict):
        raise InvalidInput(f"{name} must be a JSON object.", hint, field=name)
    return found


def boolean(name: str, text: str) -> bool:
    """true, yes, on, 1 and their opposites. Raises InvalidInput at the field."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidInput(f"{name} cannot be {shown(text)}.", "Write true or false.", field=name)


def _number(row: EnvironmentRow, text: str) -> int | float | None:
    if row.optional and text.strip().lower() in _NONE:
        return None
    whole = "whole " if row.number is int else ""
    hint = f"Write a {whole}number{' or none' if row.optional else ''}."
    try:
        return row.number(text)
    except ValueError as error:
        raise InvalidInput(f"{row.name} cannot be {shown(text)}.", hint, field=row.name) from error


def _json(name: str, text: str, hint: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is no JSON: {error}.", hint, field=name) from error


def _list(row: EnvironmentRow, text: str) -> tuple[str, ...]:
    name, stripped = row.name, text.strip()
    if stripped.startswith("[") and not _ADDRESS.match(stripped):
        found = _json(name, stripped, 'For example ["a", "b"].')
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return tuple(found)
        raise InvalidInput(f"{name} must be a list of texts.", 'For example ["a", "b"].', field=name)
    if row.kind is Kind.WORDS:
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise InvalidInput(f"{name} has an open quote.", "Close it.", field=name) from error
    return tuple(part.strip() for part in stripped.replace("\n", ",").split(",") if part.strip())


def _workspace(row: EnvironmentRow, text: str) -> dict[str, str]:
    stripped = text.strip()
    if stripped in ("", "none"):
        return {"type": "none"}
    if stripped.startswith("git+"):
        url, _, branch = stripped.removeprefix("git+").partition("#")
        return {"type": "git", "url": url, "branch": branch}
    if stripped.startswith(("/", "~")):
        return {"type": "folder", "path": stripped}
    raise InvalidInput(f"{shown(text)} is no workspace.", "Write none, /a/folder or git+URL#branch.", field=row.name)


def shown(text: str) -> str:
    """A typed text in quotes, cut where it is long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _switch(row: EnvironmentRow, text: str) -> bool:
    return boolean(row.name, text)


_READERS: dict[Kind, Callable[[EnvironmentRow, str], Any]] = {
    Kind.SWITCH: _switch,
    Kind.CHOICE: _choice,
    Kind.NUMBER: _number,
    Kind.LIST: _list,
    Kind.WORDS: _list,
    Kind.SECRETS: _list,
    Kind.PAIRS: _pairs,
    Kind.MAPPING: _mapping,
    Kind.WORKSPACE: _workspace,
}
