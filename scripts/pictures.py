"""Makes the pictures in docs/images: every page, light and dark, small and large, of a window on made-up data.

.venv/bin/python scripts/pictures.py [FOLDER]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agents_runner.core.environment import FolderWorkspace
from agents_runner.core.errors import AgentsRunnerError
from agents_runner.ui.images_page import CleanDialog
from agents_runner.ui.snapshot import settle, write_snapshot
from agents_runner.ui.window import ENVIRONMENTS, IMAGES, NEW_TASK, TASKS, MainWindow
from tests.ui import fakes

SCRIPT = (
    "#!/bin/bash\nset -euo pipefail\n# step: system\napt-get update\napt-get install -y nodejs npm git\n"
    "# step: agents\nnpm install -g @openai/codex\nexport NODE_ENV=development\n"
)
LONG = "An environment with a name that is much longer than anybody would think of, and then some more of it"


def world(*, empty: bool = False) -> fakes.FakeWorld:
    made = fakes.FakeWorld()
    if not empty:
        made.add("Web shop", agent="codex", cache_container_build=True, cached_preflight_script=SCRIPT,
                 run_preflight_script="npm ci\n", workspace=FolderWorkspace(path="/srv"))  # fmt: skip
        made.add(LONG, agent="claude", color="violet")
        made.add("Scratch", agent="shell", color="amber")
        made.images.images = tuple(fakes.image(number, in_use=number == 1) for number in range(4))
    return made


def run(window: MainWindow, prompt: str = "Add a page that lists the orders of the last week.") -> None:
    window.go(NEW_TASK)
    window.new_task.prompt.setPlainText(prompt)
    window.new_task.run()
    settle(1200)


def run_and_list(window: MainWindow) -> None:
    run(window)
    window.go(TASKS)


def clean(window: MainWindow) -> None:
    window.images._clean_clicked()
    settle(800)


Shot = tuple[str, int, bool, tuple[int, int], fakes.FakeWorld, Callable[[MainWindow], None] | None]


def shots() -> list[Shot]:
    busy, failed = world(), world()
    busy.runner.script = fakes.BuildUntil()
    failed.runner.script = fakes.Failing(
        AgentsRunnerError("The run preflight ended with exit code 3.", "Its last lines say why."),
        ("npm error code ENOENT", "npm error path /workspace/package.json"),
    )
    away = world()
    away.engine_error = AgentsRunnerError("No Docker engine answers at unix:///var/run/docker.sock.", "Start Docker.")
    large, small = (1400, 900), (900, 600)
    found: list[Shot] = []
    for dark in (False, True):
        theme = "dark" if dark else "light"
        found += [
            (f"environments-{theme}", ENVIRONMENTS, dark, (1200, 800), world(), None),
            (f"environments-small-{theme}", ENVIRONMENTS, dark, small, world(), None),
            (f"long-names-{theme}", ENVIRONMENTS, dark, small, world(), None),
            (f"empty-{theme}", ENVIRONMENTS, dark, small, world(empty=True), None),
            (f"new-task-{theme}", NEW_TASK, dark, small, world(), None),
            (f"task-done-{theme}", NEW_TASK, dark, (1200, 800), world(), run),
            (f"task-failed-{theme}", NEW_TASK, dark, (1200, 800), failed, run),
            (f"task-building-{theme}", NEW_TASK, dark, small, busy, run),
            (f"tasks-{theme}", TASKS, dark, large, world(), run_and_list),
            (f"images-{theme}", IMAGES, dark, large, world(), None),
            (f"clean-{theme}", IMAGES, dark, large, world(), clean),
            (f"engine-away-{theme}", ENVIRONMENTS, dark, small, away, None),
        ]
    return found


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for name, page, dark, size, made, prepare in shots():
        path = folder / f"{name}.png"
        write_snapshot(
            made.services(),
            path,
            environment_id="" if name.startswith("long-names") else "web-shop",
            page=page,
            dark=dark,
            size=size,
            prepare=prepare,
            dialogs=(CleanDialog,),
        )
        made.runner.close()
        print(path)  # noqa: T201


if __name__ == "__main__":
    main()
