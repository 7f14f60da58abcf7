"""Values that no environment can have: named, replaced, kept; and older files of every shape."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents_runner.core.environment import MAX_NAME, SCHEMA, Environment
from agents_runner.core.errors import InvalidInput
from agents_runner.core.migrate import (
    AUTO_SPLIT_HINT,
    environment_to_json,
    file_version,
    looks_like_environment,
    model_data,
    model_to_json,
    read_environment,
    read_settings,
)
from agents_runner.core.settings import SCHEMA as SETTINGS_SCHEMA
from agents_runner.core.settings import Settings

OLD_NAMES = [
    *("env_id", "agent_selection", "agent_cli_args", "extra_mounts", "container_caching_enabled", "workspace_type"),
    *("workspace_target", "host_workdir", "gh_last_base_branch", "max_agents_running"),
]
STRANGE_NAMES = [
    "",
    "model_dump",
    "__class__",
    "model_config",
    "single_script",
    "\ud800",
    "invalid_values",
    "color (2)",
]
anything = st.text(st.characters(), max_size=12)  # half characters as well
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3),
    max_leaves=8,
)
workspaces = st.fixed_dictionaries(
    {"type": st.sampled_from(["none", "folder", "git", "x"])}, optional={"path": json_values, "url": json_values}
)
selections = st.fixed_dictionaries(
    {},
    optional={
        "enabled_agents": st.lists(json_values, max_size=2) | json_values,
        "agents": st.lists(st.fixed_dictionaries({}, optional={"agent_id": json_values, "agent_cli": json_values})),
    },
)
objects = st.dictionaries(
    st.sampled_from([*Environment.model_fields, *OLD_NAMES, *STRANGE_NAMES]) | anything,
    json_values | workspaces | selections,
    max_size=10,
)


def same(one: object, other: object) -> bool:
    """Equal as JSON: NaN is NaN, true is not 1, 1 is not 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@settings(max_examples=200, deadline=None)
@given(objects)
@example({"invalid_values": 5, "color": 1})
@example({"invalid_values": {"color": 2}, "color": 1})
@example({"version": math.inf, "id": "x"})
@example({"version": {}, "profile_from_before": False})
@example({"profile_from_before": "x"})
@example({"version": "2", "name": "\ud800", "id": " "})
def test_any_object_is_read_and_nothing_of_it_is_lost(data: dict[str, Any]) -> None:
    before = json.dumps(data)
    read = read_environment(data)
    assert json.dumps(data) == before, "the caller's data is left alone"
    stored = model_data(read.environment)
    kept = [stored, *(one for one in [stored.get("invalid_values")] if isinstance(one, dict))]
    everything = [(key.split(" (")[0], value) for part in kept for key, value in part.items()]
    for key, value in data.items():
        if key == "version" or (key == "invalid_values" and isinstance(value, dict)):
            continue
        plain = key.split(" (")[0]
        known = key in Environment.model_fields and same(
            stored[key], model_data(_only(key, value) or read.environment)[key]
        )
        assert known or any(name == plain and same(one, value) for name, one in everything), key


def _only(key: str, value: object) -> Environment | None:
    """What today's rules make of one field alone: numbers in words and the like are the same value."""
    try:
        return Environment.model_validate({"id": "x", "name": "x", "version": SCHEMA, key: value})
    except ValueError:
        return None


@settings(max_examples=200, deadline=None)
@given(objects)
def test_what_was_read_round_trips_and_is_of_todays_form(data: dict[str, Any]) -> None:
    read = read_environment(data)
    text = environment_to_json(read.environment)
    text.encode("utf-8")
    again = read_environment(json.loads(text))
    assert environment_to_json(again.environment) == text
    assert again.notes == ()
    assert not again.changed
    assert again.newer is read.newer


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*Settings.model_fields, *STRANGE_NAMES]) | anything, json_values, max_size=6))
def test_any_object_is_read_as_settings(data: dict[str, Any]) -> None:
    found, _ = read_settings(data)
    text = model_to_json(found)
    again, notes = read_settings(json.loads(text))
    assert model_to_json(again) == text
    assert notes == ()
    assert found.version >= SETTINGS_SCHEMA


@pytest.mark.parametrize(
    ("value", "version"),
    [
        *((None, 1), (1, 1), (2, 2), (0, 1), (-7, 1), (True, 1), ("2", 2), ("1.0.0", 1), ("beta", 1), (2.0, 2)),
        *((2.1, 3), (math.nan, 1), (math.inf, 2**31), ([], 1), ({}, 1), (10**40, 10**40)),
    ],
)
def test_versions(value: object, version: int) -> None:
    assert file_version({"version": value}) == version
    assert read_environment({"version": value}).newer is (version > SCHEMA)
    assert file_version({}) == 1


