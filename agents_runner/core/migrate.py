"""Reading environments and settings of any age and origin: nothing is lost, what cannot be used is named."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents_runner.core.environment import (
    DEFAULT_BASE_IMAGE,
    MAX_NAME,
    SCHEMA,
    Environment,
    FolderWorkspace,
    GitWorkspace,
    NoWorkspace,
    Resources,
)
from agents_runner.core.errors import InvalidInput
from agents_runner.core.profile import OLD_PROFILE
from agents_runner.core.settings import SCHEMA as SETTINGS_SCHEMA
from agents_runner.core.settings import Settings

AUTO_SPLIT_HINT = (
    "caching is on, but there is no cached preflight: everything runs at task start. "
    "Auto-split the script, or move its slow installs to the cached preflight."
)
INVALID = "invalid_values"
"""The extra field that keeps what could not be used: field to its original value."""
_SCRIPTS_SPLIT = 2
"""The first version of the file with two scripts; those before are of the older program."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}\Z")
_OURS = frozenset(
    {
        *("env_id", "base_image", "workspace", "workspace_type", "env_vars", "agent_selection"),
        *("preflight_script", "cached_preflight_script", "run_preflight_script", "preflight_enabled"),
        *("headless_desktop_enabled", "cache_desktop_build", "cache_container_build", "container_caching_enabled"),
    }
)
# Of these the good parts stay in force when some are not usable.
_PARTS = frozenset(
    {"env_vars", "resources", "mounts", "ports", "agent_args", "cache_inputs", "secrets", "secret_uses", "agents"}
)
# Their values may hold tokens, so notes do not repeat them.
_QUIET = frozenset({"env_vars", "secrets", "agent_args", "workspace", "agents", INVALID})
_WORKSPACES: dict[object, type[BaseModel]] = {"none": NoWorkspace, "folder": FolderWorkspace, "git": GitWorkspace}
_SURROGATE = re.compile("[\ud800-\udfff]")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """An environment read from foreign or older data; `notes` are sentences for the person."""

    environment: Environment
    notes: tuple[str, ...] = ()
    changed: bool = False
    """True if the data is of an older form: its file is to be written anew, after a backup."""
    newer: bool = False
    """True if a newer version of the program wrote it: it must not be written back."""


def file_version(data: Mapping[str, Any]) -> int:
    """The form's number; 1 where there is none or it is no number, as in the oldest files."""
    value = data.get("version")
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        value = int(value)
    if isinstance(value, float) and not math.isnan(value):
        value = 2**31 if math.isinf(value) else math.ceil(value)
    return max(value, 1) if isinstance(value, int) and not isinstance(value, bool) else 1


def looks_like_environment(data: object) -> bool:
    """True for a JSON object that this program or an older one may have written."""
    if not isinstance(data, Mapping):
        return False
    # Many a program's files have a name and a version; a version that is text is none of ours.
    return bool(data.keys() & _OURS) or (data.keys() >= {"id", "name"} and not isinstance(data.get("version"), str))


def read_environment(data: Mapping[str, Any], fallback_id: str = "") -> Migrated:
    """Any JSON object as an environment; unknown fields stay, invalid ones are replaced and kept aside.

    `fallback_id` serves where the data names no id that can be used. Never raises.
    """
    notes: list[str] = []
    fields = dict(data)
    aside = _Aside.of(fields)
    version = file_version(data)
    _keep_odd_version(data, aside)
    if version < _SCRIPTS_SPLIT:
        _from_legacy(fields, aside, notes)
    fields["version"] = max(version, SCHEMA)
    if "profile" not in fields:
        if fields.get("profile_from_before", True) is not True:
            aside.keep(
                "profile_from_before", fields["profile_from_before"]
            )  # nobody can have chosen what is not there
        fields |= {"profile": OLD_PROFILE, "profile_from_before": True}
    _identify(fields, aside, notes, fallback_id)
    _keep_unknown_parts(fields, aside, notes)
    environment = lenient(Environment, fields, aside, notes)
    warn = (
        environment.cache_container_build and environment.single_script and environment.run_preflight_script.strip()
    )
    if version < _SCRIPTS_SPLIT and warn:
        notes.append(AUTO_SPLIT_HINT)
    return Migrated(
        environment=environment,
        notes=tuple(f"{environment.name}: {note}" for note in notes),
        changed=version < SCHEMA,
        newer=version > SCHEMA,
    )


