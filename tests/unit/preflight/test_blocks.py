"""Commands of a shell of their own in the middle of a script: the same output and status, and nothing leaks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.preflight.blocks import option_changes, own_block

AFTER = (
    '\necho "after $- $(set +o | grep pipefail) $(shopt -p xpg_echo)"\n'
    'env | sort | grep -vE "^(_|PWD|OLDPWD|SHLVL)="\n'
)


def bash(folder: Path, script: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", *options, "-c", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def assert_same(folder: Path, text: str, *, errexit: bool) -> None:
    """The block prints what the commands print, fails if they fail, and leaves the shell as it was."""
    (folder / "sub").mkdir(exist_ok=True)
    block = own_block(text, errexit=errexit, elsewhere=AFTER)
    alone = bash(folder, text, *(["-e"] if errexit else []))
    clean = bash(folder, "set -e\n" + AFTER)
    code, out = bash(folder, f"set -e\n{block}{AFTER}")
    if alone[0]:
        assert (bool(code), out) == (True, alone[1]), block
    else:
        assert (code, out) == (0, alone[1] + clean[1]), block


@pytest.mark.parametrize("errexit", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "echo a && echo b && echo c",
        "echo a && false && echo c",
        "false && echo b",
        "false; echo b",
        "echo a\nfalse\necho b",
        "false || echo b",
        "! true && echo b",
        "[ -f nothing ] && echo b",
        "[ -f nothing ] && echo b\necho c",
        "cd sub && pwd | sed 's|.*/||'",
        "export X=1 && echo $X",
        "X=1\necho $X",
        "set -eu\necho $NOT_SET\necho b",
        "set -o pipefail\nfalse | true\necho b",
        "set -euo pipefail\nfalse | true\necho b",
        "set -x\necho b",
        "shopt -s xpg_echo\necho 'a\\nb'",
        "exit 3",
        "exit 0\necho b",
        "if true; then false; echo c; fi",
        "for x in a b; do false; echo $x; done",
        "f() { false; echo $1; }\nf a && echo b",
        "trap 'echo bye' EXIT\necho a",
        "cat <<EOF && echo b\nhello\nEOF",
        "echo a > file && cat file",
        "{ false; echo b; } && echo c",
        "echo a && { false; echo b; }",
        "(false; echo b)",
        "echo a &\nwait",
        "echo 'open' \\\n",
        "# only a comment",
        "",
    ],
)
def test_blocks(tmp_path: Path, text: str, *, errexit: bool) -> None:
    assert_same(tmp_path, text, errexit=errexit)


_LINE = st.sampled_from(
    """true;;false;;echo a;;echo $X;;X=1;;Y=2;;export Z=3;;cd sub;;cd sub && echo in;;true && false;;false && true
    ! true;;false || echo b;;set -u;;set -e;;set +e;;set -euo pipefail;;f() { echo f; false; };;f;;f && echo c
    exit 0;;exit 2;;[ -d sub ] && echo d;;[ -d no ] && echo d;;if false; then echo e; fi;;while false; do :; done
    false | true;;if true; then false && true; fi;;true | false;;(exit 1);;{ false; };;# word;;unset X;;: ${X:?}
    false || ! true;;true && { false; echo h; };;true && (false; echo i);;echo g > sub/file && cat sub/file"""
    .replace("\n    ", ";;").split(";;")
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(_LINE, min_size=1, max_size=5), errexit=st.booleans())
def test_any_block(tmp_path: Path, lines: list[str], *, errexit: bool) -> None:
    assert_same(tmp_path, "\n".join(lines), errexit=errexit)


def test_a_chain_becomes_lines_only_where_that_says_the_same() -> None:
    assert own_block("a && b && c", errexit=False) == "a\nb\nc\n"
    assert own_block("x\na && b", errexit=True) == "x\na\nb\n"
    assert own_block("a && b\nx", errexit=True) == "a && b\nx\n"
    assert own_block("a && (b; c)", errexit=True) == "a\n(b; c)\n"
    for text in ("a && b || c", "a && b &", "a && ! b", "{ a; } && b", "f() { :; }\na && b", "a && cat <<E\nE\n"):
        assert "a\nb" not in own_block(text, errexit=True)
        assert text.rsplit("\n", 1)[-1] in own_block(text, errexit=True)


def test_what_is_added_to_path_is_for_everybody() -> None:
    line = 'export PATH="$HOME/.local/bin:$PATH"\n'
    assert own_block(line, errexit=True) == line
    assert own_block("export PATH=/only\n", errexit=True) == "(\nexport PATH=/only\n)\n"


def test_a_name_that_others_use_stays_inside() -> None:
    assert own_block("V=1\nx $V", errexit=True) == "V=1\nx $V\n"
    assert own_block("V=1\nx $V", errexit=True, elsewhere="y $V").startswith("(\n")
    assert own_block("V=1\nx $V", errexit=True, known=["V"]).startswith("(\n")


def test_alone_and_last() -> None:
    text = "export V=1\nexit 0\n"
    assert own_block(text, errexit=True, alone=True, last=True) == text
    assert own_block(text, errexit=True, alone=True).startswith("(\n")
    assert own_block("export V=1\n", errexit=False, alone=True) == "set +e\nexport V=1\n"
    assert own_block("set -eu\nexport V=1\n", errexit=False, alone=True) == "set -eu\nexport V=1\n"


def test_what_the_grammar_cannot_read_stays_together() -> None:
    assert own_block("if x; then (", errexit=True) == "(\nif x; then (\n)\n"
    assert option_changes("set -u\n")
    assert not option_changes("(set -u)\n")
