"""What an environment's form holds, as typed, and how it becomes an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from agents_runner.core.environment import Environment, FolderWorkspace, GitWorkspace
from agents_runner.core.environment_rows import BY_NAME, ENVIRONMENT_ROWS, EnvironmentRow, Kind, Page
from agents_runner.core.errors import InvalidInput
from agents_runner.core.field_values import invalid_field, shown
from agents_runner.core.secrets import SecretGrant
from agents_runner.core.variables import parse_variables

_APART = (Kind.WORKSPACE, Kind.SECRETS)
"""Kinds that are more than one text: the state has fields of their own for them."""
FORM_ROWS = tuple(row for row in ENVIRONMENT_ROWS if row.page is not Page.NONE and row.kind not in _APART)
"""The fields that the form shows as one text or switch each."""
_NEW = {"cache_container_build": True}
"""Where a new environment differs from what an old file means that says nothing."""
_VARIABLE = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*=", re.MULTILINE | re.ASCII)


def _defaults() -> dict[str, str | bool]:
    return {row.name: _NEW.get(row.name, "" if row.name == "name" else typed(row, row.default)) for row in FORM_ROWS}


@dataclass(frozen=True, kw_only=True)
class FormState:
    """The texts and switches of the form; nothing in it needs to be valid.

    `values` holds those of `FORM_ROWS` by the row's name; `of` and `with_values` take them by name too.
    """

    values: Mapping[str, str | bool] = field(default_factory=_defaults)
    workspace_kind: str = "none"
    workspace_path: str = ""
    workspace_url: str = ""
    workspace_branch: str = ""
    secrets: tuple[SecretGrant, ...] = ()
    profile_from_before: bool = False
    """Nobody has chosen the profile yet: it is the one of before there were any."""
    preflight_script: str = ""
    """The single script of older files: shown, never changed."""

    @classmethod
    def of(cls, **values: str | bool) -> FormState:
        """A new environment's state with these values."""
        return cls().with_values(**values)

    def with_values(self, **values: str | bool) -> FormState:
        """The state with these values, by the rows' names."""
        return replace(self, values={**self.values, **values})

    def text(self, name: str) -> str:
        """What stands in the field of this name."""
        return str(self.values[name])

    def on(self, name: str) -> bool:
        """Whether the switch of this name is on."""
        return self.values[name] is True

    @property
    def name(self) -> str:
        return self.text("name")

    @property
    def cached_preflight_script(self) -> str:
        return self.text("cached_preflight_script")

    @property
    def run_preflight_script(self) -> str:
        return self.text("run_preflight_script")

    @property
    def unsplit(self) -> bool:
        """True while everything there is stands in one script."""
        return not self.cached_preflight_script.strip() and bool(self.run_preflight_script.strip())

    @property
    def variable_names(self) -> tuple[str, ...]:
        """Names of the variables, as far as they can be read: both scripts are given them."""
        return tuple(dict.fromkeys(_VARIABLE.findall(self.text("env_vars"))))


def typed(row: EnvironmentRow, value: Any) -> str | bool:
    """A field's value as the form shows it."""
    match row.kind:
        case Kind.SWITCH:
            return bool(value)
        case Kind.LIST:
            return "\n".join(value)
        case Kind.PAIRS:
            return "\n".join(f"{name}={text}" for name, text in value.items())
        case Kind.NUMBER:
            # A limit of 0 is none.
            return f"{value:g}" if isinstance(value, float) else str(value or "")
        case _:
            return str(value)


def from_environment(environment: Environment) -> FormState:
    """The form's state for an environment as it is saved."""
    workspace = environment.workspace
    folder = workspace if isinstance(workspace, FolderWorkspace) else None
    git = workspace if isinstance(workspace, GitWorkspace) else None
    return FormState(
        values={row.name: typed(row, _field(environment, row.name)) for row in FORM_ROWS},
        workspace_kind=workspace.type,
        workspace_path=folder.path if folder else "",
        workspace_url=git.url if git else "",
        workspace_branch=git.branch if git else "",
        secrets=environment.secret_grants,
        profile_from_before=environment.profile_from_before,
        preflight_script=environment.preflight_script,
    )


def _field(environment: Environment, name: str) -> Any:
    value: Any = environment
    for part in name.split("."):
        value = getattr(value, part)
    return value


