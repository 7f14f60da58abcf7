"""A window on fake services, driven by clicks and keys; any warning of Qt's fails the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from agents_runner.ui.application import application
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow
from tests.support.qt_threads import foreign_calls
from tests.ui.driver import Driver
from tests.ui.fakes import FakeEnvironments, FakeWorld

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            # The platform without a screen says so of every dialog and menu.
            item.add_marker(pytest.mark.qt_log_ignore(r"does not support (propagateSizeHints|raise|grabbing)"))


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    """A screen that has room for every size that a test asks for; without more words it is 800 x 800."""
    return ["agents-runner", "-platform", f"offscreen:configfile={HERE / 'screen.json'}"]


@pytest.fixture(autouse=True)
def s16_no_foreign_calls() -> Iterator[None]:
    """Only the window's own thread touches its objects, in every test of the window."""
    with foreign_calls() as found:
        yield
    assert found == []


@pytest.fixture
def world(tmp_path: Path) -> FakeWorld:
    return FakeWorld(environments=FakeEnvironments(state_dir=tmp_path / "state"))


@pytest.fixture
def open_window(qtbot: QtBot, world: FakeWorld) -> Iterator[Callable[[], Driver]]:
    """Opens the window on the fakes as they are then, shown and active."""
    made: list[MainWindow] = []
    app = application()
    app.setStyle("Fusion")
    Theme(app, "light").apply()

    def make() -> Driver:
        window = MainWindow(world.services(), world.memory)
        made.append(window)
        qtbot.addWidget(window)
        window.show()
        window.activateWindow()
        qtbot.waitExposed(window)
        return Driver(window, qtbot)

    yield make
    for gate in (
        world.environments.gate,
        world.tasks.gate,
        world.images.plan_gate,
        world.images.list_gate,
        world.system.engine_gate,
        world.runner.submit_gate,
        world.desktop.gate,
    ):
        gate.release()
    for window in made:
        window.shut_down()
        window.hide()
    world.runner.close()


@pytest.fixture
def driver(open_window: Callable[[], Driver], world: FakeWorld) -> Driver:
    """The window on one environment, `Website`, with everything loaded."""
    world.add("Website")
    made = open_window()
    made.settle()
    return made
