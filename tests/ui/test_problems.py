"""Damaged files of the application's own, as the person at the window sees them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from agents_runner.app import build_services
from agents_runner.core.errors import AgentsRunnerError
from agents_runner.engine.fake import FakeEngine
from agents_runner.runner.services import Services
from agents_runner.store.paths import Paths
from agents_runner.ui.application import application
from agents_runner.ui.jobs import Jobs
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow
from tests.ui.driver import Driver

Open = Callable[[], Driver]


@pytest.fixture
def real_window(qtbot: QtBot, ar_home: Path) -> Iterator[Open]:
    """A window on the real services and files, with an engine in memory."""
    made: list[tuple[MainWindow, Services]] = []
    Theme(application(), "light").apply()

    def make() -> Driver:
        services = build_services(Paths.find(), FakeEngine())
        window = MainWindow(services)
        made.append((window, services))
        qtbot.addWidget(window)
        window.show()
        qtbot.waitExposed(window)
        return Driver(window, qtbot)

    yield make
    for window, services in made:
        window.close()
        services.system.close()


def _shown(driver: Driver) -> str:
    banner = driver.window.problems_banner
    return banner.text() if banner.isVisible() else ""


def test_f18_damaged_settings_and_a_damaged_database_are_named_above_every_page(
    real_window: Open, ar_home: Path
) -> None:
    ar_home.mkdir()
    (ar_home / "settings.json").write_bytes(b"\0" * 100)
    (ar_home / "tasks.sqlite3").write_bytes(os.urandom(20_000))
    driver = real_window()
    driver.wait(lambda: len(_shown(driver).splitlines()) == 2)
    asides = [*(ar_home / "damaged").glob("settings-*.json"), *(ar_home / "damaged").glob("tasks-*.sqlite3")]
    assert len(asides) == 2
    for aside in asides:
        assert str(aside) in _shown(driver)
    for number in range(5):
        driver.window.go(number)
        assert _shown(driver)
    if folder := os.environ.get("AGENTS_RUNNER_TEST_PICTURES"):
        driver.window.grab().save(str(Path(folder) / "problems.png"))
    driver.click("files-banner-action")
    assert _shown(driver) == ""
    driver.window.problems_banner.look()
    assert _shown(driver) == "", "what was closed stays closed"


def test_f18_a_file_that_breaks_while_the_window_is_open_is_named_too(real_window: Open, ar_home: Path) -> None:
    driver = real_window()
    driver.wait(driver.window.settled)
    assert _shown(driver) == ""
    (ar_home / "settings.json").write_bytes(b"[]")
    driver.window.go(4)
    driver.wait(lambda: "settings-" in _shown(driver))


def test_f18_an_environment_is_named_on_its_page_and_not_twice(real_window: Open, ar_home: Path) -> None:
    (ar_home / "environments").mkdir(parents=True)
    (ar_home / "environments" / "bad.json").write_bytes(b"nothing")
    driver = real_window()
    driver.wait(lambda: bool(driver.window.environments.shown_problems))
    driver.window.problems_banner.look()
    assert _shown(driver) == ""
    assert "bad.json" in driver.window.environments._notes[0]


def test_an_error_that_nobody_foresaw_names_the_log(real_window: Open, ar_home: Path) -> None:
    driver = real_window()
    errors: list[AgentsRunnerError] = []

    def fails() -> None:
        raise RuntimeError("nobody foresaw")

    for _ in range(20):  # more than there are threads
        driver.window.jobs.run(fails, lambda _result: None, errors.append)
    driver.wait(lambda: len(errors) == 20)
    assert str(ar_home / "application.log") in errors[0].hint
    done: list[int] = []
    driver.window.jobs.run(lambda: 1, done.append)
    driver.wait(lambda: done == [1])


def test_h2_the_window_s_threads_survive_what_is_no_exception(qtbot: QtBot) -> None:
    application()
    jobs = Jobs()

    def ends() -> None:
        raise SystemExit(3)

    for _ in range(10):
        jobs.run(ends, lambda _result: None)
    done: list[int] = []
    jobs.run(lambda: 1, done.append)
    qtbot.waitUntil(lambda: done == [1])
    jobs.close()