@pytest.mark.parametrize(
    ("data", "ours"),
    [
        ({"env_id": "x"}, True),
        ({"preflight_script": ""}, True),
        ({"id": "x", "name": "X"}, True),
        ({"version": 2, "id": "x", "name": "X"}, True),
        ({"name": "left-pad", "version": "1.0.0"}, False),
        ({"id": "some.extension", "name": "x", "version": "1.0.0"}, False),
        ({"name": "x"}, False),
        ({}, False),
        ([], False),
        ("env_id", False),
        (None, False),
    ],
)
def test_what_is_taken_for_an_environment(data: object, ours: bool) -> None:
    assert looks_like_environment(data) is ours


def test_the_good_parts_of_a_field_stay_in_force() -> None:
    data = {
        "version": SCHEMA,
        "id": "x",
        "name": "X",
        "env_vars": {"GOOD": "1", "PORT": 3000, "TOKEN": ["sk-abcdefghijklmnop"]},
        "mounts": ["/a:/b", 7],
        "resources": {"cpus": "many", "memory_mb": 64, "gpus": 1},
        "workspace": {"type": "folder", "path": "/w", "note": "mine"},
    }
    read = read_environment(data)
    assert read.environment.env_vars == {"GOOD": "1"}
    assert read.environment.mounts == ("/a:/b",)
    assert read.environment.resources.memory_mb == 64
    assert read.environment.resources.cpus is None
    assert read.environment.workspace.model_dump() == {"type": "folder", "path": "/w"}
    kept = model_data(read.environment)["invalid_values"]
    assert {name: kept[name] for name in ("env_vars", "mounts", "workspace")} == {
        name: data[name] for name in ("env_vars", "mounts", "workspace")
    }
    said = " ".join(read.notes)
    for word in ("env_vars", "'PORT'", "mounts", "resources", "workspace"):
        assert word in said
    assert "sk-" not in said, "values of variables may be secret"


def test_originals_of_one_field_are_all_kept() -> None:
    first = read_environment({"version": SCHEMA, "id": "x", "name": "X", "color": "one"}).environment
    again = read_environment({**model_data(first), "color": "two"}).environment
    third = read_environment({**model_data(again), "color": "two"}).environment
    assert model_data(third)["invalid_values"] == {"color": "one", "color (2)": "two"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two\nlines", "two lines"),
        ("x" * 500, "x" * MAX_NAME),
        ("  ", "an-id"),
        (5, "an-id"),
        ("a\x1b[31mb", "a [31mb"),
    ],
)
def test_names_that_no_list_can_show(name: object, expected: str) -> None:
    read = read_environment({"version": SCHEMA, "id": "an-id", "name": name})
    assert read.environment.name == expected
    assert model_data(read.environment)["invalid_values"] == {"name": name}
    assert any("name" in note for note in read.notes)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"env_id": "web shop"}, "web-shop"),
        ({"env_id": "../../etc/passwd"}, "etc-passwd"),
        ({"env_id": "é"}, "by-file"),
        ({"env_id": 5}, "by-file"),
        ({"env_id": "old", "id": "new"}, "new"),
        ({"env_id": "old", "id": "/"}, "by-file"),
        ({"version": SCHEMA, "name": "X"}, "by-file"),
        ({"version": SCHEMA, "id": "x" * 300}, "x" * 100),
    ],
)
def test_ids_that_can_be_file_names(data: dict[str, Any], expected: str) -> None:
    assert read_environment(data, fallback_id="by-file").environment.id == expected


def test_without_any_id_the_name_gives_one() -> None:
    assert read_environment({"name": "Web shop"}).environment.id == "Web-shop"
    assert read_environment({}).environment.id == "environment"


@pytest.mark.parametrize(
    ("selection", "agent"),
    [
        (None, "codex"),
        ({"enabled_agents": ["b"], "agents": [{"agent_id": "a"}, {"agent_id": "b", "agent_cli": "y"}]}, "y"),
        ({"enabled_agents": ["gone"], "agents": [{"agent_id": "a", "agent_cli": "x"}]}, "gone"),
        ({"enabled_agents": [], "agents": [{"agent_id": "a", "agent_cli": "claude"}]}, "claude"),
        ({"enabled_agents": [5, None, "a"], "agents": "nonsense"}, "a"),
        ({"agents": [None, {"agent_cli": 5}]}, "codex"),
    ],
)  # fmt: skip
def test_which_agent_an_older_file_means(selection: object, agent: str) -> None:
    read = read_environment({"env_id": "x", "agent_selection": selection})
    assert read.environment.agent == agent
    assert model_data(read.environment)["agent_selection"] == selection


