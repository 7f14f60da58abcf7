"""The page of words names things that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "vocabulary.md"
ROW = re.compile(
    r"^\| \*\*(?P<word>[^*]+)\*\* \| (?P<meaning>[^|]+) \| `(?P<name>[\w.]+)`(?: \(`(?P<member>\w+)`\))? \| [^|]+ \|$"
)
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| **")]


def test_every_word_has_a_row_of_four_columns() -> None:
    assert len(ROWS) > 40
    assert [row for row in ROWS if not ROW.match(row)] == []


def test_no_word_stands_twice() -> None:
    words = [match["word"] for row in ROWS if (match := ROW.match(row))]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("row", ROWS)
def test_its_name_in_the_code_exists(row: str) -> None:
    match = ROW.match(row)
    assert match
    found = _named(match["name"])
    if match["member"]:
        assert match["member"] in _members(found), row


def test_a_task_is_adopted_or_resumed_and_nothing_else() -> None:
    """Of the words that the page forbids this one has no other meaning that would excuse it."""
    root = PAGE.parents[1]
    files = [root / "README.md", *PAGE.parent.glob("*.md"), *(root / "agents_runner").rglob("*.py")]
    other = re.compile(
        r"\b(take|takes|taken|taking|took)\s+((it|them|the\s+(task|work))\s+)?up\b(?!\s+to\b)", re.IGNORECASE
    )
    texts = {path.name: path.read_text("utf-8") for path in files if path != PAGE}
    assert [name for name, text in texts.items() if other.search(text)] == []


def _named(name: str) -> object:
    """A module below the package, or something in one."""
    try:
        return importlib.import_module(f"agents_runner.{name}")
    except ModuleNotFoundError:
        module, _, leaf = name.rpartition(".")
        return getattr(importlib.import_module(f"agents_runner.{module}"), leaf)


def _members(found: object) -> set[str]:
    return {*dir(found), *getattr(found, "model_fields", {}), *getattr(found, "__dataclass_fields__", {})}
