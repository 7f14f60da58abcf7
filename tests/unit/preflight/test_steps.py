"""Steps: where marks cut, what each piece carries, and that nothing is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents_runner.preflight.steps import Step, split_steps

PROLOGUE = "#!/bin/bash\nset -euo pipefail\nshopt -s extglob\n\n"


def named(text: str) -> list[str]:
    return [step.name for step in split_steps(text)]


def test_without_marks_it_is_one_step_with_the_same_text() -> None:
    text = "#!/bin/bash\nset -e\necho step: no\n"
    assert split_steps(text) == (Step(name="", text=text),)
    assert split_steps("") == (Step(name="", text=""),)


def test_each_step_gets_the_prologue_and_keeps_its_line_numbers() -> None:
    text = f"{PROLOGUE}# step: tools\necho one\n\n# step: agents\necho two"
    first, second = split_steps(text)
    assert first == Step(name="tools", text=f"{PROLOGUE}# step: tools\necho one\n\n")
    assert second == Step(name="agents", text=f"{PROLOGUE}\n\n\n# step: agents\necho two")


def test_bash_reports_the_lines_of_the_whole_script() -> None:
    text = f"{PROLOGUE}# step: a\necho $LINENO\n# step: b\n\necho $LINENO\n"
    for step in split_steps(text):
        done = subprocess.run(["bash", "-c", step.text], capture_output=True, text=True, check=True)
        line = int(done.stdout)
        assert text.split("\n")[line - 1] == "echo $LINENO"
    assert [s.text.split("\n").index("echo $LINENO") + 1 for s in split_steps(text)] == [6, 9]


def test_what_stands_before_the_first_mark_is_a_step_of_its_own() -> None:
    text = "set -e\nFOO=1\nset -x\n# step: more\necho\n# step: start\necho\n"
    steps = split_steps(text)
    assert [s.name for s in steps] == ["start", "more", "start (2)"]
    assert steps[0].text == "set -e\nFOO=1\nset -x\n"
    assert steps[1].text == "set -e\n\n\n# step: more\necho\n"


def test_names_are_distinct() -> None:
    text = "# step: a\nx\n# step: a (2)\nx\n# step: a\nx\n# step:  spaced  out \nx\n"
    assert named(text) == ["a", "a (2)", "a (3)", "spaced  out"]


def test_empty_steps_are_dropped_unless_nothing_else_is_there() -> None:
    assert named("# step: a\n# only words\n# step: b\nx\n# step: c\n") == ["b"]
    text = "set -e\n# step: a\n# step: b\n"
    assert split_steps(text)[0].name in {"a", "start"}
    only = "# words\n# step: a\n# step: b\n"
    assert split_steps(only) == (Step(name="a", text=only),)


@pytest.mark.parametrize(
    "text",
    [
        "cat <<EOF\n# step: in a here-document\nEOF\n",
        "cat <<-'EOF' | sort\n\t# step: in a here-document\n\tEOF\n",
        "echo 'a\n# step: in a string\n'\n",
        "if true; then\n# step: in a block\n:\nfi\n",
        "f() {\n# step: in a function\n:\n}\n",
        "echo a \\\n# step: behind a continuation\n",
        "true &&\n# step: in a chain\ntrue\n",
        "ls |\n# step: in a pipeline\ncat\n",
        "(\n# step: in a subshell\n:\n)\n",
        "case a in\n# step: in a case\na) ;;\nesac\n",
        "echo $(\n# step: in a substitution\nls)\n",
        "x=(\n# step: in an array\na b)\n",
        "echo a # step: behind a command\n",
        "# step:\n",
        "# steps: a\n",
    ],
)
def test_no_mark(text: str) -> None:
    assert split_steps(text) == (Step(name="", text=text),)


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/env python3\n# step: a\nprint()\n# step: b\nprint()\n",
        "echo a\n# step: a\nif true; then\n# step: b\n",
        "cat <<EOF\n# step: never closed\n",
        "# step: a\n)\n# step: b\n",
    ],
)
def test_what_cannot_be_understood_stays_whole(text: str) -> None:
    assert split_steps(text) == (Step(name="", text=text),)


def test_a_comment_is_never_continued() -> None:
    assert named("echo a\n# words \\\n# step: b\necho b\n") == ["start", "b"]


def test_options_with_an_expansion_are_not_prologue() -> None:
    assert split_steps("set -- $(date)\n# step: a\necho\n")[1].text == "\n# step: a\necho\n"
    assert split_steps("set -e; echo\n# step: a\necho\n")[1].text == "\n# step: a\necho\n"
    assert split_steps("set -e;\n# step: a\necho\n")[0].text == "set -e;\n# step: a\necho\n"


def test_the_grammar_is_not_loaded_without_marks() -> None:
    code = (
        "import sys\nfrom agents_runner.preflight.steps import split_steps\n"
        "split_steps('echo')\nassert not any('tree_sitter' in name for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


BLOCKS = st.sampled_from(
    [
        "echo plain",
        "# words",
        "",
        "set -x",
        "shopt -s nullglob",
        "cat <<EOF\n# step: no\nEOF",
        "cat <<A <<'B'\n# step: no\nA\n# step: no\nB",
        "if true; then\n  # step: no\n  echo\nfi",
        "f() {\n# step: no\n:\n}",
        "echo a \\\n  b \\\n# step: no",
        "true && \\\n  # step: no\n  true",
        "x='\n# step: no\n'",
        'y="$(\n# step: no\nls)"',
        "echo ünïcode 漢字",
        "ls | while read -r a; do\n# step: no\necho $a; done",
        "( cd /tmp\n# step: no\n)",
        "# step: first",
        "# step: second",
        "\t#step:third",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(BLOCKS, max_size=14), st.booleans())
def test_nothing_is_lost_moved_or_torn(blocks: list[str], shebang: bool) -> None:
    text = ("#!/bin/bash\n" if shebang else "") + "\n".join(blocks) + "\n"
    steps = split_steps(text)
    lines = text.split("\n")
    seen = {
        number
        for step in steps
        for number, line in enumerate(step.text.split("\n"))
        if line and line == lines[number] and number < len(lines)
    }
    dropped = [line for number, line in enumerate(lines) if line and number not in seen]
    assert all(line.lstrip().startswith("#") for line in dropped)
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        # Every line stands where it stood, or is padding.
        assert all(not line or line == lines[number] for number, line in enumerate(step.text.split("\n")))
        assert step.text.startswith("#!") == shebang
        assert not any(mark in step.name for mark in ("no",))
        assert subprocess.run(["bash", "-n", "-c", step.text], capture_output=True).returncode == 0


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab#:\n \\'\"$(){}<>&|;`step", max_size=60))
def test_any_text_gives_steps(tail: str) -> None:
    text = f"echo\n# step: one\n{tail}\n# step: two\necho\n"
    steps = split_steps(text)
    assert steps
    assert all(len(step.text.split("\n")) <= len(text.split("\n")) for step in steps)
