"""Thousands of short tasks in one process, followed by a window: what grows, and what is left behind.

    python scripts/soak_window.py [--tasks 5000]

The services and the window are the real ones (without a display), the engine is the fake one in memory, so that what
grows is ours. Counted when a quarter of the tasks is done and everything is warm, and at the end.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import benching
from benching import environment, show
from PySide6.QtCore import QObject
from soak import memory_mib, open_files

from agents_runner.app import build_services
from agents_runner.core.container import ContainerSpec
from agents_runner.engine.fake import Console, FakeEngine
from agents_runner.runner.services import Services, TaskRequest
from agents_runner.store.paths import Paths
from agents_runner.ui.application import application
from agents_runner.ui.snapshot import settle
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow

AT_ONCE = 8
LINES = 20
BASE = "soak:1"


def plays(spec: ContainerSpec, console: Console) -> int:
    """What a build or a task would print."""
    state = next(mount.source for mount in spec.mounts if mount.target.endswith("/state"))
    mark = f"\x1e{(Path(state) / 'token').read_text().strip()} "
    if "build" not in spec.name:
        console.write("".join(f"{mark}{line}\n" for line in ("begin preflight.run", "end preflight.run 0")))
        console.write(f"{mark}begin agent\n")
    console.write("".join(f"line {number}\n" for number in range(LINES)))
    return 0


class Soak:
    """Tasks that follow each other, each opened in the window, with `AT_ONCE` under way."""

    def __init__(self, services: Services, window: MainWindow, engine: FakeEngine, folder: Path) -> None:
        self._services, self._window, self._engine, self._folder = services, window, engine, folder
        self.states: list[str] = []

    def run(self, count: int) -> None:
        going: list[str] = []
        begun = 0
        while begun < count or going:
            while begun < count and len(going) < AT_ONCE:
                task = self._services.runner.submit(TaskRequest(environment_id="soak", prompt="x"))
                self._window.new_task.submitted.emit(task)
                going.append(task.id)
                begun += 1
            application().processEvents()
            left: list[str] = []
            for one in going:
                state = self._services.tasks.get(one).state
                if state.final:
                    self.states.append(state.value)
                else:
                    left.append(one)
            going = left
            time.sleep(0.005)

    def counted(self) -> dict[str, float]:
        settle(self._window.settled, 30)
        gc.collect()
        self._engine.calls.clear()
        return {
            "open files": open_files(),
            "threads": threading.active_count(),
            "QObjects below the window": len(self._window.findChildren(QObject)),
            "files in the run folder": sum(path.is_file() for path in (self._folder / "run").rglob("*")),
            "containers": len(self._engine.containers),
            "memory, MiB": round(memory_mib(), 1),
        }


def main() -> None:
    args = benching.arguments("Thousands of tasks before a window.", tasks=5000)
    os.chdir(benching.ROOT)
    with tempfile.TemporaryDirectory(prefix="agents-runner-soak-") as name:
        folder = Path(name)
        engine = FakeEngine(plays)
        engine.add_image(BASE)
        services = build_services(Paths.find({"AGENTS_RUNNER_HOME": name}), engine)
        services.environments.save(environment(BASE, "echo baked\n", name="soak", run="true\n"))
        Theme(application(), "light").apply()
        window = MainWindow(services)
        window.show()
        settle(window.settled, 30)
        soak = Soak(services, window, engine, folder)
        warm = args.tasks // 4
        began = time.monotonic()
        soak.run(warm)
        first = soak.counted()
        soak.run(args.tasks - warm)
        last = soak.counted()
        slope = (last["memory, MiB"] - first["memory, MiB"]) / (args.tasks - warm) * 100
        found: dict[str, object] = {
            "tasks": args.tasks,
            "succeeded": soak.states.count("succeeded"),
            "seconds a task": round((time.monotonic() - began) / args.tasks, 3),
            **{f"{what}, first quarter and end": f"{first[what]}, {last[what]}" for what in first},
            "MiB per 100 tasks": round(slope, 2),
        }
        window.shut_down()
        services.system.close()
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
