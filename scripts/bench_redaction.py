"""What masking secrets costs: lines a second through the redactor with 20 secrets, and through its absence.

    python scripts/bench_redaction.py

Processor time, interleaved, medians; the lines are a compiler's, none holds a secret, as most do not.
"""

from __future__ import annotations

import json
import random
import secrets
import sys
import time
from collections.abc import Callable
from statistics import median

from benching import ROOT  # noqa: F401  # makes the checkout importable

from agents_runner.core.redaction import Redactor

LINES = 50_000
RUNS = 7


def seconds(act: Callable[[str], object], lines: list[str]) -> float:
    began = time.process_time()
    for line in lines:
        act(line)
    return time.process_time() - began


def main() -> int:
    pick = random.Random(1)
    lines = [
        f"[{n}] compiling {pick.getrandbits(64):x} to /usr/lib/python3/dist-packages/{n}.o" for n in range(LINES)
    ]
    masking = Redactor([secrets.token_urlsafe(30) for _ in range(20)])
    nothing = Redactor([])
    with_secrets, without = [], []
    for _ in range(RUNS):
        with_secrets.append(seconds(lambda line: masking.line("stdout", line), lines))
        without.append(seconds(lambda line: nothing.line("stdout", line), lines))
    found = {
        "lines a second, 20 secrets": round(LINES / median(with_secrets)),
        "lines a second, none": round(LINES / median(without)),
        "microseconds a line that 20 secrets cost": round((median(with_secrets) - median(without)) / LINES * 1e6, 2),
    }
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
