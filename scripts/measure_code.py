#!/usr/bin/env python3
"""Measure the application's code: files, functions, the long ones, fields that hold an anonymous callable.

Prints a table: before the floor `containers` was made, what was expected of that, and what the code is now.
`--write` puts it into docs/architecture.md.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "agents_runner"
PAGE = ROOT / "docs" / "architecture.md"
_BETWEEN = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
BEFORE = "6d21c49"
"""The commit that the expectations start from."""
LONG_MODULE = 400
"""Lines from which on a module is asked what second thing it has started to do."""
LONG_FUNCTION = 40
PLACES = {
    "building a layer": ("images/build.py",),
    "running a task": ("runner/tasks/run_task.py", "runner/run_task.py"),
    "tasks on threads": ("runner/tasks/task_runner.py", "runner/task_runner.py"),
}
"""Modules whose lines are told one by one, by what they do: where they are now, and where they were."""
WIRING = "build_services"
EXPECTED = {
    "lines": "about 1,000 less",
    "`images/build.py` (building a layer)": "about 250",
    "`runner/tasks/run_task.py` (running a task)": "about 230",
    "`runner/tasks/task_runner.py` (tasks on threads)": "about 230",
    "`build_services`": "about 60",
    "fields that hold an anonymous callable": "ports with names",
}
"""What was to become of some of the figures."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file; lengths in lines."""

    lines: int
    functions: tuple[tuple[str, int], ...]
    """Name and length of each, decorators left out, methods and inner ones included."""
    callables: int
    """Fields of classes that are declared as a `Callable`, so that nothing says what they are."""


def measured(source: str) -> Module:
    functions: list[tuple[str, int]] = []
    callables = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append((node.name, (node.end_lineno or node.lineno) - node.lineno + 1))
        elif isinstance(node, ast.ClassDef):
            fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
            callables += sum("Callable[" in ast.unparse(one.annotation) for one in fields)
    return Module(lines=source.count("\n"), functions=tuple(functions), callables=callables)


def here(folder: Path) -> dict[str, Module]:
    """The modules below a folder by their path in it."""
    return {
        path.relative_to(folder).as_posix(): measured(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    }


def at(commit: str) -> dict[str, Module]:
    """The package's modules as a commit has them. Raises CalledProcessError for one that is not here."""
    data = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, PACKAGE], check=True, stdout=subprocess.PIPE
    ).stdout
    found: dict[str, Module] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".py") else None
            if file is not None:
                found[member.name.removeprefix(f"{PACKAGE}/")] = measured(file.read().decode("utf-8"))
    return found


def figures(modules: Mapping[str, Module]) -> dict[str, str]:
    """What is measured, in the order of the table."""
    lengths = sorted(length for module in modules.values() for _, length in module.functions)
    wiring = [length for module in modules.values() for name, length in module.functions if name == WIRING]
    at_90 = lengths[len(lengths) * 9 // 10] if lengths else 0

    def lines_of(paths: tuple[str, ...]) -> str:
        return next((f"{modules[path].lines:,}" for path in paths if path in modules), "-")

    def over(limit: int, of: Callable[[Module], list[int]]) -> str:
        return f"{sum(length > limit for module in modules.values() for length in of(module)):,}"

    return {
        "files": f"{len(modules):,}",
        "lines": f"{sum(module.lines for module in modules.values()):,}",
        "a module's median, in lines": f"{statistics.median(one.lines for one in modules.values()):.0f}",
        f"modules of more than {LONG_MODULE} lines": over(LONG_MODULE, lambda module: [module.lines]),
        "functions": f"{len(lengths):,}",
        "a function's median, in lines": f"{statistics.median(lengths or [0]):.0f}",
        "nine of ten functions have at most": f"{at_90} lines",
        f"functions of more than {LONG_FUNCTION} lines": over(
            LONG_FUNCTION, lambda module: [length for _, length in module.functions]
        ),
        **{f"`{paths[0]}` ({what})": lines_of(paths) for what, paths in PLACES.items()},
        f"`{WIRING}`": f"{wiring[0]}" if wiring else "-",
        "fields that hold an anonymous callable": f"{sum(module.callables for module in modules.values())}",
    }


def table(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Lines of the table."""
    rows = [f"| | before (`{BEFORE}`) | expected | now |", "|---|---|---|---|"]
    return rows + [f"| {one} | {before[one]} | {EXPECTED.get(one, '')} | {now[one]} |" for one in now]


def with_table(page: str, lines: list[str]) -> str:
    """The page with these lines between its marks."""
    return _BETWEEN.sub(lambda _: "\n".join(lines) + "\n", page)


def main() -> int:
    try:
        before = figures(at(BEFORE))
    except subprocess.CalledProcessError:
        print(f"The commit {BEFORE} is not in this clone: fetch its whole history.", file=sys.stderr)
        return 1
    lines = table(before, figures(here(ROOT / PACKAGE)))
    print("\n".join(lines))
    if "--write" in sys.argv[1:]:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
