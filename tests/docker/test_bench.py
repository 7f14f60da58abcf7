"""`bench startup` measures what it says: every list has its runs, nothing of it stays behind."""

from __future__ import annotations

import statistics

from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli


def test_the_promised_figures(make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine) -> None:
    name = make_environment(cached_preflight_script="sleep 2\necho done >/done\n", agent="codex")
    before = {one.name for one in engine.list_containers({})}
    shown = cli("bench", "startup", name, "--runs", "3", "--json").json
    assert {key: len(value) for key, value in shown.items() if isinstance(value, list)} == {
        "bare_s": 3,
        "bare_shared_s": 3,
        "bare_apart_s": 3,
        "cached_s": 3,
        "uncached_s": 3,
        "decide_ms": 30,
    }
    median = {key: statistics.median(value) for key, value in shown.items() if isinstance(value, list)}
    assert abs(shown["ratio_cached_to_bare"] - median["cached_s"] / median["bare_s"]) < 0.01
    assert abs(shown["ratio_uncached_to_cached"] - median["uncached_s"] / median["cached_s"]) < 0.01
    assert median["uncached_s"] > 2 + median["bare_s"] / 2
    assert median["cached_s"] < 2
    assert cli("tasks", "list", "--json").json == []
    assert {one.name for one in engine.list_containers({})} == before
    assert abs(shown["ratio_apart_to_shared"] - median["bare_apart_s"] / median["bare_shared_s"]) < 0.01
    assert shown["bare_s"] == shown["bare_shared_s"]
    table = cli("bench", "startup", name, "--runs", "1").out
    assert "cached / bare" in table
    assert "network apart / shared" in table


def test_a_start_is_compared_with_a_bare_container_on_its_own_network(
    make_environment: MakeEnvironment, cli: Cli
) -> None:
    name = make_environment(cached_preflight_script="echo done >/done\n", profile="strict", workspace="none")
    shown = cli("bench", "startup", name, "--runs", "1", "--json").json
    assert shown["bare_s"] == shown["bare_apart_s"] != shown["bare_shared_s"]


def test_what_cannot_be_measured_is_said(make_environment: MakeEnvironment, cli: Cli) -> None:
    empty = make_environment("empty")
    failed = cli("bench", "startup", empty, "--json", check=False)
    assert (failed.code, failed.json["error"]["field"]) == (1, "cached_preflight_script")
    broken = make_environment("broken", cached_preflight_script="exit 3\n")
    failed = cli("bench", "startup", broken, "--json", check=False)
    assert failed.json["error"]["code"] == "build-failed"
    assert cli("bench", "startup", broken, "--runs", "0", check=False).code != 0
