#!/usr/bin/env python3
"""What the look at a live folder after a task costs: `bench_sweep.py [FILES...]`, seconds per number of files."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from agents_runner.workspace.live_sweep import LiveSweep

PER_FOLDER = 50


def make(folder: Path, files: int) -> None:
    """Empty files, fifty a folder, four folders deep."""
    for number in range(0, files, PER_FOLDER):
        below = folder / str(number % 7) / str(number % 101) / str(number)
        below.mkdir(parents=True)
        for one in range(min(PER_FOLDER, files - number)):
            (below / str(one)).touch()


def main() -> int:
    for files in [int(word) for word in sys.argv[1:]] or [30_000, 200_000]:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name), files)
            times = []
            for _ in range(3):
                begun = time.perf_counter()
                report = LiveSweep(since=time.time(), uid=os.getuid()).run(name)
                times.append(time.perf_counter() - begun)
            print(f"{files} files, {report.entries} entries: {', '.join(f'{one:.2f}' for one in times)} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
