"""How long a script of 2,000 lines takes to be split and checked: JSON, processor times in milliseconds."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

from agents_runner.preflight.split import split
from agents_runner.preflight.syntax import tree_of
from agents_runner.preflight.validate import check

LINES = 2000
RUNS = 9
SCRIPTS = Path(__file__).parents[1] / "tests/data/preflight/scripts"


def long_script(lines: int) -> str:
    """The collected scripts one after the other; those that end early would leave the rest unlooked at."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.glob("*.sh"))]
    texts = [text for text in texts if tree_of(text).trouble is None and "exit" not in text]
    found: list[str] = []
    while len(found) < lines:
        for text in texts:
            if len(found) < lines:
                found += text.splitlines()
    return "\n".join(found) + "\n"


def main() -> int:
    text = long_script(LINES)
    times: list[dict[str, float]] = []
    for run in range(RUNS):
        # Another text each time: the analysis of the same one is remembered.
        script = f"{text}# {run}\n"
        began = time.process_time()
        result = split(script)
        between = time.process_time()
        check(script, "cached")
        ended = time.process_time()
        times.append({"split_ms": (between - began) * 1e3, "check_ms": (ended - between) * 1e3})
    value = {
        "lines": text.count("\n"),
        "statements": len(result.statements),
        "split_ms": round(median(one["split_ms"] for one in times), 1),
        "check_ms": round(median(one["check_ms"] for one in times), 1),
        "both_ms": round(median(one["split_ms"] + one["check_ms"] for one in times), 1),
        "runs": times,
    }
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
