"""Task after task in one window: what is made for one of them goes with it."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

from PySide6.QtCore import QObject

from agents_runner.runner.services import TaskRequest
from tests.ui.driver import Driver
from tests.ui.fakes import FakeWorld

WARM, TASKS = 20, 100


def there_are(driver: Driver) -> tuple[int, int, int]:
    """QObjects below the window, threads beside its pool (which has an end of its own), and open files."""
    gc.collect()
    below = len(driver.window.findChildren(QObject))
    threads = [one for one in threading.enumerate() if not one.name.startswith("window-job-")]
    return below, len(threads), len(list(Path("/proc/self/fd").iterdir()))


def test_l8_the_window_is_the_same_after_a_hundred_tasks(driver: Driver, world: FakeWorld) -> None:
    """docs/reliability.md has five thousand, by scripts/soak_window.py."""

    def run(count: int) -> None:
        for _ in range(count):
            task = world.runner.submit(TaskRequest(environment_id="website", prompt="x"))
            driver.window.new_task.submitted.emit(task)
            driver.wait(lambda: driver.label("task-state").endswith("succeeded"))
            driver.settle()

    run(WARM)
    before = there_are(driver)
    run(TASKS)
    driver.wait(lambda: there_are(driver) == before)
