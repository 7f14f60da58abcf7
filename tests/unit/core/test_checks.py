"""The one table of checks: what a file may not hold, what would stop a task, each at its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents_runner.core.checks import FILE_CHECKS, TASK_CHECKS, FieldProblem, check_file, problems_found
from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput
from agents_runner.runner.tasks.plan_launch import Host, plan_launch, problems_of

GOOD = Environment(id="x", name="X", base_image="debian:bookworm")
WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"env_vars": {"1A": "x"}}, "env_vars.1A"),
    ({"cached_preflight_script": "a\0b"}, "cached_preflight_script"),
    ({"run_preflight_script": "\ud800"}, "run_preflight_script"),
    ({"mounts": ("nonsense",)}, "mounts"),
    ({"mounts": ("/a:/b", "/c:/b")}, "mounts"),
    ({"ports": ("nonsense",)}, "ports"),
    ({"secrets": ("A", "A")}, "secrets"),
    ({"agent_args": ("a\0b",)}, "agent_args"),
    ({"cache_inputs": ("/\ud800",)}, "cache_inputs"),
)


def _with(fields: dict[str, object]) -> Environment:
    return GOOD.model_copy(update=fields)


def test_nothing_is_wrong_with_a_plain_environment() -> None:
    check_file(GOOD)
    assert problems_found(GOOD, (*TASK_CHECKS, *FILE_CHECKS)) == ()


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_what_no_file_may_hold_stops_a_task_too(fields: dict[str, object], field: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_file(_with(fields))
    host = Host(uid=1000, gid=1000, state_dir=tmp_path)
    with pytest.raises(InvalidInput) as stopped:
        plan_launch(_with(fields), task_id="t", agent=None, host=host)
    assert field.startswith(caught.value.field.partition(".")[0])
    assert stopped.value.field.partition(".")[0] == caught.value.field.partition(".")[0]


def test_every_wrong_field_is_named_once(tmp_path: Path) -> None:
    fields: dict[str, object] = {"base_image": "", "ports": ("nonsense",), "mounts": ("nonsense", "/no/where:/b")}
    found = problems_of(_with(fields), Host(uid=1000, gid=1000, state_dir=tmp_path))
    assert [one.field for one in found] == ["base_image", "mounts", "ports"]
    assert all(one.message and one.hint for one in found)


def test_a_problem_is_the_error_as_a_value() -> None:
    error = InvalidInput("It is wrong.", "Do it right.", field="ports")
    problem = FieldProblem.of(error)
    assert problem.text == "It is wrong. Do it right."
    again = problem.error()
    assert (again.message, again.hint, again.field) == (error.message, error.hint, error.field)
