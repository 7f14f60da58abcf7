"""The one idea: caching decides when the cached preflight runs, never whether; four rows, the same task."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli, Done

CACHED = """#!/bin/bash
set -euo pipefail
mkdir -p /opt/tool && echo "tool 1" >/opt/tool/version
echo "in home" >"$HOME/from-cached"
export TOOL_HOME=/opt/tool
export PATH="$TOOL_HOME:$PATH"
export ODD="it's \\"odd\\" \\$HOME
second line  "
"""
FAILS_IN_BUILD = '[ "$AGENTS_RUNNER_STAGE" = run ] || { echo "no build today"; exit 7; }\n'
RUN = """export FROM_RUN="$TOOL_HOME/$AGENTS_RUNNER_TASK_ID"
echo "run: $FROM_RUN"
"""
PROMPT = """cat /opt/tool/version "$HOME/from-cached"
printf '%s|' "$TOOL_HOME" "$PATH" "$ODD" "${FROM_RUN%/*}" "$AGENTS_RUNNER" "$AGENTS_RUNNER_STAGE" "$REGION"
pwd
"""


def seen(done: Done) -> list[str]:
    """What the agent printed: the lines behind the run preflight's."""
    log = done.log
    at = next(number for number, line in enumerate(log) if line.startswith("run: "))
    return log[at + 1 :]


def test_the_agent_sees_the_same_in_all_four_rows(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(
        cache_container_build="false",
        cached_preflight_script=CACHED,
        run_preflight_script=RUN,
        env_vars__REGION="eu's",
    )
    off = cli("run", name, PROMPT, "--json")
    assert off.phase("build.env") == {}
    assert off.phase("preflight.cached")["state"] == "finished"
    assert off.phase("preflight.run")["state"] == "finished"

    make_environment(name, edit=True, cache_container_build="true")
    miss = cli("run", name, PROMPT, "--json")
    assert miss.phase("build.env")["cache"] == "built"
    assert miss.phase("preflight.cached") == {}

    hit = cli("run", name, PROMPT, "--json")
    assert hit.phase("build.env")["cache"] == "hit"
    assert hit.phase("preflight.cached") == {}

    make_environment(name, edit=True, cached_preflight_script=FAILS_IN_BUILD + CACHED)
    failed = cli("run", name, PROMPT, "--json")
    assert failed.phase("build.env")["cache"] == "fallback"
    assert failed.phase("build.env")["state"] == "failed"
    assert failed.phase("preflight.cached")["state"] == "finished"

    assert seen(off) == seen(miss) == seen(hit) == seen(failed)
    assert seen(off)[0] == "tool 1"
    assert 'it\'s "odd" $HOME' in "\n".join(seen(off))
    assert all(
        one.result["state"] == "succeeded" and one.result["exit_code"] == 0 for one in (off, miss, hit, failed)
    )


@pytest.mark.parametrize(
    ("script", "timeout"),
    [
        ("if [ $AGENTS_RUNNER_STAGE = build ]; then echo oops; exit 1; fi\n", "60"),
        ("if [ $AGENTS_RUNNER_STAGE = build ]; then kill -9 $$; fi\n", "60"),
        ("if [ $AGENTS_RUNNER_STAGE = build ]; then while :; do sleep 1; done; fi\n", "2"),
        ('if [ $AGENTS_RUNNER_STAGE = build ]; then eval "if then"; exit 2; fi\n', "60"),
    ],
    ids=["exit", "kill", "never-ending", "syntax"],
)
def test_f20_a_failing_build_never_fails_the_task(
    make_environment: MakeEnvironment, cli: Cli, script: str, timeout: str
) -> None:
    name = make_environment(cached_preflight_script=script + "echo made >/marker\n", build_timeout_s=timeout)
    done = cli("run", name, "cat /marker", "--json")
    assert done.result["state"] == "succeeded"
    assert done.phase("build.env")["cache"] == "fallback"
    assert done.log[-1] == "made"
    notices = [one["message"] for one in done.events if one["event"] == "notice"]
    assert any("could not be built" in notice and "runs at task start instead" in notice for notice in notices)
    task = cli("tasks", "show", done.result["task"], "--json").json
    assert any("could not be built" in notice for notice in task["notices"])


def test_a_syntax_error_falls_back_and_then_fails_where_it_stands(
    make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(cached_preflight_script="echo fine\nif then\n")
    done = cli("run", name, "true", "--json", check=False)
    assert done.phase("build.env")["cache"] == "fallback"
    assert done.phase("preflight.cached")["state"] == "failed"
    assert done.result["state"] == "failed"
    assert any("line 2" in line for line in done.result["tail"])


def test_a_failed_build_keeps_the_good_steps(make_environment: MakeEnvironment, cli: Cli) -> None:
    script = (
        "# step: good\necho x >>/count\n# step: bad\n"
        "[ $AGENTS_RUNNER_STAGE = run ] || exit 1\necho y >>/count\n# step: last\necho z >>/count\n"
    )
    name = make_environment(cached_preflight_script=script)
    done = cli("run", name, "cat /count", "--json")
    assert done.log[-3:] == ["x", "y", "z"]
    assert done.result["image"].startswith("agent-runner-env:")
    assert done.result["state"] == "succeeded"


def test_a_failing_run_preflight_fails_the_task_there(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(run_preflight_script="echo first\necho last words\nexit 9\n")
    done = cli("run", name, "echo agent", "--json", check=False)
    assert done.code == 9
    assert done.result["state"] == "failed"
    assert done.result["tail"] == ["first", "last words"]
    assert "run preflight" in done.result["error"]
    assert done.phase("preflight.run")["state"] == "failed"
    assert done.phase("agent") == {}


def test_preflight_off_runs_neither_script(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(
        preflight_enabled="false", cached_preflight_script="exit 1\n", run_preflight_script="exit 1\n"
    )
    done = cli("run", name, "echo agent", "--json")
    assert done.log == ["agent"]
    assert cli("env", "show", name, "--json").json["run_preflight_script"] == "exit 1\n"


def test_the_exit_code_is_the_agents(make_environment: MakeEnvironment, cli: Cli) -> None:
    done = cli("run", make_environment(), "exit 42", "--json", check=False)
    assert done.code == 42
    assert done.result["exit_code"] == 42
    assert done.result["state"] == "failed"


def test_an_image_that_vanishes_before_the_start_is_no_failure(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    name = make_environment(cached_preflight_script="echo made >/marker\n")
    cli("build", name)
    cli("clean")
    done = cli("run", name, "cat /marker", "--json")
    assert done.log[-1] == "made"
    assert done.phase("build.env")["cache"] == "built"
