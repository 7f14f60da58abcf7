"""Reading environments of any age and origin: nothing is lost, what cannot be used is named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agents_runner.core.environment import DEFAULT_BASE_IMAGE, SCHEMA, Environment, new_environment_id

AUTO_SPLIT_HINT = (
    "caching is on, but there is no cached preflight: everything runs at task start. "
    "Auto-split the script, or move its slow installs to the cached preflight."
)


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """An environment read from foreign or older data; `notes` are sentences for the person."""

    environment: Environment
    notes: tuple[str, ...] = ()
    changed: bool = False
    """True if the file was not in today's form."""
    newer: bool = False
    """True if a newer version of the program wrote it: it must not be written back."""


def is_legacy(data: Mapping[str, Any]) -> bool:
    """True for the older single-script program's environments."""
    return "env_id" in data or ("id" not in data and ("preflight_script" in data or "workspace_type" in data))


def read_environment(data: Mapping[str, Any]) -> Migrated:
    """Any JSON object as an environment; unknown fields stay, invalid ones are replaced and kept aside."""
    notes: list[str] = []
    version = data.get("version")
    legacy = is_legacy(data)
    newer = not legacy and isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA
    fields = _legacy_fields(data, notes) if legacy else dict(data)
    if not newer:
        fields["version"] = SCHEMA
    environment = _validated(fields, notes)
    name = environment.name
    if environment.cache_container_build and environment.single_script and environment.run_preflight_script.strip():
        notes.append(AUTO_SPLIT_HINT)
    return Migrated(
        environment=environment,
        notes=tuple(f"{name}: {note}" for note in notes),
        changed=not newer and environment.model_dump(mode="json") != dict(data),
        newer=newer,
    )


def model_data(environment: Environment) -> dict[str, Any]:
    """All fields of an environment, known or not, as plain data that `Environment.model_validate` takes."""
    return environment.model_dump()


# -- the older program ------------------------------------------------------------------------------


def _legacy_fields(data: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Today's fields beside the old ones; every old field stays where it was."""
    fields = dict(data)
    fields["id"] = _identifier(data.get("env_id") or data.get("id") or data.get("name"))
    fields.setdefault("base_image", DEFAULT_BASE_IMAGE)
    _rename(fields, "container_caching_enabled", "cache_container_build")
    _rename(fields, "extra_mounts", "mounts")
    fields["workspace"] = _workspace(data, notes)
    script = data.get("preflight_script")
    if isinstance(script, str) and script and not fields.get("run_preflight_script"):
        fields["run_preflight_script"] = script
        notes.append("its single script is now the run preflight; the old text is kept beside it.")
    agent = _agent(data.get("agent_selection"))
    if agent and "agent" not in data:
        fields["agent"] = agent
    arguments = data.get("agent_cli_args")
    if isinstance(arguments, str) and arguments.strip() and "agent_args" not in data:
        try:
            fields["agent_args"] = shlex.split(arguments)
        except ValueError:
            notes.append(f"the agent's arguments {arguments!r} cannot be read (an open quote); they are left out.")
    return fields


def _rename(fields: dict[str, Any], old: str, new: str) -> None:
    if old in fields and new not in fields:
        fields[new] = fields[old]


def _identifier(value: object) -> str:
    text = re.sub(r"[^A-Za-z0-9_.-]+", "-", value).strip("-._")[:100] if isinstance(value, str) else ""
    return text or new_environment_id("environment")


def _workspace(data: Mapping[str, Any], notes: list[str]) -> object:
    if "workspace" in data:
        return data["workspace"]
    kind = data.get("workspace_type", "none")
    target = data.get("workspace_target") or data.get("host_workdir") or ""
    if kind == "mounted" and isinstance(target, str) and target:
        return {"type": "folder", "path": target}
    if kind == "cloned" and isinstance(target, str) and target:
        branch = data.get("gh_last_base_branch")
        return {"type": "git", "url": target, "branch": branch if isinstance(branch, str) else ""}
    if kind not in ("none", "", None):
        notes.append(f"its workspace ({kind!r}, {target!r}) cannot be used; it has none now.")
    return {"type": "none"}


def _agent(selection: object) -> str:
    if not isinstance(selection, Mapping):
        return ""
    enabled = selection.get("enabled_agents")
    if isinstance(enabled, list) and enabled and isinstance(enabled[0], str):
        by_id = {
            one.get("agent_id"): one.get("agent_cli")
            for one in _list(selection.get("agents"))
            if isinstance(one, Mapping)
            and isinstance(one.get("agent_id"), str)
            and isinstance(one.get("agent_cli"), str)
        }
        return str(by_id.get(enabled[0]) or enabled[0])
    first = next((one for one in _list(selection.get("agents")) if isinstance(one, Mapping)), {})
    name = first.get("agent_cli")
    return name if isinstance(name, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# -- values that cannot be used ---------------------------------------------------------------------


def _validated(fields: dict[str, Any], notes: list[str]) -> Environment:
    """Replace what is invalid by the default, field by field, and keep the original under `invalid_values`."""
    fields = dict(fields)
    kept = fields.get("invalid_values")
    invalid: dict[str, Any] = dict(kept) if isinstance(kept, Mapping) else {}
    for name in ("id", "name"):
        if not isinstance(fields.get(name), str) or not str(fields[name]).strip():
            if name in fields:
                invalid[name] = fields.pop(name)
            fields[name] = _identifier(fields.get("name")) if name == "id" else str(fields.get("id", "Environment"))
    while True:
        if invalid:
            fields["invalid_values"] = invalid
        try:
            return Environment.model_validate(fields)
        except ValidationError as error:
            for detail in error.errors():
                name = str(detail["loc"][0])
                if name not in fields:
                    continue
                original = fields.pop(name)
                invalid[name] = original
                if name in ("id", "name"):
                    fields[name] = new_environment_id("environment") if name == "id" else "Environment"
                notes.append(f"{name} {_short(original)} {_reason(detail['msg'])}; the default is used.")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _reason(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.startswith(("is ", "must ")) else f"cannot be used ({text[:1].lower()}{text[1:]})"
