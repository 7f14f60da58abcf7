#!/usr/bin/env python3
"""Write the table of an environment's fields into docs/environments.md; `--check` only says whether it is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from agents_runner.core.environment_rows import table_lines

PAGE = Path(__file__).resolve().parent.parent / "docs" / "environments.md"
_BETWEEN = re.compile(r"(?<=<!-- fields -->\n).*?(?=<!-- /fields -->)", re.DOTALL)


def with_table(page: str) -> str:
    """The page with the table as the rows have it now."""
    return _BETWEEN.sub(lambda _: "\n".join(table_lines()) + "\n", page)


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_table(page)
    if "--check" in sys.argv[1:]:
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
