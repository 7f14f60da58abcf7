"""Settings as people type them: by dotted name, as text, with a sentence for what cannot be read."""

from __future__ import annotations

import difflib
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.field_values import boolean, shown
from agents_runner.core.setting_rows import ROWS
from agents_runner.core.settings import ENGINE_SCHEMES, CustomAgent, Settings

AGENTS = "agents"
_NOT_TYPED = ("version", AGENTS)
_NO_VALUE = {"", "none", "never", "no limit"}
_PLAIN = re.compile(r"[\w@%+=:,./{}-]+", re.ASCII)


def _fields() -> dict[str, tuple[type[BaseModel], str, FieldInfo]]:
    found: dict[str, tuple[type[BaseModel], str, FieldInfo]] = {}
    for name, field in Settings.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            found |= {f"{name}.{one}": (part, one, inner) for one, inner in part.model_fields.items()}
        elif name not in _NOT_TYPED:
            found[name] = (Settings, name, field)
    return found


_FIELDS = _fields()


def setting_names() -> tuple[str, ...]:
    """Every setting that has one value, dotted inside a part; `agents` is not among them."""
    return tuple(_FIELDS)


def kind_of(name: str) -> type:
    """bool, int, float or str, without the None that an optional one may be."""
    annotation = _FIELDS[name][2].annotation
    if get_origin(annotation) is Literal:
        return str
    kinds = [one for one in get_args(annotation) if one is not type(None)] or [annotation]
    return kinds[0] if isinstance(kinds[0], type) else str


def choices_of(name: str) -> tuple[str, ...]:
    """The values of a setting that has a few, else ()."""
    annotation = _FIELDS[name][2].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def setting_value(settings: Settings, name: str) -> Any:
    """The value of a setting by its dotted name."""
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def setting_text(settings: Settings, name: str) -> str:
    """The value as it is typed: "" where there is none."""
    value = setting_value(settings, name)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def read_setting(name: str, text: str, what: str = "") -> Any:
    """The value that a text means. Raises InvalidInput at the field, in a sentence about `what` (its name)."""
    what = what or name
    model, inner, _ = _FIELDS[name]
    kind, text = kind_of(name), text.strip()
    if kind is bool:
        return boolean(name, text)
    bad = InvalidInput(f"{what} cannot be {shown(text)}.", _expected(name), field=name)
    if name == "docker_host" and text and not text.startswith(ENGINE_SCHEMES):
        raise bad
    if _optional(name) and text.lower() in _NO_VALUE:
        return None
    if kind is not str and not text:
        raise InvalidInput(f"{what} needs a number.", _expected(name), field=name)
    try:
        value = kind(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise bad
        model.model_validate({inner: value})
    except (ValueError, ValidationError) as error:
        raise bad from error
    return value


def with_settings(settings: Settings, pairs: Sequence[tuple[str, str]]) -> Settings:
    """The settings with `name=text` pairs made, in order; `agents.NAME` is a command line, "" removes the agent.

    What is not named stays, fields that we do not know included. Raises UsageError for a name that is not there,
    InvalidInput at its field for a value that cannot be read.
    """
    for name, text in pairs:
        head, _, key = name.partition(".")
        if name in _FIELDS:
            settings = _with_value(settings, name, read_setting(name, text))
        elif head == AGENTS and key:
            others = {one: agent for one, agent in settings.agents.items() if one != key}
            if text.strip():
                others[key] = read_agent(key, text, settings.agents.get(key))
            settings = settings.model_copy(update={AGENTS: others})
        else:
            raise _no_setting(name)
    return settings


def _with_value(settings: Settings, name: str, value: Any) -> Settings:
    head, _, key = name.partition(".")
    if key:
        return settings.model_copy(update={head: getattr(settings, head).model_copy(update={key: value})})
    return settings.model_copy(update={name: value})


def with_agents(settings: Settings, agents: Mapping[str, CustomAgent]) -> Settings:
    """The settings with these agents of the person's own in place of those that were there."""
    return settings.model_copy(update={AGENTS: dict(agents)})


def _no_setting(name: str) -> UsageError:
    if name.partition(".")[0] == AGENTS:
        return UsageError("An agent is set by its name.", "Write agents.NAME='COMMAND ... {prompt_file}'.")
    near = difflib.get_close_matches(name, _FIELDS, 3) or [one for one in _FIELDS if one.split(".")[-1] == name]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(_FIELDS)} and agents.NAME."
    return UsageError(f"There is no setting {shown(name)}.", hint)


# -- what can be typed ------------------------------------------------------------------------------


def _optional(name: str) -> bool:
    return type(None) in get_args(_FIELDS[name][2].annotation)


def _expected(name: str) -> str:
    """A sentence about what can be written."""
    if name == "docker_host":
        return f"It starts with one of {', '.join(ENGINE_SCHEMES)}, or is empty."
    if choices := choices_of(name):
        return f"Choose {', '.join(choices)}."
    kind = kind_of(name)
    limits: dict[str, float] = {}
    for rule in _FIELDS[name][2].metadata:
        limits |= {one: getattr(rule, one) for one in ("ge", "gt", "le") if getattr(rule, one, None) is not None}
    least = f" above {limits['gt']:.15g}" if "gt" in limits else ""
    if "ge" in limits:
        least = f" from {limits['ge']}" if "le" in limits else f" of at least {limits['ge']}"
    most = f" to {limits['le']:.15g}" if "ge" in limits and "le" in limits else ""
    if "le" in limits and not most:
        most = f"{' and' if least else ''} up to {limits['le']:.15g}"
    number = {int: "a whole number", float: "a number"}.get(kind, "text")
    return f"Write {number}{least}{most}{', or none' if _optional(name) else ''}."


# -- agents of one's own ----------------------------------------------------------------------------


def command_line(agent: CustomAgent) -> str:
    """The argv as a person types it in a shell."""
    return " ".join(word if _PLAIN.fullmatch(word) else shlex.quote(word) for word in agent.argv)


def read_agent(name: str, line: str, before: CustomAgent | None = None) -> CustomAgent:
    """An agent of a typed command line; what else `before` holds stays. Raises InvalidInput at `agents.NAME`."""
    field = f"{AGENTS}.{name}"
    try:
        argv = tuple(shlex.split(line))
    except ValueError as error:
        raise InvalidInput("The command has an open quote.", "Close it.", field=field) from error
    if not argv or not argv[0].strip() or "\0" in line:
        raise InvalidInput("The agent needs a command.", "For example mytool --file {prompt_file}.", field=field)
    return before.model_copy(update={"argv": argv}) if before else CustomAgent(argv=argv)


def settings_lines(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Every setting and its value as text, own agents last; a value that is not there is `none`."""
    lines = [(name, setting_text(settings, name) or ("none" if _optional(name) else "")) for name in _FIELDS]
    return (*lines, *((f"{AGENTS}.{name}", command_line(agent)) for name, agent in settings.agents.items()))


def counts_later(names: Sequence[str]) -> tuple[str, ...]:
    """The settings, of those that are named, which count from the next start of the window only."""
    later = {row.name for row in ROWS if row.next_start}
    return tuple(name for name in dict.fromkeys(names) if name in later)
