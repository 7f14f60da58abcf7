"""Closing the window again and again: with ten tasks left, with ten stopped, and second starts with kills in between.

python scripts/soak_quit.py [--rounds 50] [--tasks 10] [--windows 20]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import benching

from agents_runner.core.environment import FolderWorkspace
from tests.support.quitting import Quitting
from tests.support.window_program import WindowProcess


def shown_again(home: Path) -> None:
    """A second start shows the first window; the place of a killed one is free."""
    with WindowProcess(home) as window:
        window.order("hide")
        subprocess.run([sys.executable, "-m", "agents_runner"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        window.order("shown")
        os.kill(window.process.pid, signal.SIGKILL)
        window.process.wait()


def main() -> None:
    args = benching.arguments("Closing the window.", rounds=50, tasks=10, windows=20)
    with benching.bench_services() as (services, engine), tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder).resolve()
        made = benching.environment(benching.base_image(engine, args.base), "", name="quitting")
        workspace.chmod(0o777)
        services.environments.save(
            made.model_copy(
                update={"workspace": FolderWorkspace(path=str(workspace)), "cache_container_build": False}
            )
        )
        home = Path(os.environ["AGENTS_RUNNER_HOME"])
        quitting = Quitting(
            home=home, workspace=workspace, environment=made.id, engine=engine, services=services, tasks=args.tasks
        )
        left = [quitting.leave_and_follow() for _ in range(args.rounds)]
        stopped = [quitting.stop() for _ in range(args.rounds)]
        for _ in range(args.windows):
            shown_again(home)
        benching.show(
            {
                "left, s: median": benching.median(left),
                "left, s: longest": round(max(left), 2),
                "stopped, s: median": benching.median(stopped),
                "stopped, s: longest": round(max(stopped), 2),
                "rounds of each": args.rounds,
                "tasks": args.tasks,
                "second starts, each after a kill": args.windows,
            },
            as_json=args.json,
        )


if __name__ == "__main__":
    main()
