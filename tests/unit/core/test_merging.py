"""Two edits of one environment: the later one takes nothing of the earlier one away."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.environment import Environment
from agents_runner.core.merging import rebased
from agents_runner.core.settings import Settings

BASE = Environment.model_validate(
    {"id": "e", "name": "E", "env_vars": {"A": "1", "B": "2"}, "secrets": ["ONE", "TWO"], "unknown": 5, "gone": 1}
)


def changed(**fields: Any) -> Environment:
    return Environment.model_validate({**BASE.model_dump(), **fields})


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        ({"agent": "x"}, {"base_image": "b:2"}, {"agent": "x", "base_image": "b:2"}),
        ({"agent": "x"}, {"agent": "y"}, {"agent": "x"}),
        ({"env_vars": {"A": "1", "B": "2", "C": "3"}}, {"env_vars": {"A": "1"}}, {"env_vars": {"A": "1", "C": "3"}}),
        ({"env_vars": {"A": "1"}}, {"env_vars": {"A": "9", "B": "2"}}, {"env_vars": {"A": "9"}}),
        ({"env_vars": {"A": "7", "B": "2"}}, {"env_vars": {"A": "9", "B": "2"}}, {"env_vars": {"A": "7", "B": "2"}}),
        ({"secrets": ["ONE", "TWO", "X"]}, {"secrets": ["TWO", "Y"]}, {"secrets": ("TWO", "Y", "X")}),
        ({"agent_args": ["-a"]}, {"agent_args": ["-b"]}, {"agent_args": ("-a",)}),
        ({"unknown": 6}, {"other": 7}, {"unknown": 6, "other": 7}),
        ({"workspace": {"type": "folder", "path": "/a"}}, {"color": "rose"}, {"color": "rose"}),
    ],
)
def test_low_what_each_changed_is_there(mine: dict[str, Any], theirs: dict[str, Any], both: dict[str, Any]) -> None:
    found = rebased(changed(**mine), BASE, changed(**theirs))
    untouched = {name: value for name, value in BASE.model_dump().items() if name not in {**mine, **theirs}}
    assert (
        found.model_dump()
        == changed(**mine).model_dump() | untouched | changed(**{**theirs, **mine, **both}).model_dump()
    )
    for name, value in both.items():
        assert getattr(found, name) == value


def test_low_an_unknown_field_that_was_removed_stays_away() -> None:
    fields = BASE.model_dump()
    del fields["gone"]
    assert "gone" not in (rebased(Environment.model_validate(fields), BASE, changed(agent="y")).model_extra or {})


@given(
    st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("12")),
    st.dictionaries(st.sampled_from("ABCD"), st.sampled_from("12")),
)
def test_low_alone_an_edit_is_what_it_was(mine: dict[str, str], other: dict[str, str]) -> None:
    wanted = changed(env_vars=mine)
    assert rebased(wanted, BASE, BASE) == wanted
    assert rebased(BASE, BASE, changed(env_vars=other)) == changed(env_vars=other)


def test_low_settings_are_merged_alike() -> None:
    base = Settings()
    mine, theirs = base.model_copy(update={"theme": "dark"}), base.model_copy(update={"max_log_mb": 5})
    found = rebased(mine, base, theirs)
    assert (found.theme, found.max_log_mb) == ("dark", 5)
