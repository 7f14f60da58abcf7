"""The launcher's marks in any chunking, and the files of a control folder."""

from __future__ import annotations

import subprocess

from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.events import LogLine
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.launcher.files import LauncherPlan, Stage, control_files, recipe
from agents_runner.launcher.protocol import CUT, MAX_LINE, Mark, OutputParser

TOKEN = "00112233445566778899aabbccddeeff"
lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x1e"), max_size=20), max_size=8)


def parse(data: bytes, cuts: list[int]) -> list[LogLine | Mark]:
    parser, found, start = OutputParser(TOKEN), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        found += list(parser.feed("stdout", data[start:cut]))
        start = cut
    return found + list(parser.finish())


@given(lines, st.lists(st.integers(0, 10_000), max_size=10))
def test_any_chunking_gives_the_same_lines(texts: list[str], cuts: list[int]) -> None:
    data = "".join(f"{text}\n" for text in texts).encode()
    assert parse(data, cuts) == [LogLine(stream="stdout", line=text) for text in texts]


@given(st.lists(st.integers(0, 200), max_size=6))
def test_marks_are_found_wherever_they_start(cuts: list[int]) -> None:
    data = f"one\n\x1e{TOKEN} begin agent\nno end\x1e{TOKEN} end agent 0\n\x1eother begin agent\n".encode()
    assert parse(data, cuts) == [
        LogLine(stream="stdout", line="one"),
        Mark(word="begin", rest="agent"),
        LogLine(stream="stdout", line="no end"),
        Mark(word="end", rest="agent 0"),
        LogLine(stream="stdout", line="\x1eother begin agent"),
    ]


def test_a_mark_on_stderr_is_a_line() -> None:
    text = f"\x1e{TOKEN} begin agent\n"
    assert list(OutputParser(TOKEN).feed("stderr", text.encode())) == [LogLine(stream="stderr", line=text[:-1])]


def test_a_line_without_end_is_cut_and_no_byte_stops_it() -> None:
    found = parse(b"x" * (MAX_LINE * 2 + 5) + b"\xff\xfe\n" + bytes(range(256)), [])
    assert isinstance(found[0], LogLine)
    assert found[0].line == "x" * MAX_LINE + CUT
    assert len(found) > 3


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=5))
def test_l4_any_bytes_in_any_chunking(data: bytes, cuts: list[int]) -> None:
    assert parse(data, cuts) == parse(data, [])


def plan(**fields: object) -> LauncherPlan:
    return LauncherPlan(token=TOKEN, kind="task", uid=1000, gid=1000, **fields)  # type: ignore[arg-type]


def test_the_plan_is_a_script_that_sh_reads() -> None:
    agent = AgentLaunch(
        name="x",
        argv=("my agent", "it's $HOME `id`", "{prompt_file}"),
        environment={"A": 'a"b$c`d}e'},
        files={"x.sh": "echo\n"},
    )
    made = control_files(
        plan(
            variables={"V": "it's\n$(id)"},
            stages=(
                Stage(phase="preflight.cached", scripts=("#!/usr/bin/python3 -u\n", "echo\n")),
                Stage(phase="preflight.run", scripts=("x\n",)),
            ),
            login={".codex/auth.json": b"{}"},
            agent=agent,
            prompt=b"\x00\xff any bytes",
        )
    )
    text = made["in/plan.sh"].decode()
    shown = 'ar_identity() { ar_plan_variables; ar_plan_agent; printf "%s|" "$V" "$A"; }\n'
    calls = "".join(
        f'{name}() {{ printf "%s|" {name} "$@"; }}\n'
        for name in ("ar_workspace", "ar_begin", "ar_end", "ar_script", "ar_seed", "ar_agent")
    )
    done = subprocess.run(["sh", "-c", shown + calls + text], capture_output=True, text=True, check=True)
    assert done.stdout.split("|") == [
        "it's\n$(id)", "a\"b$c`d}e", "ar_workspace",
        "ar_begin", "preflight.cached", "ar_script", "00", "other", "/usr/bin/python3", "-u",
        "ar_script", "01", "default",
        "ar_end", "preflight.cached", "ar_seed", "login/00", ".codex/auth.json",
        "ar_begin", "preflight.run", "ar_script", "02", "default", "ar_end", "preflight.run",
        "ar_agent", "my agent", "it's $HOME `id`", "/run/agents-runner/in/prompt", "",
    ]  # fmt: skip
    assert made["in/prompt"] == b"\x00\xff any bytes"
    assert made["in/scripts/02"] == b"x\n"
    assert made["in/x.sh"] == b"echo\n"


def test_a_person_own_variable_wins_over_the_agents_default() -> None:
    made = control_files(plan(agent=AgentLaunch(name="x", argv=("x",), environment={"A": "default"})))
    text = (
        made["in/plan.sh"].decode().split("ar_identity")[0]
        + 'A=mine; ar_plan_agent; echo "$A"; unset A; ar_plan_agent; echo "$A"\n'
    )
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mine", "default"]


def test_the_recipe_is_the_programs() -> None:
    assert len(recipe()) == 64
