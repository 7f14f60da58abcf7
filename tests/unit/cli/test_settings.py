"""`agents-runner settings`: what is printed, what is changed, and what is said of what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents_runner.app import build_services
from agents_runner.cli.main import run_command
from agents_runner.core.setting_rows import ROWS
from agents_runner.core.setting_values import setting_names
from agents_runner.store.paths import Paths

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AGENTS_RUNNER_HOME", str(tmp_path))
    found = Paths.find().settings
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def run(*words: str) -> int:
    return run_command(("settings", *words), build_services, lambda _name: 0)


def written(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def test_every_setting_has_its_row_and_its_line_in_the_documentation() -> None:
    assert {row.name for row in ROWS} == set(setting_names())
    text = DOCS.read_text("utf-8")
    assert [name for name in (*setting_names(), "agents") if f"`{name}`" not in text] == []


def test_all_are_printed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if len(line.split()) > 1)
    assert lines["theme"] == "system"
    assert lines["cache.max_age_days"] == "30"
    assert lines["cache.max_size_gb"] == "none"
    assert lines["cache.collect"] == "true"
    assert not file.exists()
    assert run("--json") == 0
    assert json.loads(capsys.readouterr().out)["cache"]["keep_per_environment"] == 2


def test_values_are_set_and_unknown_fields_stay(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(json.dumps({"version": 1, "later": {"a": 1}, "cache": {"kept": [2]}}))
    sets = ("theme=dark", "cache.max_size_gb=12.5", "cache.max_age_days=none", "cache.collect=no", "max_builds=3")
    assert run(*(word for one in sets for word in ("--set", one))) == 0
    out = capsys.readouterr().out
    assert "cache.max_size_gb: 12.5" in out
    assert "max_builds counts from the next start" in out
    found = written(file)
    assert found["theme"] == "dark"
    assert found["later"] == {"a": 1}
    assert (
        found["cache"] | {"kept": [2], "max_size_gb": 12.5, "max_age_days": None, "collect": False} == found["cache"]
    )


def test_an_agent_of_ones_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(json.dumps({"agents": {"mine": {"argv": ["old"], "login": [".mine/auth"], "note": "kept"}}}))
    assert run("--set", "agents.mine=mine 'two words' --file={prompt_file}") == 0
    assert written(file)["agents"]["mine"]["argv"] == ["mine", "two words", "--file={prompt_file}"]
    assert written(file)["agents"]["mine"]["login"] == [".mine/auth"]
    assert written(file)["agents"]["mine"]["note"] == "kept"
    assert "agents.mine: mine 'two words' --file={prompt_file}" in capsys.readouterr().out
    assert run("--set", "agents.mine=") == 0
    assert written(file)["agents"] == {}


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("max_build=2", 2, ("no setting 'max_build'", "Did you mean max_builds")),
        ("keep_per_environment=2", 2, ("cache.keep_per_environment",)),
        ("agents=x", 2, ("agents.NAME=",)),
        ("theme", 2, ("no assignment",)),
        ("theme=blue", 1, ("theme cannot be 'blue'.", "system, light, dark")),
        ("max_running_tasks=0", 1, ("cannot be '0'.", "from 1 to 200")),
        ("max_running_tasks=", 1, ("needs a number", "from 1 to 200")),
        ("max_running_tasks=many", 1, ("cannot be 'many'.",)),
        ("cache.max_size_gb=inf", 1, ("cannot be 'inf'.", "above 0 and up to 1000000, or none")),
        ("cache.max_size_gb=nan", 1, ("cannot be 'nan'.",)),
        ("cache.max_age_days=-1", 1, ("from 1 to 36500, or none",)),
        ("cache.collect=perhaps", 1, ("true or false",)),
        ("docker_host=somewhere", 1, ("docker_host cannot be 'somewhere'", "unix://")),
        ("agents.mine=say 'it", 1, ("open quote",)),
    ],
)
def test_a_bad_value_is_one_sentence_and_changes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, status: int, words: tuple[str, ...]
) -> None:
    assert run("--set", "max_builds=5", "--set", text) == status
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in words:
        assert word in said
    assert not file.exists()