def read_settings(data: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
    """Any JSON object as settings, and sentences about what could not be used. Never raises."""
    notes: list[str] = []
    fields = dict(data)
    aside = _Aside.of(fields)
    _keep_odd_version(data, aside)
    fields["version"] = max(file_version(data), SETTINGS_SCHEMA)
    settings = lenient(Settings, fields, aside, notes)
    return settings, tuple(f"settings: {note}" for note in notes)


# -- writing ----------------------------------------------------------------------------------------


def model_data(model: BaseModel) -> dict[str, Any]:
    """A model as JSON values: its fields in their order, then what we do not know, exactly as it was read."""
    # Without warnings: who copies a model with unchecked values has them checked where they are used.
    known = model.model_dump(include=set(type(model).model_fields), warnings=False)
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in known.items()}
    return {**plain, **(model.model_extra or {})}


def model_to_json(model: BaseModel) -> str:
    """The one serialiser. Text that is no valid Unicode becomes an escape, as JSON allows. Raises InvalidInput."""
    try:
        text = json.dumps(model_data(model), indent=2, ensure_ascii=False) + "\n"
    except RecursionError as error:
        raise InvalidInput("A value is nested too deeply to be written.", "Make it flatter.") from error
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A value cannot be written as JSON: {error}.", "Remove it.") from error
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def environment_to_json(environment: Environment) -> str:
    """An environment's file as text."""
    return model_to_json(environment)


# -- the older program ------------------------------------------------------------------------------


def _from_legacy(fields: dict[str, Any], aside: _Aside, notes: list[str]) -> None:
    """Today's fields beside the old ones; every old field stays where it was."""
    if "id" not in fields and isinstance(fields.get("env_id"), str):
        fields["id"] = fields["env_id"]
    fields.setdefault("base_image", DEFAULT_BASE_IMAGE)
    for old, new in (("container_caching_enabled", "cache_container_build"), ("extra_mounts", "mounts")):
        if old in fields and new not in fields:
            fields[new] = fields[old]
    if "workspace" not in fields:
        fields["workspace"] = _legacy_workspace(fields, notes)
    _legacy_script(fields, aside, notes)
    agent = _legacy_agent(fields.get("agent_selection"))
    if agent and "agent" not in fields:
        fields["agent"] = agent
    arguments = fields.get("agent_cli_args")
    if isinstance(arguments, str) and arguments.strip() and "agent_args" not in fields:
        try:
            fields["agent_args"] = shlex.split(arguments)
        except ValueError:
            notes.append(
                "the agent's arguments have an open quote and are left out; agent_cli_args still holds them."
            )


def _legacy_script(fields: dict[str, Any], aside: _Aside, notes: list[str]) -> None:
    script, run = fields.get("preflight_script"), fields.get("run_preflight_script")
    if not isinstance(script, str) or not script or (isinstance(run, str) and run):
        return
    if run is not None and not isinstance(run, str):
        aside.keep("run_preflight_script", run)
    fields["run_preflight_script"] = script
    notes.append("its single script is now the run preflight; the old text is kept beside it.")


