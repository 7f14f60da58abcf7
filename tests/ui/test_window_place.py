"""Where the window opens, and what it finds again: size, place, page, selection."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QRect, Qt, QTimer
from PySide6.QtWidgets import QComboBox

from agents_runner.core.errors import StoreError
from agents_runner.store.window_state import WindowState
from agents_runner.ui.snapshot import settle
from agents_runner.ui.window import ENVIRONMENTS, IMAGES, NEW_TASK, TASKS, MainWindow, run_window
from agents_runner.ui.window_place import within
from tests.support.window_program import WindowProcess
from tests.ui.driver import Driver
from tests.ui.fakes import FakeWorld

OpenWindow = Callable[[], Driver]
SCREENS = ((1100, 700, 1), (2560, 1440, 2), (1366, 768, 1), (800, 600, 1), (1920, 1080, 1), (3840, 2160, 2))
MEASURE = """
import json, sys
from tests.ui.fakes import FakeWorld
from agents_runner.ui.application import application
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow
from agents_runner.store.window_state import WindowState
world = FakeWorld()
world.memory.state = WindowState(geometry=sys.argv[1])
world.add("Website")
app = application()
Theme(app, "light").apply()
window = MainWindow(world.services(), world.memory)
window.show()
app.processEvents()
buttons = [window.findChild(object, name) for name in ("save-environment", "run-environment", "delete-environment")]
corners = [one.mapToGlobal(one.rect().bottomRight()) for one in buttons]
where, room = window.geometry(), window.screen().availableGeometry()
print(json.dumps({
    "window": where.getRect(), "room": room.getRect(),
    "buttons": [room.contains(corner) and where.contains(corner) for corner in corners],
}))
window.shut_down()
sys.exit()
"""


def _opened_on(screen: tuple[int, int, int], folder: Path, geometry: str = "") -> dict[str, list[int]]:
    """Open the window on a screen of that many pixels at that factor, in a process of its own."""
    width, height, factor = screen
    config = {"name": "one", "x": 0, "y": 0, "width": width, "height": height, "logicalDpi": 96, "dpr": 1}
    path = folder / "screen.json"
    path.write_text(json.dumps({"screens": [{**config, "logicalBaseDpi": 96}]}))
    env = {"QT_QPA_PLATFORM": f"offscreen:configfile={path}", "QT_SCALE_FACTOR": str(factor), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, geometry], env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[int]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("screen", SCREENS, ids=lambda one: f"{one[0]}x{one[1]}at{one[2]}")
def test_the_window_and_its_buttons_are_on_the_screen(screen: tuple[int, int, int], tmp_path: Path) -> None:
    found = _opened_on(screen, tmp_path)
    assert QRect(*found["room"]).size().toTuple() == (screen[0] // screen[2], screen[1] // screen[2])
    assert QRect(*found["room"]).contains(QRect(*found["window"])), found
    assert found["buttons"] == [True] * 3


def test_what_was_kept_on_a_large_screen_fits_a_small_one(driver: Driver, world: FakeWorld, tmp_path: Path) -> None:
    driver.window.setGeometry(QRect(500, 200, 1400, 900))
    driver.window.shut_down()
    found = _opened_on((1100, 700, 1), tmp_path, world.memory.state.geometry)
    assert QRect(*found["room"]).contains(QRect(*found["window"])), found
    assert found["buttons"] == [True] * 3


ROOM = QRect(0, 0, 1280, 720)


@pytest.mark.parametrize(
    "wished",
    [QRect(0, 0, 5000, 5000), QRect(-300, -300, 900, 600), QRect(1200, 700, 900, 600), QRect(100, 60, 900, 600)],
)
def test_a_rectangle_is_moved_before_it_is_shrunk(wished: QRect) -> None:
    found = within(wished, ROOM)
    assert ROOM.contains(found)
    assert found.size() == wished.size().boundedTo(found.size())
    assert found == wished if wished == QRect(100, 60, 900, 600) else found != wished


def test_size_and_place_are_found_again(open_window: OpenWindow, world: FakeWorld) -> None:
    world.add("Website")
    first = open_window()
    first.settle()
    assert first.window.size().toTuple() == (1200, 800)
    first.window.setGeometry(QRect(111, 122, 1033, 744))
    first.window.close()
    second = open_window()
    assert second.window.geometry() == QRect(111, 122, 1033, 744)
    second.window.showMaximized()
    second.window.close()
    third = open_window()
    assert third.window.isMaximized()


def test_page_selection_and_tab_are_found_again(open_window: OpenWindow, world: FakeWorld) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        world.add(name)
    first = open_window()
    first.settle()
    first.select("Beta")
    first.tab("Variables")
    first.page(IMAGES)
    first.window.close()
    second = open_window()
    second.settle()
    assert second.window.images.isVisible()
    second.page(ENVIRONMENTS)
    assert second.text("env-name") == "Beta"
    assert second.find("env-variables").isVisible()


def test_the_task_that_was_looked_at_is_selected_again(open_window: OpenWindow, world: FakeWorld) -> None:
    world.add("Website")
    first = open_window()
    first.settle()
    for prompt in ("one", "two", "three"):
        first.run(prompt)
        first.wait(lambda: "succeeded" in first.label("task-state"))
    two = next(task.id for task in world.tasks.rows.values() if task.prompt == "two")
    first.window.open_task(world.tasks.rows[two])
    first.window.close()
    second = open_window()
    second.settle()
    assert second.window.tasks.isVisible()
    second.keys(Qt.Key.Key_Return)
    assert second.window.task.task_id == two


def test_what_is_gone_or_nonsense_is_as_at_the_first_start(open_window: OpenWindow, world: FakeWorld) -> None:
    world.add("Website")
    world.memory.state = WindowState(
        geometry="nonsense \u00e4", page="Dungeon", environment="gone", tab="None", task="gone", last_used="gone"
    )
    driver = open_window()
    driver.settle()
    assert driver.window.environments.isVisible()
    assert driver.window.size().toTuple() == (1200, 800)
    assert driver.text("env-name") == "Website"
    driver.page(TASKS)
    driver.page(NEW_TASK)
    assert driver.find("task-environment", QComboBox).currentText() == "Website"


def test_a_disk_that_refuses_does_not_keep_the_window_open(
    driver: Driver, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_state: WindowState) -> None:
        raise StoreError("The disk is full.", "Make room.")

    monkeypatch.setattr(world.memory, "save", refuse)
    driver.run("x")
    driver.wait(lambda: "succeeded" in driver.label("task-state"))
    driver.window.close()
    assert not driver.window.isVisible()


def test_an_environment_that_was_asked_for_comes_before_what_is_remembered(
    qapp: object, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("Alpha")
    world.add("Beta")
    world.memory.state = WindowState(page="Tasks", environment="alpha", last_used="alpha")
    seen: list[tuple[bool, str, str]] = []

    def look(window: MainWindow) -> None:
        settle(window.settled)
        page = window.environments
        seen.append((page.isVisible(), page.selected(), window.new_task.selected()))
        window.close()

    def soon(window: MainWindow) -> None:
        # Within Qt's loop: closing the last window ends it.
        QTimer.singleShot(0, window, lambda: look(window))

    run_window(world.services(), environment_id="beta", memory=world.memory, on_shown=soon)
    assert seen == [(True, "beta", "beta")]


def test_the_application_s_own_window_finds_its_page_again(ar_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wired as it starts for a person, in a process of its own each time."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/engine.sock")
    with WindowProcess(ar_home) as window:
        window.order("go", page=TASKS)
        assert window.close()[1] == 0
    with WindowProcess(ar_home) as window:
        window.order("on", page=TASKS)
        assert window.close()[1] == 0
