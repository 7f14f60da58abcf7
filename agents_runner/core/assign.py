"""`field=value` as people type it, onto an environment's fields."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import ValidationError

from agents_runner.core.environment import Environment, Resources
from agents_runner.core.errors import InvalidInput, UsageError

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_LISTS = ("mounts", "ports", "agent_args", "cache_inputs", "secrets")
_NUMBERS = ("build_timeout_s", "refresh_after_days")
_FIXED = ("id", "version")
_FIELDS = tuple(name for name in Environment.model_fields if name not in _FIXED)


def apply_assignments(
    environment: Environment | None, assignments: Sequence[tuple[str, str]], fields: dict[str, Any]
) -> Environment:
    """The environment with the assignments made, in order. Raises UsageError, InvalidInput at its field."""
    values: dict[str, Any] = environment.model_dump() if environment else {}
    values.update(fields)
    for name, text in assignments:
        _assign(values, name, text)
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


def _assign(values: dict[str, Any], name: str, text: str) -> None:
    head, _, key = name.partition(".")
    if head == "env_vars" and key:
        values["env_vars"] = {**values.get("env_vars", {}), key: text}
    elif head == "resources" and key:
        _resource(values, key, text)
    elif name in _FIELDS:
        values[name] = _value(name, text)
    else:
        near = difflib.get_close_matches(name, _FIELDS, 3)
        raise UsageError(
            f"An environment has no field {name!r}.",
            f"Did you mean {' or '.join(near)}?" if near else f"Its fields are {', '.join(_FIELDS)}.",
        )


def _resource(values: dict[str, Any], key: str, text: str) -> None:
    if key not in Resources.model_fields:
        raise UsageError(f"There is no resource {key!r}.", f"There are {', '.join(Resources.model_fields)}.")
    old = values.get("resources") or {}
    resources = old.model_dump() if isinstance(old, Resources) else dict(old)
    if text.strip().lower() in ("", "none"):
        resources[key] = None
    else:
        try:
            resources[key] = float(text) if key == "cpus" else int(text)
        except ValueError as error:
            raise InvalidInput(f"{text!r} is no number.", "Write a number or none.", field="resources") from error
    values["resources"] = resources


def _value(name: str, text: str) -> Any:
    if Environment.model_fields[name].annotation is bool:
        return _boolean(name, text)
    if name in _LISTS:
        return _list(name, text)
    if name == "workspace":
        return _workspace(text)
    if name in _NUMBERS:
        return _number(name, text)
    if name in ("env_vars", "resources"):
        return _json(name, text)
    if name == "pull":
        choices = get_args(Environment.model_fields[name].annotation)
        if text not in choices:
            raise InvalidInput(f"pull cannot be {text!r}.", f"Choose {', '.join(choices)}.", field=name)
    return text


def _boolean(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidInput(f"{name} cannot be {text!r}.", "Write true or false.", field=name)


def _number(name: str, text: str) -> int | None:
    if name == "refresh_after_days" and text.strip().lower() in ("", "none"):
        return None
    try:
        return int(text)
    except ValueError as error:
        raise InvalidInput(f"{name} cannot be {text!r}.", "Write a whole number.", field=name) from error


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is no JSON: {error}.", f"Or write {name}.KEY=value.", field=name) from error


def _list(name: str, text: str) -> tuple[str, ...]:
    stripped = text.strip()
    if stripped.startswith("["):
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


def _workspace(text: str) -> dict[str, str]:
    stripped = text.strip()
    if stripped in ("", "none"):
        return {"type": "none"}
    if stripped.startswith("git+"):
        url, _, branch = stripped.removeprefix("git+").partition("#")
        return {"type": "git", "url": url, "branch": branch}
    if stripped.startswith(("/", "~")):
        return {"type": "folder", "path": stripped}
    raise InvalidInput(f"{text!r} is no workspace.", "Write none, /a/folder or git+URL#branch.", field="workspace")
