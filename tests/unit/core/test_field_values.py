"""`field=value` as people type it."""

from __future__ import annotations

import pytest

from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.field_values import apply_assignments

BASE = Environment(id="x", name="X", env_vars={"KEEP": "1"}, unknown={"a": 1})


def test_values_of_every_kind() -> None:
    made = apply_assignments(
        BASE,
        [
            ("name", "New name"),
            ("cache_container_build", "yes"),
            ("build_timeout_s", "60"),
            ("refresh_after_days", "none"),
            ("env_vars.A", "x=y"),
            ("resources.cpus", "1.5"),
            ("resources.memory_mb", "512"),
            ("mounts", '["/a, b:/c"]'),
            ("ports", "3000, 4000:80"),
            ("agent_args", "--model 'a b'"),
            ("workspace", "git+https://git.example/x.git#main"),
        ],
        {},
    )
    assert made.name == "New name"
    assert made.cache_container_build is True
    assert made.env_vars == {"KEEP": "1", "A": "x=y"}
    assert made.resources.cpus == 1.5
    assert made.mounts == ("/a, b:/c",)
    assert made.ports == ("3000", "4000:80")
    assert made.agent_args == ("--model", "a b")
    assert made.workspace.model_dump() == {"type": "git", "url": "https://git.example/x.git", "branch": "main"}
    assert made.model_extra == {"unknown": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "kind"), [("none", "none"), ("/a/b", "folder"), ("~/x", "folder"), ("git+ssh://h/x", "git")]
)
def test_workspaces(text: str, kind: str) -> None:
    assert apply_assignments(BASE, [("workspace", text)], {}).workspace.type == kind


@pytest.mark.parametrize("name", ["nme", "id", "version", "resources.gpus", "env_vars."])
def test_unknown_fields_are_bad_usage(name: str) -> None:
    with pytest.raises((UsageError, InvalidInput)):
        apply_assignments(BASE, [(name, "x")], {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("build_timeout_s", "0"),
        ("pull", "often"),
        ("name", ""),
        ("resources.pids", "1"),
        ("env_vars", "{"),
        ("ports", "[1]"),
    ],
)
def test_wrong_values_name_their_field(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply_assignments(BASE, [(name, value)], {})
    assert caught.value.field == name.partition(".")[0]