def _legacy_workspace(data: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    kind = data.get("workspace_type", "none")
    target = data.get("workspace_target") or data.get("host_workdir") or ""
    if kind == "mounted" and isinstance(target, str) and target:
        return {"type": "folder", "path": target}
    if kind == "cloned" and isinstance(target, str) and target:
        branch = data.get("gh_last_base_branch")
        return {"type": "git", "url": target, "branch": branch if isinstance(branch, str) else ""}
    if kind not in ("none", "", None):
        notes.append(f"its workspace of type {_short(kind)} cannot be used; it has none now.")
    return {"type": "none"}


def _legacy_agent(selection: object) -> str:
    """The first enabled agent's program, else the first agent's, else ""."""
    if not isinstance(selection, Mapping):
        return ""
    agents = [one for one in _list(selection.get("agents")) if isinstance(one, Mapping)]
    enabled = next((one for one in _list(selection.get("enabled_agents")) if isinstance(one, str) and one), "")
    if enabled:
        found = next((one.get("agent_cli") for one in agents if one.get("agent_id") == enabled), None)
        return found if isinstance(found, str) and found else enabled
    name = agents[0].get("agent_cli") if agents else ""
    return name if isinstance(name, str) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# -- values that cannot be used ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Aside:
    """Originals of what could not be used; two of one field are both kept."""

    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> _Aside:
        """With what is aside already, taken out of the fields; so are names that the models refuse."""
        old = fields.pop(INVALID, {})
        aside = cls(values=dict(old) if isinstance(old, Mapping) else {INVALID: old})
        for name in [name for name in fields if _SURROGATE.search(name)]:
            aside.keep(name, fields.pop(name))
        return aside

    def keep(self, name: str, value: object) -> None:
        key, number = name, 1
        while key in self.values and not _same(self.values[key], value):
            number += 1
            key = f"{name} ({number})"
        self.values[key] = value


def _same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:
        return False


def _keep_odd_version(data: Mapping[str, Any], aside: _Aside) -> None:
    version = data.get("version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        aside.keep("version", version)


def lenient(model: type[Model], fields: Mapping[str, Any], aside: _Aside, notes: list[str]) -> Model:
    """The model with every field that can be used; the others get their defaults and a note each."""
    fields = dict(fields)
    while True:
        try:
            return model.model_validate({**fields, INVALID: aside.values} if aside.values else fields)
        except ValidationError as error:
            found: dict[str, list[tuple[object, str]]] = {}
            for detail in error.errors(include_url=False, include_context=False, include_input=False):
                place = detail["loc"]
                found.setdefault(str(place[0]), []).append((place[1] if len(place) > 1 else None, detail["msg"]))
        wrong = [name for name in found if name in fields]
        if not wrong:  # a required field is missing, and nobody can guess it
            return model.model_validate(fields)
        for name in wrong:
            _replace(fields, name, found[name], aside, notes)


def _replace(
    fields: dict[str, Any], name: str, complaints: list[tuple[object, str]], aside: _Aside, notes: list[str]
) -> None:
    """Take out of one field what was complained about, or the field itself."""
    original = fields.pop(name)
    aside.keep(name, original)
    reason = _reason(complaints[0][1])
    rest = _without(original, [part for part, _ in complaints]) if name in _PARTS else None
    if rest is None:
        shown = "" if name in _QUIET else f" {_short(original)}"
        notes.append(f"{name}{shown} {reason}; the default is used.")
        return
    fields[name] = rest
    parts = ", ".join(ascii(part) for part, _ in complaints[:3]) + (", ..." if len(complaints) > 3 else "")
    notes.append(f"of {name}, entry {parts} {reason}; left out.")


def _without(value: object, parts: Iterable[object]) -> object | None:
    """The container without those parts; None if that is the same or it has no parts."""
    gone = set(parts)
    if isinstance(value, Mapping):
        kept = {key: one for key, one in value.items() if key not in gone}
        return kept if len(kept) < len(value) else None
    if isinstance(value, list | tuple):
        left = [one for number, one in enumerate(value) if number not in gone]
        return left if len(left) < len(value) else None
    return None


def _identify(fields: dict[str, Any], aside: _Aside, notes: list[str], fallback_id: str) -> None:
    """An id and a name that can be used, as near to what is there as can be."""
    name, own = fields.get("name"), fields.get("id")
    if not isinstance(own, str) or not _ID.match(own):
        had = "id" in fields
        if had:
            aside.keep("id", own)
        fields["id"] = next(filter(None, map(_slug, (own, fallback_id, fields.get("env_id"), name))), "environment")
        if had:
            notes.append(f"id {_short(own)} cannot be used; it is {fields['id']} now.")
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        if "name" in fields:
            aside.keep("name", name)
        text = "".join(one if one.isprintable() else " " for one in name) if isinstance(name, str) else ""
        fields["name"] = text.strip()[:MAX_NAME].strip() or fields["id"]
        if name is not None:
            notes.append(f"name {_short(name)} cannot be used; it is {fields['name']!r} now.")


def _slug(value: object) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", value).strip("-._")[:100] if isinstance(value, str) else ""


def _keep_unknown_parts(fields: dict[str, Any], aside: _Aside, notes: list[str]) -> None:
    """The parts of an environment take no extra fields; what a file has there is kept aside whole."""
    workspace = fields.get("workspace")
    kind = workspace.get("type") if isinstance(workspace, Mapping) else None
    models = {"resources": Resources, "workspace": _WORKSPACES.get(kind) if isinstance(kind, str) else None}
    for name, model in models.items():
        value = fields.get(name)
        if model is None or not isinstance(value, Mapping) or value.keys() <= model.model_fields.keys():
            continue
        aside.keep(name, value)
        fields[name] = {key: one for key, one in value.items() if key in model.model_fields}
        notes.append(f"{name} holds fields that this version does not know; they are kept aside.")


def _short(value: object) -> str:
    """A value in a sentence; large and nested ones by their kind only."""
    if isinstance(value, Mapping | list):
        return "(a list)" if isinstance(value, list) else "(an object)"
    text = repr(value[:60]) if isinstance(value, str) else repr(value) if _small(value) else "(a number)"
    return text if len(text) <= 60 else text[:57] + "..."


def _small(value: object) -> bool:
    return not isinstance(value, int) or abs(value) < 10**30


def _reason(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.startswith(("is ", "must ")) else f"cannot be used ({text[:1].lower()}{text[1:]})"
