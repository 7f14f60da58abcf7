"""Our own two programs: the shell agent and the demo agent, in each shell that this machine has."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from agents_runner.agents import registry
from agents_runner.core.settings import Settings
from agents_runner.core.task_plan import AgentLaunch
from tests.unit.agents.stubs import Container, Started

SHELLS = [shell for shell in ("dash", "bash", "busybox", "mksh") if shutil.which(shell)]
VARIABLES = {
    "AGENTS_RUNNER": "1",
    "AGENTS_RUNNER_STAGE": "run",
    "AGENTS_RUNNER_WORKSPACE": "/workspace",
    "AGENTS_RUNNER_TASK_ID": "0123456789ab",
    "AGENTS_RUNNER_ENVIRONMENT": 'My "best" $(id) one',
}


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(folder=tmp_path).make()


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, container: Container) -> list[str]:
    """The words that stand for /bin/sh."""
    words = {"bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}.get(request.param, [request.param])
    return [str(shutil.which(words[0])), *words[1:]]


def run(
    container: Container, name: str, sh: list[str], prompt: str, variables: dict[str, str] | None = None
) -> Started:
    launch = registry.launch(registry.resolve(name, Settings()), args=(), home=container.folder, environ={})
    assert launch.argv[0] == "/bin/sh"
    changed: AgentLaunch = launch.model_copy(update={"argv": (*sh, *launch.argv[1:])})
    return container.start(changed, prompt.encode(), variables)


SCRIPTS = {
    "bash without being asked": ("[[ x == x ]] && echo ${BASH_VERSION:+bash}; exit 3", 3, "bash\n"),
    "sh": ("#!/bin/sh\necho \"$0\" | sed 's,.*/,,'; exit 4", 4, "prompt\n"),
    "options": ("#! /bin/bash -eu  \nfalse; echo no", 1, ""),
    "env": ("#!/usr/bin/env bash\necho ${BASH_VERSION:+bash}", 0, "bash\n"),
    "env -S": ("#!/usr/bin/env -S bash -e\nfalse; echo no", 1, ""),
    "another language": (f"#!{sys.executable}\nimport sys\nprint('python')\nsys.exit(5)", 5, "python\n"),
    "one argument": ("#!/bin/echo two  words ", 0, "two  words "),
    "a bash that lies elsewhere": ("#!/opt/nowhere/bash\necho ${BASH_VERSION:+bash}", 0, "bash\n"),
    "nothing behind #!": ("#!\necho sh", 0, "sh\n"),
    "no input": ("cat; read -r x || echo none", 0, "none\n"),
    "in the workspace": ("touch here; ls", 0, "here\n"),
    "a signal": ("kill -9 $$", -9, ""),
    "empty": ("", 0, ""),
    "no line end": ("#!/bin/sh", 0, ""),
}


@pytest.mark.parametrize(("script", "code", "out"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_the_prompt_is_a_script(container: Container, sh: list[str], script: str, code: int, out: str) -> None:
    done = run(container, "shell", sh, script)
    assert done.code == code
    assert done.out.removesuffix(f"{container.folder}/in/prompt\n") == out


def test_a_script_for_a_program_that_is_not_there(container: Container, sh: list[str]) -> None:
    done = run(container, "shell", sh, "#!/opt/nowhere/ruby\nputs 1\n")
    assert (done.code, done.out) == (127, "")
    assert done.err == "The script asks for /opt/nowhere/ruby, which this image does not have.\n"


def test_a_long_script(container: Container, sh: list[str]) -> None:
    script = ": 'a comment that is long enough'\n" * 32_000 + "echo end\n"
    assert run(container, "shell", sh, script).out == "end\n"


def test_the_demo_leaves_the_prompt_and_our_variables(container: Container, sh: list[str]) -> None:
    prompt = "Say \\n hello, `id` $(id) %s\nsecond line\n\n  last, without an end"
    done = run(container, "demo", sh, prompt, VARIABLES)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "Hello, I am the demo agent. You asked: Say \\n hello, `id` $(id) %s"
    assert str(container.workspace) in lines[1]
    assert "task 0123456789ab" in lines[1]
    assert VARIABLES["AGENTS_RUNNER_ENVIRONMENT"] in lines[1]
    assert lines[2].startswith("Tools that I found:")
    left = (container.workspace / "agents-runner-demo.txt").read_text()
    assert left.startswith(prompt)
    assert left.splitlines()[-5:] == [f"{name}={value}" for name, value in VARIABLES.items()]


def test_the_demo_needs_no_tool(container: Container, sh: list[str]) -> None:
    launch = registry.launch(registry.resolve("demo", Settings()), args=(), home=container.folder, environ={})
    text = launch.files["demo.sh"].replace("#!/bin/sh\n", "#!/bin/sh\nPATH=/nowhere\n")
    changed = launch.model_copy(update={"argv": (*sh, *launch.argv[1:]), "files": {"demo.sh": text}})
    done = container.start(changed, b"one\ntwo", VARIABLES)
    assert (done.code, done.err) == (0, "")
    assert "Tools that I found: none" in done.out
    left = (container.workspace / "agents-runner-demo.txt").read_text()
    assert left.startswith("one\ntwo\n\nAGENTS_RUNNER=1\n")


def test_the_demo_says_that_it_cannot_write(container: Container, sh: list[str]) -> None:
    (container.workspace / "agents-runner-demo.txt").mkdir()
    done = run(container, "demo", sh, "hello", VARIABLES)
    assert done.code == 1
    assert "I wrote" not in done.out
    assert "cannot write agents-runner-demo.txt" in done.err
