"""The examples of docs/import.md are what the program does, and its tables name what it knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents_runner.importers.actions import _MAKERS
from agents_runner.importers.discover import _CURSOR, _DEVCONTAINERS, _DOCKERFILES, _WORKFLOWS
from agents_runner.importers.features import _KNOWN
from tests.unit.importers.support import cached, draft, run, write

TEXT = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
EXAMPLES = {part.split("\n", 1)[0]: part for part in TEXT.split("### Example: ")[1:]}
FILE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.+?)```", re.DOTALL | re.MULTILINE)


def fenced(part: str, title: str) -> str:
    match = re.search(rf"^{title}:\n\n```bash\n(.+?)```", part, re.DOTALL | re.MULTILINE)
    assert match
    return match[1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(tmp_path: Path, name: str) -> None:
    part = EXAMPLES[name].split("\n## ", 1)[0]
    files = dict(FILE.findall(part))
    assert files
    found = draft(write(tmp_path, files))
    assert cached(found) == fenced(part, "Cached preflight")
    assert run(found) == fenced(part, "Run preflight")
    listed = re.search(r"^Report:\n\n((?:- .+\n)+)", part, re.MULTILINE)
    expected = [line.removeprefix("- ") for line in listed[1].splitlines()] if listed else []
    assert [gap.what for gap in found.report] == expected


def test_there_is_one_for_each_kind() -> None:
    assert len(EXAMPLES) >= 4


def test_places_actions_and_features_are_named() -> None:
    for path in (*_DEVCONTAINERS, _CURSOR, _WORKFLOWS[0], *_DOCKERFILES):
        assert f"`{path}`" in TEXT
    for feature in _KNOWN:
        assert feature.startswith("extra/") or f"`{feature}`" in TEXT
    rare = {"actions-rs/toolchain", "actions-rust-lang/setup-rust-toolchain", "awalsh128/cache-apt-pkgs-action"}
    for action in _MAKERS.keys() - rare:
        assert f"`{action}`" in TEXT or f"`-{action.removeprefix('actions/setup-')}`" in TEXT
