"""The figures about the code in docs/architecture.md: what is counted, and that the page has them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = '''"""A module."""
from collections.abc import Callable


class Thing:
    name: str
    made: Callable[[str], int]
    told: Callable[[], None] | None = None

    @property
    def long(self) -> int:
        def inner() -> int:
            return 1

        return inner()
'''


@pytest.fixture(scope="module")
def measure_code() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_code", ROOT / "scripts/measure_code.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its values are dataclasses, which look for their own module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_what_is_counted(measure_code: ModuleType, tmp_path: Path) -> None:
    for name in ("a.py", "images/build.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SOURCE)
    (tmp_path / "a.txt").write_text("no code")
    modules = measure_code.here(tmp_path)
    assert sorted(modules) == ["a.py", "images/build.py"]
    assert modules["a.py"].lines == 15
    assert sorted(modules["a.py"].functions) == [("inner", 2), ("long", 5)]
    found = measure_code.figures(modules)
    assert (found["files"], found["lines"], found["functions"]) == ("2", "30", "4")
    assert found["fields that hold an anonymous callable"] == "4"
    assert found["`images/build.py` (building a layer)"] == "15"
    assert found["`build_services`"] == "-"
    assert set(measure_code.EXPECTED) <= set(found), "an expectation of nothing that is measured"


def test_the_page_has_every_figure_and_its_command(measure_code: ModuleType) -> None:
    page = measure_code.PAGE.read_text(encoding="utf-8")
    for figure in measure_code.figures(measure_code.here(ROOT / "agents_runner")):
        assert f"\n| {figure} | " in page
    assert "scripts/measure_code.py --write" in page
    assert measure_code.with_table(page, ["x"]).count("<!-- figures -->\nx\n<!-- /figures -->") == 1
