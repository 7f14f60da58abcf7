"""Which variables of an image its containers do not start with, and how they reach those who may have them."""

from __future__ import annotations

import pytest

from agents_runner.core.container import ImageInfo
from agents_runner.launcher.files import LauncherPlan, control_files
from agents_runner.launcher.tools import is_unsafe, unsafe_variables


@pytest.mark.parametrize(
    "name",
    ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "LD_DEBUG_OUTPUT", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH",
     "BASH_ENV", "BASH_FUNC_find%%", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "MALLOC_TRACE"],
)  # fmt: skip
def test_h1_a_variable_that_makes_a_program_load_something_is_unsafe(name: str) -> None:
    assert is_unsafe(name)
    assert unsafe_variables(ImageInfo(id="i", environment=(f"{name}=a=b", "A=1"))) == {name: "a=b"}


@pytest.mark.parametrize("name", ["PATH", "ENVIRONMENT", "LANG", "HOME", "XLD_PRELOAD", "ENV_NAME", "NODE_OPTIONS"])
def test_h1_all_others_stay(name: str) -> None:
    assert not is_unsafe(name)


def test_h1_what_an_image_has_is_text_for_the_launcher_and_an_exported_variable_for_the_rest() -> None:
    hostile = {"LD_PRELOAD": "a'; touch /x; '", "BASH_FUNC_find%%": "() { id; }", "BASH_ENV": "$(id)"}
    files = control_files(LauncherPlan(token="t", kind="task", uid=1, gid=1, image_variables=hostile))
    text = files["in/variables.sh"].decode()
    assert """    export LD_PRELOAD='a'"'"'; touch /x; '"'"''\n""" in text
    assert "    ar_reserve BASH_FUNC_find%% '() { id; }'\n" in text
    assert "    export BASH_ENV='$(id)'\n" in text
