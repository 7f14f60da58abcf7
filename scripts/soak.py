"""Many short tasks in one process: what grows, and what is left behind.

    python scripts/soak.py [--tasks 500] [--at_once 4]

Open files, threads and memory are compared between the end of the first quarter, when everything is warm, and the
end of the last; the slope of the memory is per 100 tasks.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import benching
from benching import environment, show

from agents_runner.core.container import CONTAINER_KIND
from agents_runner.runner.event_queue import BoundedQueue
from agents_runner.runner.services import Services, TaskRequest


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def run(services: Services, count: int, at_once: int) -> list[str]:
    """So many tasks; the states in which they ended."""
    ended: BoundedQueue[str] = BoundedQueue(limit=10**9)

    def listener(task: str, batch: tuple[object, ...]) -> None:
        if type(batch[-1]).__name__ == "TaskResult":
            ended.put([task])

    stop = services.runner.subscribe(listener)
    states: list[str] = []
    for number in range(count + at_once):
        if number >= at_once:
            states.append(services.tasks.get(ended.get()).state.value)
        if number < count:
            services.runner.submit(TaskRequest(environment_id="soak", prompt="echo out; echo err >&2"))
    stop()
    return states


def settled() -> tuple[int, int, float, int]:
    """Open files, threads, MiB and files in the run folder, once the last task's threads had time to end."""
    deadline, seen = time.monotonic() + 5, (0, 0)
    while time.monotonic() < deadline and seen != (open_files(), threading.active_count()):
        seen = (open_files(), threading.active_count())
        threading.Event().wait(0.3)
    folder = next(Path(os.environ["AGENTS_RUNNER_HOME"]).rglob("run"))
    return *seen, memory_mib(), len([path for path in folder.rglob("*") if path.is_file()])


def main() -> None:
    args = benching.arguments("Many tasks in one process.", tasks=500, at_once=4)
    with benching.bench_services() as (services, engine):
        base = benching.base_image(engine, args.base)
        services.environments.save(environment(base, "echo baked >/baked\n", name="soak", run="export A=1\n"))
        warm = args.tasks // 4
        began = time.monotonic()
        states = run(services, warm, args.at_once)
        first = settled()
        states += run(services, args.tasks - warm, args.at_once)
        last = settled()
        found: dict[str, object] = {
            "tasks": args.tasks,
            "succeeded": states.count("succeeded"),
            "seconds a task": round((time.monotonic() - began) / args.tasks, 2),
            "open files, first quarter and end": f"{first[0]}, {last[0]}",
            "threads, first quarter and end": f"{first[1]}, {last[1]}",
            "memory, first quarter and end, MiB": f"{first[2]:.1f}, {last[2]:.1f}",
            "MiB per 100 tasks": round((last[2] - first[2]) / (args.tasks - warm) * 100, 2),
            "containers left": len(engine.list_containers({CONTAINER_KIND: ""})),
            "files in the run folder, first quarter and end": f"{first[3]}, {last[3]}",
        }
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
