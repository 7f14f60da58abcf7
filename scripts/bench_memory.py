"""Memory of the process while a build prints many lines, and whether every line is in the log file.

    python scripts/bench_memory.py [--lines 1000000]

The build is part of a task, in a process of its own, as `agents-runner run` does it; its peak is compared with
that of the same task over a script that prints nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import benching
from benching import environment, seconds_of, show

_LINE = "line %07d of a build that says a great deal, a hundred and twenty characters, as they come from apt"


def _peak_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def run(name: str, log: Path) -> tuple[float, int]:
    """Peak memory in MiB of `run NAME`, whose output goes to a file, and its exit status."""
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "agents_runner", "run", name, "true"], stdout=out)
        peak = 0.0
        done = threading.Event()
        while process.poll() is None:
            peak = max(peak, _peak_mib(process.pid))
            done.wait(0.05)
    return peak, process.returncode


def main() -> None:
    args = benching.arguments("Memory during a build.", lines=1_000_000)
    os.chdir(benching.ROOT)
    with benching.bench_services() as (services, engine):
        home = Path(os.environ["AGENTS_RUNNER_HOME"])
        base = benching.base_image(engine, args.base)
        loud = f"awk 'BEGIN {{ for (n = 1; n <= {args.lines}; n++) printf \"{_LINE}\\n\", n }}'\n"
        for name, script in (("quiet", "true\n"), ("loud", loud)):
            services.environments.save(environment(base, script, name=name))
        start, _ = run("quiet", home / "quiet.out")
        peaks: list[tuple[float, int]] = []
        seconds = seconds_of(lambda: peaks.append(run("loud", home / "loud.out")))
        peak, code = peaks[0]
        task = next(one for one in services.tasks.list() if one.environment_id == "loud")
        seen = [int(line[5:12]) for _, line in services.tasks.log(task.id) if line.startswith("line ")]
        found: dict[str, object] = {
            "lines": args.lines,
            "exit status": code,
            "lines in the log file": len(seen),
            "in order, each once": seen == list(range(1, args.lines + 1)),
            "peak of a quiet task, MiB": round(start, 1),
            "peak of the loud task, MiB": round(peak, 1),
            "more, MiB": round(peak - start, 1),
            "seconds": round(seconds, 1),
        }
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
