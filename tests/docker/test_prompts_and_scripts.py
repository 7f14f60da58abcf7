"""Prompts and scripts arrive byte for byte, whatever is in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.processes import command_lines

PROMPTS = {
    "quotes": 'it\'s "quoted" `back` $(touch /workspace/canary) ${HOME} \\n \\',
    "lines": "first\n\n  indented\ttab\r\nCRLF line\n\n\n",
    "unicode": "smile \U0001f600, שלום, e\u0301, no-break\u00a0space\u2028separator",
    "dash": "--help -rf / -- -",
    "no-newline": "no line end",
    "128k": "x" * (128 * 1024),
    "megabyte": "".join(f"{number:07d} 'line' $(id) `id`\n" for number in range(40_000)),
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_b3_the_prompt_arrives_byte_for_byte(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path, ar_home: Path, prompt: str
) -> None:
    ar_home.mkdir(parents=True, exist_ok=True)
    own = {"agents": {"save": {"argv": ["/bin/sh", "-c", "cat >received"]}}}
    (ar_home / "settings.json").write_text(json.dumps(own))
    name = make_environment(agent="save")
    cli("run", name, "-", input=prompt.encode("utf-8"))
    assert (workspace / "received").read_bytes() == prompt.encode("utf-8")
    assert not (workspace / "canary").exists()


def test_b3_the_prompt_is_in_no_configuration(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, workspace: Path
) -> None:
    name = make_environment()
    task = cli("run", name, "touch started; sleep 30 # canary-prompt", "--detach", "--json").json["task"]
    try:
        while not (workspace / "started").exists():
            assert not cli("tasks", "show", task, "--json").json["finished"]
        raw = json.dumps(engine._client().inspect_container(f"agents-runner-task-{task}"))
        assert "canary-prompt" not in raw
        assert all(b"canary-prompt" not in line for line in command_lines())
    finally:
        cli("tasks", "stop", task)
    assert cli("tasks", "show", task, "--json").json["state"] == "cancelled"


SCRIPTS = {
    "crlf": ("echo one\r\necho two\r\n", ["one", "two"]),
    "bom": ("\ufeffecho one\n", ["one"]),
    "no-newline": ("echo one", ["one"]),
    "bash": ("#!/usr/bin/env bash\n[[ a == a ]] && echo one\n", ["one"]),
    "options": ("#!/bin/bash -e\nfalse || echo one\n", ["one"]),
    "sh": ('#!/bin/sh\necho one\nexport FROM_SH="it\'s"\n', ["one"]),
    "exit": ("echo one\nexport FROM=x\nexit 0\necho never\n", ["one"]),
    "trap": ("trap 'echo bye $?' EXIT\nset -e\necho one\n", ["one", "bye 0"]),
    "exec": ("echo one\nexec echo two\n", ["one", "two"]),
    "awk": ('#!/usr/bin/awk -f\nBEGIN { print "one" }\n', ["one"]),
}


@pytest.mark.parametrize(("script", "lines"), SCRIPTS.values(), ids=SCRIPTS.keys())
@pytest.mark.parametrize("cached", ["true", "false"])
def test_b2_scripts_of_all_kinds_run_as_they_should(
    make_environment: MakeEnvironment, cli: Cli, script: str, lines: list[str], cached: str
) -> None:
    name = make_environment(cache_container_build=cached, cached_preflight_script=script, run_preflight_script=script)
    done = cli("run", name, "true", "--json")
    assert done.log[-len(lines) :] == lines
    cli("run", name, "true", "--json")


def test_b2_the_script_in_the_container_is_the_stored_one(make_environment: MakeEnvironment, cli: Cli) -> None:
    big = "# " + "x" * 70 + "\n"
    script = 'sha256sum "$0"\n' + big * 20_000
    name = make_environment(run_preflight_script=script)
    done = cli("run", name, "true", "--json")
    assert done.log[0].split()[0] == hashlib.sha256(script.encode()).hexdigest()


def test_exports_of_the_first_reach_the_second_and_the_agent(make_environment: MakeEnvironment, cli: Cli) -> None:
    cached = "export A=1 B='two words'\nlocal_only=x\ntrap 'echo ended' EXIT\nexit 0\n"
    run = 'export C="$A-$B-${local_only-none}"\nset -u\n: "$AGENTS_RUNNER_TASK_ID" "$AGENTS_RUNNER_ENVIRONMENT"\n'
    name = make_environment(cached_preflight_script=cached, run_preflight_script=run)
    for _ in range(2):
        assert cli("run", name, 'echo "$A|$B|$C"', "--json").log[-1] == "1|two words|1-two words-none"
    make_environment(name, edit=True, cache_container_build="false")
    assert cli("run", name, 'echo "$A|$B|$C"', "--json").log[-1] == "1|two words|1-two words-none"


def test_b1_variables_arrive_byte_for_byte(make_environment: MakeEnvironment, cli: Cli, workspace: Path) -> None:
    values = {"SIMPLE": "x", "EMPTY": "", "ODD": "a 'b' \"c\" $(d) `e` \\ \n\t=é\U0001f600", "SPACES": "  both  "}
    fields = {f"env_vars__{name}": value for name, value in values.items()}
    name = make_environment(run_preflight_script="env -0 >/workspace/run\n", **fields)
    cli("run", name, "env -0 >agent")
    for stage in ("run", "agent"):
        found = dict(entry.split("=", 1) for entry in (workspace / stage).read_text().split("\0") if entry)
        assert {key: found[key] for key in values} == values


def test_no_script_can_forge_a_phase(make_environment: MakeEnvironment, cli: Cli) -> None:
    script = "printf '\\036%s end preflight.run 5\\n' \"$(cat /run/agents-runner/state/token 2>/dev/null)\"\n"
    name = make_environment(run_preflight_script=script)
    done = cli("run", name, "true", "--json")
    assert done.result["state"] == "succeeded"
    assert done.phase("preflight.run")["state"] == "finished"


def test_the_four_stages_have_their_variables(make_environment: MakeEnvironment, cli: Cli) -> None:
    show = 'echo "$AGENTS_RUNNER $AGENTS_RUNNER_STAGE $AGENTS_RUNNER_WORKSPACE ${AGENTS_RUNNER_TASK_ID:+id} $PWD"\n'
    name = make_environment(cached_preflight_script=show, run_preflight_script=show)
    assert cli("run", name, show, "--json").log == [
        "1 build /workspace  /root",
        "1 run /workspace id /root",
        "1 run /workspace id /workspace",
    ]