def to_environment(state: FormState, environment: Environment | None, *, new_id: str) -> Environment:
    """The environment with the form's values; what the form does not show stays. Raises InvalidInput at its field.

    What was not changed stays as it is, too: a variable of several lines, say, cannot be typed here.
    """
    fields: dict[str, Any] = environment.model_dump() if environment else {"id": new_id}
    before = from_environment(environment) if environment else None
    for row in FORM_ROWS:
        if before is None or state.values[row.name] != before.values[row.name]:
            head, _, key = row.name.partition(".")
            value = _read(row, state.values[row.name])
            if key:
                fields[head] = {**fields.get(head, {}), key: value}
            else:
                fields[head] = value
    if before is None or _target(state) != _target(before):
        fields["workspace"] = _target(state)
    fields["profile_from_before"] = state.profile_from_before
    if before is None or state.secrets != before.secrets:
        uses = fields.get("secret_uses", {})
        fields["secrets"] = tuple(grant.name for grant in state.secrets)
        fields["secret_uses"] = {
            grant.name: {**uses.get(grant.name, {}), "stages": grant.stages, "as_variable": grant.as_variable}
            for grant in state.secrets
        }
    try:
        return Environment.model_validate(fields)
    except ValidationError as error:
        raise _at_its_field(error) from error


def _target(state: FormState) -> dict[str, str]:
    if state.workspace_kind == "folder":
        return {"type": "folder", "path": state.workspace_path.strip()}
    if state.workspace_kind == "git":
        return {"type": "git", "url": state.workspace_url.strip(), "branch": state.workspace_branch.strip()}
    return {"type": "none"}


def _read(row: EnvironmentRow, value: str | bool) -> Any:
    """What was typed, as the field's value. Raises InvalidInput at the field."""
    if isinstance(value, bool) or row.kind in (Kind.SCRIPT, Kind.CHOICE):
        return value
    if row.kind is Kind.NUMBER:
        return _number(row, value)
    if row.kind is Kind.PAIRS:
        return parse_variables(value)
    if row.kind is Kind.LIST:
        return tuple(line.strip() for line in value.split("\n") if line.strip())
    if row.name == "name" and not value.strip():
        raise InvalidInput("The environment needs a name.", "For example the project's.", field="name")
    return value.strip()


def _number(row: EnvironmentRow, text: str) -> int | float | None:
    if not text.strip():
        return None if row.optional else row.default
    try:
        return row.number(text.strip())
    except ValueError as error:
        hint = f"Write a {'whole ' if row.number is int else ''}number{f' ({row.unit})' if row.unit else ''}"
        hint += ", or nothing." if row.optional else "."
        raise InvalidInput(f"{row.title} cannot be {shown(text.strip())}.", hint, field=row.name) from error


def _at_its_field(error: ValidationError) -> InvalidInput:
    """As `invalid_field`, with the limit's own name where one of the resources is meant."""
    found = invalid_field(error)
    place = error.errors()[0]["loc"]
    if len(place) > 1 and place[0] == "resources":
        return InvalidInput(found.message, found.hint, field=f"resources.{place[1]}")
    return found


def with_fields(state: FormState, fields: Mapping[str, Any], source: str) -> tuple[FormState, tuple[str, ...]]:
    """The state with an environment's fields from `source` in it, and the names of those that have no place here.

    Scripts, variables, mounts and ports are added to what is there: nothing that was typed goes.
    """
    changes: dict[str, str | bool] = {}
    left: list[str] = []
    for name, value in fields.items():
        row = BY_NAME.get(name)
        if row is None or row not in FORM_ROWS or name == "name":
            left.append(name)
        elif row.kind is Kind.SCRIPT:
            changes[name] = _joined(state.text(name), str(value), f"# From {source}:\n")
        elif row.kind is Kind.PAIRS and isinstance(value, Mapping):
            new = [f"{key}={text}" for key, text in value.items() if key not in state.variable_names]
            changes[name] = _joined(state.text(name), "\n".join(new))
        elif row.kind is Kind.LIST:
            there = {line.strip() for line in state.text(name).split("\n")}
            changes[name] = _joined(state.text(name), "\n".join(str(one) for one in value if one not in there))
        else:
            changes[name] = typed(row, value)
    return state.with_values(**changes), tuple(left)


def _joined(there: str, new: str, heading: str = "") -> str:
    if not new.strip() or new.strip() in there:
        return there
    if not there.strip():
        return new
    return there + ("" if there.endswith("\n") else "\n") + heading + new
