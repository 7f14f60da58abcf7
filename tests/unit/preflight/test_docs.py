"""The examples of the documents are what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents_runner.preflight.split import split
from agents_runner.preflight.validate import check

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = re.compile(
    r"### (?P<title>[^\n]+)\n\nBefore:\n\n```bash\n(?P<before>.+?)```"
    r"\n\nCached preflight:\n\n```bash\n(?P<cached>.+?)```"
    r"\n\nRun preflight:\n\n```bash\n(?P<run>.+?)```",
    re.DOTALL,
)
EXAMPLES = list(EXAMPLE.finditer((DOCS / "migration.md").read_text(encoding="utf-8")))
FENCE = re.compile(r"```bash\n(.+?)```", re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[one["title"] for one in EXAMPLES])
def test_a_worked_example_is_what_the_splitter_gives(example: re.Match[str]) -> None:
    result = split(example["before"])
    assert result.cached == example["cached"]
    assert result.run == example["run"]


def test_there_are_worked_examples() -> None:
    assert len(EXAMPLES) >= 3


def test_the_good_scripts_have_no_warnings() -> None:
    cached, run = FENCE.findall((DOCS / "preflight.md").read_text(encoding="utf-8"))[:2]
    assert check(cached, "cached") == ()
    assert check(run, "run", before=cached) == ()


def test_every_rule_is_in_the_table() -> None:
    """And every rule of the table is one of the program's."""
    text = (DOCS / "preflight.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `") and line.count("|") == 3]
    listed = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    sources = Path(__file__).parents[3] / "agents_runner/preflight"
    known: set[str] = set()
    for path in (*sources.glob("rules_*.py"), sources / "external.py", sources / "validate.py"):
        code = path.read_text(encoding="utf-8")
        known |= set(re.findall(r'rule="([a-z-]+)"', code)) | set(re.findall(r'About\.\w+: \(\s*"([a-z-]+)"', code))
    assert listed == known
