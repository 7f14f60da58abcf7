"""`preflight split | check | test` as a person calls them; the test runs with a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli

SCRIPT = """#!/bin/bash
set -e
echo tool > /opt/tool
export TOOL=/opt/tool
echo "task $AGENTS_RUNNER_TASK_ID" > "$AGENTS_RUNNER_WORKSPACE/task.txt"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "setup.sh"
    path.write_text(SCRIPT)
    return path


def test_split_prints_the_promised_json(cli: Cli, script: Path) -> None:
    value = cli("preflight", "split", str(script), "--json").json
    assert set(value) == {"cached", "run", "statements"}
    assert "".join(one["text"] for one in value["statements"]) == SCRIPT
    assert {one["stage"] for one in value["statements"]} == {"cached", "run", "both"}
    assert set(value["statements"][0]) == {"text", "start_line", "end_line", "stage", "reason", "certain"}
    assert "echo tool" in value["cached"]
    assert "task.txt" in value["run"]


def test_split_reads_standard_input_and_shows_reasons(cli: Cli) -> None:
    done = cli("preflight", "split", "-", input=SCRIPT)
    assert "It reads AGENTS_RUNNER_TASK_ID, which only a task has." in done.out
    assert "===== cached preflight" in done.out


def test_split_writes_files_and_overwrites_none(cli: Cli, script: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    cli("preflight", "split", str(script), "--output", str(folder))
    assert "echo tool" in (folder / "cached.sh").read_text()
    assert "task.txt" in (folder / "run.sh").read_text()
    again = cli("preflight", "split", str(script), "--output", str(folder), "--json", check=False)
    assert again.code == 1
    assert again.json["error"]["message"].endswith("is there already.")


def test_check_warns_and_never_fails(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.sh"
    path.write_bytes(b"apt-get install git\r\nif true; then\r\n# step: inside\r\nfi\r\n")
    value = cli("preflight", "check", str(path), "--stage", "cached", "--json").json
    assert {"crlf", "confirm", "apt-update", "step-mark"} <= {one["rule"] for one in value["warnings"]}
    assert all(one["line"] >= 1 and one["message"] for one in value["warnings"])
    path.write_text("if true; then\n")
    value = cli("preflight", "check", str(path), "--json").json
    assert "syntax" in {one["rule"] for one in value["warnings"]}


@pytest.mark.parametrize("command", ["split", "check"])
def test_a_file_that_cannot_be_read_is_named(cli: Cli, command: str, tmp_path: Path) -> None:
    done = cli("preflight", command, str(tmp_path / "none.sh"), "--json", check=False)
    assert done.code == 1
    assert "none.sh" in done.json["error"]["message"]
    binary = tmp_path / "binary.sh"
    binary.write_bytes(b"\xff\xfe\x00")
    done = cli("preflight", command, str(binary), "--json", check=False)
    assert done.code == 1
    assert done.json["error"]["field"] == "file"


def test_a_test_runs_both_scripts_as_a_task_would(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    name = make_environment(
        cached_preflight_script="echo cached-here; export FROM_CACHED=yes",
        run_preflight_script='echo "run: $FROM_CACHED $AGENTS_RUNNER_STAGE"; touch "$AGENTS_RUNNER_WORKSPACE/run"',
    )
    first = cli("preflight", "test", name, "--json")
    assert first.phase("build.env")["cache"] == "built"
    assert first.phase("preflight.run")["state"] == "finished"
    assert first.phase("agent") == {}
    assert "run: yes run" in first.log
    assert first.result["state"] == "succeeded"
    assert (workspace / "run").exists()

    assert cli("preflight", "test", name, "--json").phase("build.env")["cache"] == "hit"
    # What a test built is what a task uses.
    assert cli("run", name, "true", "--json").phase("build.env")["cache"] == "hit"

    fresh = cli("preflight", "test", name, "--fresh", "--json")
    assert fresh.phase("build.env") == {}
    assert fresh.phase("preflight.cached")["state"] == "finished"
    assert "cached-here" in fresh.log
    tasks = cli("tasks", "list", "--json").json
    assert [one["prompt"] for one in tasks if not one["agent"]] == [
        "Test preflight, without cached layers",
        *["Test preflight, as a task would run it"] * 2,
    ]


def test_a_test_says_where_it_failed(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script="true", run_preflight_script="echo last words; exit 7")
    done = cli("preflight", "test", name, check=False)
    assert done.code == 7
    assert "-- preflight.run: failed" in done.out
    assert "The run preflight ended with exit code 7." in done.err
    assert "last words" in done.out


def test_all_environments_are_tested(make_environment: MakeEnvironment, cli: Cli) -> None:
    make_environment("good", run_preflight_script="echo good-one")
    make_environment("bad", run_preflight_script="exit 3")
    make_environment("empty")
    done = cli("preflight", "test", "--all", check=False)
    assert done.code == 1
    assert "===== good" in done.out
    assert "===== bad" in done.out
    assert "===== empty" not in done.out
    assert "good-one" in done.out
    assert cli("preflight", "test", "empty", "--json", check=False).code == 1
    assert cli("preflight", "test", check=False).code == 2
