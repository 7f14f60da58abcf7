"""The pages of docs/ and the README name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TESTS = {path.name for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_tests_that_exist(page: Path) -> None:
    named = set(re.findall(r"\btest_\w+\.py\b", page.read_text("utf-8")))
    assert sorted(named - TESTS) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_paths_that_exist(page: Path) -> None:
    named = re.findall(r"(?<![\w/.-])((?:tests|scripts|docs|requirements)/[\w./*-]*\w)", page.read_text("utf-8"))
    assert sorted(name for name in set(named) if not list(ROOT.glob(name))) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_links_to_files_that_exist(page: Path) -> None:
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert sorted(target for target in set(linked) if not (page.parent / target).exists()) == []


def test_the_readme_links_to_every_page() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text] == []


def test_where_a_test_stands_is_told_truly() -> None:
    """`test_x.py` in `tests/unit/...`: it is in that very folder."""
    for page in PAGES:
        for name, folder in re.findall(r"`(test_\w+\.py)` in `(tests/[\w/]+)`", page.read_text("utf-8")):
            assert (ROOT / folder / name).is_file(), f"{page.name}: {name} is not in {folder}"
