#!/usr/bin/env python3
"""Write docs/privileges-table.md from what the tests see in containers; it needs an engine and some minutes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))


class Collected:
    """What the tests recorded while they ran."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows += [value for name, value in report.user_properties if name == "privileges"]


def main() -> int:
    from tests.support import privileges  # found through the line above

    seen = Collected()
    tests = (
        HERE / "tests" / "docker" / "test_privileges_table.py",
        HERE / "tests" / "e2e" / "test_privileges_of_families.py",
    )
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-k", "each_stage", *map(str, tests)], plugins=[seen])
    wanted = len(privileges.STAGES) * sum(len(privileges.combinations(base)) for base in privileges.BASES)
    if len(seen.rows) != wanted:
        print(f"{len(seen.rows)} rows of {wanted} were measured; the page stays as it is.", file=sys.stderr)
        return 1
    privileges.PAGE.write_text(privileges.page(privileges.Row(**row) for row in seen.rows), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
