"""Variables that change what runs: taken, and said what they do and for whom; the shell's own are refused."""

from __future__ import annotations

import pytest

from agents_runner.core.errors import InvalidInput
from agents_runner.core.variables import check_variables, remarks_on


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "NODE_OPTIONS", "PYTHONPATH"])
def test_bad_input_what_changes_programs_is_taken_and_said(name: str) -> None:
    check_variables({name: "/x"})
    (remark,) = remarks_on({"PLAIN": "x", name: "/x"})
    assert remark.startswith(f"{name} ")
    assert "for your scripts and the agent" in remark


@pytest.mark.parametrize(
    "name", ["BASH_ENV", "ENV", "IFS", "SHELLOPTS", "1X", "A-B", "A B", "A=B", "", "A\0", "\u00c4"]
)
def test_bad_input_the_shells_own_and_no_names_are_refused_at_the_field(name: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_variables({name: "x"})
    assert error.value.field.startswith("env_vars")


def test_bad_input_nothing_is_said_of_ordinary_ones() -> None:
    assert remarks_on({"PATHS": "x", "MY_PATH": "x", "LDFLAGS": "x", "TZ": "UTC"}) == ()