@pytest.mark.parametrize(
    ("old", "workspace"),
    [
        ({"workspace_type": "mounted", "workspace_target": "/w"}, {"type": "folder", "path": "/w"}),
        ({"workspace_type": "mounted", "host_workdir": "/h"}, {"type": "folder", "path": "/h"}),
        (
            {"workspace_type": "cloned", "workspace_target": "u", "gh_last_base_branch": "b"},
            {"type": "git", "url": "u", "branch": "b"},
        ),
        (
            {"workspace_type": "cloned", "workspace_target": "u", "gh_last_base_branch": 5},
            {"type": "git", "url": "u", "branch": ""},
        ),
        ({"workspace_type": "none"}, {"type": "none"}),
        ({"workspace_type": "mounted"}, {"type": "none"}),
        ({"workspace_type": ["?"], "workspace_target": {}}, {"type": "none"}),
    ],
)
def test_where_an_older_file_works(old: dict[str, Any], workspace: dict[str, Any]) -> None:
    read = read_environment({"env_id": "x", **old})
    assert read.environment.workspace.model_dump() == workspace
    assert {key: model_data(read.environment)[key] for key in old} == old
    lost = workspace == {"type": "none"} and old != {"workspace_type": "none"}
    assert any("workspace" in note for note in read.notes) is lost


def test_arguments_with_an_open_quote_stay_where_they_were() -> None:
    read = read_environment({"env_id": "x", "agent_cli_args": "--key 'sk-abcdefghijklmnop"})
    assert read.environment.agent_args == ()
    assert model_data(read.environment)["agent_cli_args"] == "--key 'sk-abcdefghijklmnop"
    assert any("open quote" in note for note in read.notes)
    assert not any("sk-" in note for note in read.notes)


@pytest.mark.parametrize("run", [None, "", 5, ["x"]])
def test_an_older_script_runs_whatever_stands_in_the_new_field(run: object) -> None:
    read = read_environment({"env_id": "x", "preflight_script": "old", "run_preflight_script": run})
    assert read.environment.run_preflight_script == "old"
    assert read.environment.preflight_script == "old"
    assert read_environment(
        {"env_id": "x", "preflight_script": "old", "run_preflight_script": "new"}
    ).environment.run_preflight_script == ("new")


def test_a_file_of_today_is_no_older_one() -> None:
    data = {
        "version": SCHEMA,
        "id": "x",
        "name": "X",
        "env_id": "y",
        "preflight_script": "old",
        "extra_mounts": ["/a:/b"],
    }
    read = read_environment(data)
    assert read.environment.id == "x"
    assert read.environment.run_preflight_script == ""
    assert read.environment.mounts == ()
    assert not read.changed
    assert read.notes == ()


def test_the_way_out_is_named_only_where_it_is_needed() -> None:
    old = {"env_id": "x", "name": "X", "preflight_script": "apt-get install x\n"}
    assert not any(AUTO_SPLIT_HINT in note for note in read_environment(old).notes)
    cached = {**old, "container_caching_enabled": True}
    assert any(AUTO_SPLIT_HINT in note for note in read_environment(cached).notes)
    split = {**cached, "cached_preflight_script": "apt-get update\n"}
    assert not any(AUTO_SPLIT_HINT in note for note in read_environment(split).notes)


def test_the_serialiser_always_gives_the_same_bytes() -> None:
    environment = Environment(id="x", name="é", env_vars={"B": "1", "A": "2"}, future={"z": [1.0, "\ud800"]})
    text = environment_to_json(environment)
    assert environment_to_json(environment.model_copy(deep=True)) == text
    assert list(json.loads(text))[: len(Environment.model_fields)] == list(Environment.model_fields)
    assert "é" in text, "readable for people"
    assert "\\ud800" in text


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object()])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        environment_to_json(Environment(id="x", name="X", future=value))


def test_nesting_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    read = read_environment({"version": SCHEMA, "id": "x", "name": "X", "color": deep, "future": deep})
    assert read.environment.color == "emerald"
    with pytest.raises(InvalidInput, match="too deeply"):
        environment_to_json(read.environment)
