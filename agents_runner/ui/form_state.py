"""What an environment's form holds, as typed, and how it becomes an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from agents_runner.core.environment import DEFAULT_BASE_IMAGE, Environment, FolderWorkspace, GitWorkspace
from agents_runner.core.errors import InvalidInput
from agents_runner.core.field_values import invalid_field
from agents_runner.core.secrets import SecretGrant
from agents_runner.core.variables import parse_variables


@dataclass(frozen=True, kw_only=True)
class FormState:
    """The texts and switches of the form; nothing in it needs to be valid."""

    name: str = ""
    color: str = "emerald"
    base_image: str = DEFAULT_BASE_IMAGE
    pull: str = "missing"
    agent: str = "codex"
    workspace_kind: str = "none"
    workspace_path: str = ""
    workspace_url: str = ""
    workspace_branch: str = ""
    headless_desktop_enabled: bool = False
    cache_desktop_build: bool = False
    cache_container_build: bool = True
    package_caches: bool = False
    preflight_enabled: bool = True
    cached_preflight_script: str = ""
    run_preflight_script: str = ""
    variables: str = ""
    mounts: str = ""
    ports: str = ""
    build_timeout_s: str = "1800"
    run_preflight_timeout_s: str = ""
    task_timeout_s: str = ""
    cpus: str = ""
    memory_mb: str = ""
    secrets: tuple[SecretGrant, ...] = ()

    preflight_script: str = ""
    """The single script of older files: shown, never changed."""

    @property
    def unsplit(self) -> bool:
        """True while everything there is stands in one script."""
        return not self.cached_preflight_script.strip() and bool(self.run_preflight_script.strip())

    @property
    def variable_names(self) -> tuple[str, ...]:
        """Names of the variables, as far as they can be read: both scripts are given them."""
        return tuple(dict.fromkeys(_VARIABLE.findall(self.variables)))


_VARIABLE = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*=", re.MULTILINE | re.ASCII)
_SAME = (
    "name",
    "color",
    "base_image",
    "pull",
    "agent",
    "headless_desktop_enabled",
    "cache_desktop_build",
    "cache_container_build",
    "package_caches",
    "preflight_enabled",
    "cached_preflight_script",
    "run_preflight_script",
    "preflight_script",
)
_SCRIPTS = ("cached_preflight_script", "run_preflight_script")
_LISTS = ("mounts", "ports")


def from_environment(environment: Environment) -> FormState:
    workspace = environment.workspace
    folder = workspace if isinstance(workspace, FolderWorkspace) else None
    git = workspace if isinstance(workspace, GitWorkspace) else None
    same = {name: getattr(environment, name) for name in _SAME}
    limits = environment.resources
    return FormState(
        **same,
        workspace_kind=workspace.type,
        workspace_path=folder.path if folder else "",
        workspace_url=git.url if git else "",
        workspace_branch=git.branch if git else "",
        variables="\n".join(f"{name}={value}" for name, value in environment.env_vars.items()),
        mounts="\n".join(environment.mounts),
        ports="\n".join(environment.ports),
        build_timeout_s=str(environment.build_timeout_s),
        run_preflight_timeout_s=str(environment.run_preflight_timeout_s or ""),
        task_timeout_s=str(environment.task_timeout_s or ""),
        secrets=environment.secret_grants,
        cpus="" if limits.cpus is None else f"{limits.cpus:g}",
        memory_mb="" if limits.memory_mb is None else str(limits.memory_mb),
    )


def to_environment(state: FormState, environment: Environment | None, *, new_id: str) -> Environment:
    """The environment with the form's values; what the form does not show stays. Raises InvalidInput at its field."""
    fields: dict[str, Any] = environment.model_dump() if environment else {"id": new_id}
    before = from_environment(environment) if environment else None
    for name in _SAME:
        fields[name] = getattr(state, name)
    fields["name"] = state.name.strip()
    if not fields["name"]:
        raise InvalidInput("The environment needs a name.", "For example the project's.", field="name")
    fields["base_image"] = state.base_image.strip()
    fields["workspace"] = _workspace(state)
    # Unless their text was changed, the old values stay as they are: a variable of several lines, say,
    # cannot be typed here.
    if before is None or state.variables != before.variables:
        fields["env_vars"] = parse_variables(state.variables)
    for name in ("mounts", "ports"):
        if before is None or getattr(state, name) != getattr(before, name):
            fields[name] = tuple(line.strip() for line in getattr(state, name).split("\n") if line.strip())
    seconds = _number(
        state.build_timeout_s, int, "The build timeout", "build_timeout_s", "A whole number of seconds."
    )
    fields["build_timeout_s"] = Environment.model_fields["build_timeout_s"].default if seconds is None else seconds
    for name, what in (
        ("run_preflight_timeout_s", "The run preflight's limit"),
        ("task_timeout_s", "The task's limit"),
    ):
        if before is None or getattr(state, name) != getattr(before, name):
            fields[name] = _number(getattr(state, name), int, what, name, "A whole number of seconds, or nothing.")
    if before is None or state.secrets != before.secrets:
        uses = fields.get("secret_uses", {})
        fields["secrets"] = tuple(grant.name for grant in state.secrets)
        fields["secret_uses"] = {
            grant.name: {**uses.get(grant.name, {}), "stages": grant.stages, "as_variable": grant.as_variable}
            for grant in state.secrets
        }
    fields["resources"] = {
        **fields.get("resources", {}),
        "cpus": _number(state.cpus, float, "The number of CPUs", "resources.cpus", "For example 2 or 0.5."),
        "memory_mb": _number(
            state.memory_mb, int, "The memory limit", "resources.memory_mb", "A whole number of MiB."
        ),
    }
    try:
        return Environment.model_validate(fields)
    except ValidationError as error:
        raise _at_its_field(error) from error


def _workspace(state: FormState) -> dict[str, str]:
    if state.workspace_kind == "folder":
        return {"type": "folder", "path": state.workspace_path.strip()}
    if state.workspace_kind == "git":
        return {"type": "git", "url": state.workspace_url.strip(), "branch": state.workspace_branch.strip()}
    return {"type": "none"}


def _number(text: str, kind: type[int] | type[float], what: str, field: str, hint: str) -> int | float | None:
    if not text.strip():
        return None
    try:
        return kind(text.strip())
    except ValueError as error:
        shown = text.strip()[:40]
        raise InvalidInput(f"{what} cannot be {shown!r}.", hint, field=field) from error


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
    changes: dict[str, Any] = {}
    left: list[str] = []
    for name, value in fields.items():
        if name in _SCRIPTS:
            changes[name] = _joined(getattr(state, name), str(value), f"# From {source}:\n")
        elif name == "env_vars" and isinstance(value, Mapping):
            new = [f"{key}={text}" for key, text in value.items() if key not in state.variable_names]
            changes["variables"] = _joined(state.variables, "\n".join(new))
        elif name in _LISTS:
            there = {line.strip() for line in getattr(state, name).split("\n")}
            changes[name] = _joined(getattr(state, name), "\n".join(str(one) for one in value if one not in there))
        elif name in _SAME and name not in {"preflight_script", "name"}:
            changes[name] = value
        else:
            left.append(name)
    return replace(state, **changes), tuple(left)


def _joined(there: str, new: str, heading: str = "") -> str:
    if not new.strip() or new.strip() in there:
        return there
    if not there.strip():
        return new
    return there + ("" if there.endswith("\n") else "\n") + heading + new
