"""`field=value`: every kind of field, and every way to get it wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput, UsageError
from agents_runner.core.field_values import apply_assignments, assigned_fields, checked_environment

BASE = Environment(id="x", name="X", env_vars={"KEEP": "1"}, resources={"cpus": 1, "pids": 99}, unknown=[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["true", "yes", "on", "1", "TRUE", " Yes "])
def test_true(text: str) -> None:
    assert assigned_fields(None, [("cache_container_build", text)]) == {"cache_container_build": True}


@pytest.mark.parametrize("text", ["false", "no", "off", "0", "False"])
def test_false(text: str) -> None:
    assert assigned_fields(None, [("preflight_enabled", text)]) == {"preflight_enabled": False}


def test_only_what_was_assigned_is_returned_and_the_last_wins() -> None:
    assert assigned_fields(BASE, []) == {}
    assert assigned_fields(BASE, [("name", "a"), ("name", "b")]) == {"name": "b"}
    assert assigned_fields(BASE, [("env_vars.A", "1"), ("env_vars.B", "x=y"), ("env_vars.A", "")]) == {
        "env_vars": {"KEEP": "1", "A": "", "B": "x=y"}
    }
    assert assigned_fields(BASE, [("env_vars", '{"ONLY": "1"}'), ("env_vars.B", "2")]) == {
        "env_vars": {"ONLY": "1", "B": "2"}
    }
    assert BASE.env_vars == {"KEEP": "1"}


def test_one_resource_leaves_the_others() -> None:
    made = apply_assignments(BASE, [("resources.memory_mb", "512"), ("resources.cpus", "2.5")], {})
    assert (made.resources.cpus, made.resources.memory_mb, made.resources.pids) == (2.5, 512, 99)
    none = apply_assignments(made, [("resources.cpus", "none"), ("resources.pids", "")], {})
    assert (none.resources.cpus, none.resources.pids) == (None, None)
    new = apply_assignments(None, [("resources.cpus", "2")], {"id": "n", "name": "N"})
    assert (new.resources.cpus, new.resources.pids) == (2.0, 4096)


def test_variables_from_a_files_lines() -> None:
    found = assigned_fields(BASE, [("env_vars", "# mine\nA=1\n\nB=x y\n")])
    assert found == {"env_vars": {"A": "1", "B": "x y"}}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("mounts", "/a:/b, /c:/d:ro", ("/a:/b", "/c:/d:ro")),
        ("mounts", "", ()),
        ("mounts", '["/a,b:/c"]', ("/a,b:/c",)),
        ("ports", "3000,[::1]:8080:80", ("3000", "[::1]:8080:80")),
        ("ports", "[::1]:8080:80", ("[::1]:8080:80",)),
        ("ports", '["3000"]', ("3000",)),
        ("secrets", "A\nB", ("A", "B")),
        ("cache_inputs", "/a/lock , /b/lock", ("/a/lock", "/b/lock")),
        ("agent_args", "--model 'a b' --x", ("--model", "a b", "--x")),
        ("agent_args", '["--x", "a b"]', ("--x", "a b")),
        ("agent_args", "", ()),
        ("build_timeout_s", "60", 60),
        ("refresh_after_days", "7", 7),
        ("refresh_after_days", "none", None),
        ("refresh_after_days", "", None),
        ("pull", "always", "always"),
        ("run_preflight_script", "a\r\nb", "a\r\nb"),
        ("workspace", "none", {"type": "none"}),
        ("workspace", "", {"type": "none"}),
        ("workspace", "/a b", {"type": "folder", "path": "/a b"}),
        ("workspace", "git+https://h/r#a/b#c", {"type": "git", "url": "https://h/r", "branch": "a/b#c"}),
        ("workspace", "git+git@h:r.git", {"type": "git", "url": "git@h:r.git", "branch": ""}),
    ],
)
def test_values(name: str, text: str, value: object) -> None:
    assert assigned_fields(BASE, [(name, text)]) == {name: value}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("cache_container", "cache_container_build"),
        ("Mounts", "mounts"),
        ("resources.cpu", "cpus"),
        ("zzz", "base_image"),
    ],
)
def test_an_unknown_field_is_bad_usage_and_near_ones_are_offered(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        assigned_fields(BASE, [(name, "1")])
    assert near in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["id", "version", "unknown", "", ".", "env_vars.", "resources.", "workspace.url"])
def test_these_cannot_be_assigned(name: str) -> None:
    with pytest.raises(UsageError):
        assigned_fields(BASE, [(name, "1")])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("preflight_enabled", "maybe"),
        ("build_timeout_s", "soon"),
        ("build_timeout_s", "none"),
        ("build_timeout_s", "9" * 5000),
        ("refresh_after_days", "1.5"),
        ("resources.cpus", "two"),
        ("resources.cpus", "nan"),
        ("resources.cpus", "inf"),
        ("resources.pids", "1.5"),
        ("resources", "[1]"),
        ("resources", "{"),
        ("resources", '{"cpus": "x"}'),
        ("env_vars", "no equals sign"),
        ("env_vars", "[]"),
        ("env_vars", '{"A": 1}'),
        ("env_vars", "A=1\nA=2"),
        ("mounts", "[1]"),
        ("mounts", "[" * 5000),
        ("agent_args", "'open"),
        ("pull", "often"),
        ("workspace", "relative/folder"),
        ("color", "blue-ish"),
        ("name", "\n"),
    ],
)
def test_wrong_values_are_refused_at_their_field(name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply_assignments(BASE, [(name, text)], {})
    assert caught.value.field.partition(".")[0] == name.partition(".")[0]
    assert not isinstance(caught.value, UsageError)
    assert len(caught.value.message) < 300
    assert caught.value.hint


def test_what_we_do_not_know_stays() -> None:
    assert apply_assignments(BASE, [("name", "Y")], {}).model_extra == {"unknown": [1]}


def test_values_that_are_no_environment() -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_environment({"id": "x"})
    assert caught.value.field == "name"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*Environment.model_fields, "env_vars.A", "resources.cpus", "resources.x"])
            | st.text(max_size=8),
            st.text(max_size=12) | st.sampled_from(["[", "{", '{"cpus": 1}', "none", "1", "git+", "[]", "{}"]),
        ),
        max_size=4,
    )
)
def test_whatever_is_typed_it_works_or_is_refused(assignments: list[tuple[str, str]]) -> None:
    try:
        made = apply_assignments(BASE, assignments, {})
    except InvalidInput:
        return
    assert made.id == "x"
    assert made.model_extra == {"unknown": [1]}
