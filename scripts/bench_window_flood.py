"""The window while a task prints a million lines: memory, the longest stand-stills of its thread, the log file.

    python scripts/bench_window_flood.py [--lines 1000000]

A real window without a display, the real engine, the task's page open. `late` is how much later than wanted the
window's loop came round, by the clock; `work` is the processor time of its thread between two turns (a busy machine
adds nothing to it).
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import benching
from bench_typing import Beat
from benching import environment, show

from agents_runner.runner.services import TaskRequest
from agents_runner.ui.application import application
from agents_runner.ui.snapshot import settle
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow

_LINE = "line %07d of an agent that says a great deal, a hundred and twenty characters, as they come from a compiler"
WAIT_S = 600
EVERY_MS = 5


def memory_mib(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _end(window: MainWindow) -> str:
    """The log's last paragraphs."""
    block = window.task.log.document().lastBlock()
    texts = []
    for _ in range(5):
        texts.append(block.text())
        block = block.previous()
    return " ".join(texts)


def main() -> None:
    args = benching.arguments("The window in a flood.", lines=1_000_000)
    os.chdir(benching.ROOT)
    with benching.bench_services() as (services, engine):
        base = benching.base_image(engine, args.base)
        services.environments.save(environment(base, "", name="loud"))
        Theme(application(), "light").apply()
        window = MainWindow(services)
        window.show()
        settle(window.settled, 30)
        prompt = f"awk 'BEGIN {{ for (n = 1; n <= {args.lines}; n++) printf \"{_LINE}\\n\", n }}'"
        before = memory_mib("VmRSS")
        beat, began = Beat(EVERY_MS), time.monotonic()
        task = services.runner.submit(TaskRequest(environment_id="loud", prompt=prompt))
        window.new_task.submitted.emit(task)
        last = f"line {args.lines:07} of"
        settle(lambda: last in _end(window), WAIT_S)
        seconds = time.monotonic() - began
        settle(lambda: services.tasks.get(task.id).state.final and window.settled(), 30)
        beat.stop()
        late = sorted(gap - EVERY_MS for gap in beat.gaps)
        peak = memory_mib("VmHWM")
        seen = [int(line[5:12]) for _, line in services.tasks.log(task.id) if line.startswith("line ")]
        found: dict[str, object] = {
            "lines": args.lines,
            "lines in the log file, in order, each once": seen == list(range(1, args.lines + 1)),
            "the last line is shown": last in _end(window),
            "memory before, MiB": round(before, 1),
            "peak, MiB": round(peak, 1),
            "more, MiB": round(peak - before, 1),
            "late, p99, ms": round(late[int(0.99 * len(late))], 1),
            "late, longest, ms": round(late[-1], 1),
            "work, longest, ms": round(max(beat.work), 1),
            "seconds": round(seconds, 1),
        }
        window.shut_down()
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
