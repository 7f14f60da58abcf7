"""Older and foreign environments: nothing is lost, what cannot be used is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.environment import SCHEMA, Environment
from agents_runner.core.migrate import model_data, read_environment

LEGACY = json.loads((Path(__file__).parents[2] / "data" / "legacy-environments.json").read_text())["environments"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
field_names = st.sampled_from(
    [*Environment.model_fields, *LEGACY[0], "container_caching_enabled", "invalid_values", "x"]
)


def kept(original: Any, environment: Environment) -> dict[str, Any]:
    """Fields of the original whose value is nowhere in the environment any more."""
    dumped = model_data(environment)
    invalid = dumped.get("invalid_values", {})
    return {key: value for key, value in original.items() if dumped.get(key) != value and invalid.get(key) != value}


@pytest.mark.parametrize("original", LEGACY, ids=lambda one: one["env_id"])
def test_nothing_of_a_legacy_environment_is_lost(original: dict[str, Any]) -> None:
    read = read_environment(original)
    lost = kept(original, read.environment)
    lost.pop("version")  # its meaning is another now
    assert lost == {}
    assert read.environment.id == original["env_id"]
    assert read.environment.version == SCHEMA


def test_the_single_script_is_copied_and_stays() -> None:
    shop = read_environment(LEGACY[0])
    assert shop.environment.run_preflight_script == shop.environment.preflight_script == LEGACY[0]["preflight_script"]
    assert any("single script is now the run preflight" in note for note in shop.notes)
    assert shop.environment.agent == "codex"
    assert shop.environment.agent_args == ("--model", "gpt-5")
    assert shop.environment.workspace.model_dump() == {"type": "folder", "path": "/srv/web-shop"}
    assert shop.environment.mounts == ("/srv/fixtures:/fixtures:ro",)
    assert shop.environment.ports == ("3000",)


def test_old_names_of_the_toggles() -> None:
    vision = read_environment(LEGACY[1]).environment
    assert vision.cache_container_build
    assert vision.cache_desktop_build
    assert vision.headless_desktop_enabled
    assert vision.cached_preflight_script == LEGACY[1]["cached_preflight_script"]
    assert vision.workspace.model_dump() == {"type": "git", "url": "https://git.example/vision.git", "branch": ""}


def test_a_disabled_script_stays_disabled_and_invalid_values_are_named() -> None:
    bare = read_environment(LEGACY[2])
    assert not bare.environment.preflight_enabled
    assert bare.environment.run_preflight_script == "echo disabled but precious\n"
    assert bare.environment.color == "emerald"
    assert bare.environment.model_extra is not None
    assert bare.environment.model_extra["invalid_values"] == {"color": "not-a-colour"}
    assert any("color 'not-a-colour'" in note for note in bare.notes)


def test_caching_on_without_a_cached_script_is_warned_of() -> None:
    read = read_environment(
        {"env_id": "x", "name": "X", "container_caching_enabled": True, "preflight_script": "apt\n"}
    )
    assert any("uto-split" in note for note in read.notes)


def test_reading_again_changes_nothing() -> None:
    for original in LEGACY:
        once = read_environment(original).environment
        again = read_environment(model_data(once))
        assert again.environment == once
        assert not again.changed


def test_a_newer_version_is_read_only() -> None:
    read = read_environment({"id": "x", "name": "X", "version": SCHEMA + 1, "future": [1]})
    assert read.newer
    assert not read.changed
    assert read.environment.model_extra == {"future": [1]}


@given(st.dictionaries(field_names, json_values, max_size=8))
def test_f18_no_json_object_is_too_strange(data: dict[str, Any]) -> None:
    read = read_environment(data)
    assert Environment.model_validate(read.environment.model_dump()) == read.environment
    invalid = (read.environment.model_extra or {}).get("invalid_values", {})
    dumped = model_data(read.environment)
    for key, value in data.items():
        if key in ("version", "invalid_values"):
            continue
        same = dumped.get(key) == value or invalid.get(key) == value
        assert same or key not in ("name", "color", "base_image", "preflight_script", "mounts", "x")
