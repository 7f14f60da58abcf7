"""What the window says and shows is true now: errors, the plan, states, what others did to the files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QComboBox, QLabel, QListView, QTableView

from agents_runner.core.events import Event, StateChanged, TaskState
from agents_runner.core.task import Task
from agents_runner.ui.application import application
from agents_runner.ui.models import state_color
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import ENVIRONMENTS, IMAGES, NEW_TASK, TASKS
from tests.ui import fakes
from tests.ui.driver import Driver
from tests.ui.fakes import BuildUntil, FakeWorld, Offer, ending

OpenWindow = Callable[[], Driver]
UNSAVED_PLAN = "Not saved. Save to see what the next start does."


def _plan(driver: Driver) -> str:
    return driver.window.environments.plan.whole_text()


# -- what other processes did ------------------------------------------------------------------------


def test_environments_of_another_process_come_by_themselves(driver: Driver, world: FakeWorld) -> None:
    driver.window.environments._timer.setInterval(20)
    world.add("From outside")
    driver.wait(lambda: driver.rows() == ["From outside", "Website"])
    assert driver.text("env-name") == "Website"
    del world.environments.known["from-outside"]
    driver.wait(lambda: driver.rows() == ["Website"])


def test_environments_of_another_process_can_be_run_at_once(driver: Driver, world: FakeWorld) -> None:
    driver.page(TASKS)
    world.add("From outside")
    driver.page(NEW_TASK)
    combo = driver.find("task-environment", QComboBox)
    driver.wait(lambda: combo.findText("From outside") >= 0)
    assert combo.currentText() == "Website"


def test_what_is_typed_and_where_stays_while_the_files_are_read_again(driver: Driver, world: FakeWorld) -> None:
    page = driver.window.environments
    page._timer.setInterval(10)
    driver.type("env-name", "Half a na")
    looks = world.environments.gate.count
    driver.wait(lambda: world.environments.gate.count > looks + 5)
    world.add("From outside")
    driver.wait(lambda: len(driver.rows()) == 2)
    driver.qtbot.keyClicks(driver.focused(), "me")
    assert driver.text("env-name") == "Half a name"
    assert page.edited_names() == ["Half a name"]


def test_a_look_from_before_a_save_does_not_show_the_old_values_again(driver: Driver, world: FakeWorld) -> None:
    page = driver.window.environments
    page._timer.stop()
    old = world.environments.list()
    driver.type("env-name", "Renamed")
    world.environments.gate.hold()
    page.look_again()
    driver.wait(world.environments.gate.reached.is_set)
    world.environments.gate.release()
    driver.click("save-environment")
    driver.settle()
    assert old.environments[0].name == "Website"
    assert (driver.rows(), driver.text("env-name")) == (["Renamed"], "Renamed")


# -- errors, and the plan of what is not saved ----------------------------------------------------------


def test_an_error_goes_when_its_field_is_changed_and_the_others_stay(driver: Driver) -> None:
    driver.type("env-name", "")
    driver.click("save-environment")
    assert "needs a name" in driver.label("env-name-error")
    driver.type("env-name", "Shop")
    assert not driver.find("env-name-error").isVisible()
    assert driver.find("env-name").property("invalid") is False
    driver.tab("Advanced")
    driver.type("env-cpus", "many")
    driver.click("save-environment")
    assert driver.errors() != []
    driver.type("env-memory", "512")
    assert driver.label("env-cpus-error") != ""
    driver.type("env-cpus", "2")
    assert driver.errors() == []


def test_an_error_that_was_answered_is_not_shown_again_later(driver: Driver, world: FakeWorld) -> None:
    world.add("Other")
    driver.window.environments.reload()
    driver.settle()
    driver.type("env-name", "")
    driver.click("save-environment")
    driver.type("env-name", "Shop")
    driver.select("Other" if driver.text("env-name") == "Shop" else "Shop")
    driver.select("Shop")
    assert driver.errors() == []


def test_the_plan_is_told_of_what_is_saved_only(driver: Driver) -> None:
    saved = _plan(driver)
    assert saved.startswith("Next start: will build")
    driver.type("env-base-image", "debian:trixie")
    assert _plan(driver) == UNSAVED_PLAN
    driver.click("revert-environment")
    driver.settle()
    assert _plan(driver) == saved
    driver.type("env-base-image", "debian:trixie")
    driver.page(TASKS)
    driver.page(ENVIRONMENTS)
    driver.settle()
    assert _plan(driver) == UNSAVED_PLAN
    driver.click("save-environment")
    driver.settle()
    assert _plan(driver) == saved


def test_revert_takes_an_import_back_in_a_new_environment_too(open_window: OpenWindow, world: FakeWorld) -> None:
    world.add("Website")
    world.environments.offers = (Offer(),)
    driver = open_window()
    driver.settle()
    driver.click("new-environment")
    driver.type("env-name", "By hand")
    driver.choose("env-workspace-kind", "A folder")
    driver.type("env-workspace-path", "/srv/shop")
    driver.wait(lambda: driver.find("import-offer").isVisible())
    driver.click("import-offer-action")
    driver.click("import-apply")
    driver.wait(lambda: "graphviz" in driver.text("env-cached-preflight"))
    driver.click("revert-environment")
    assert "graphviz" not in driver.text("env-cached-preflight")
    assert driver.text("env-name") == "By hand"
    assert driver.text("env-workspace-path") == "/srv/shop"
    assert not driver.find("revert-environment").isEnabled()


# -- states --------------------------------------------------------------------------------------------


def test_a_stopped_task_did_not_fail(driver: Driver, world: FakeWorld) -> None:
    world.runner.script = BuildUntil()
    driver.run("x")
    driver.wait(lambda: "building" in driver.label("task-state"))
    driver.click("stop-task")
    driver.wait(lambda: "cancelled" in driver.label("task-state"))
    driver.settle()
    assert driver.window.task.phases.texts() == ["build.env", "0.1 s", "stopped"]
    (word,) = [one for one in driver.window.task.phases.findChildren(QLabel) if one.text() == "stopped"]
    assert word.property("role") == "muted"
    assert "exit code" not in driver.window.task._facts.whole_text()


def test_a_task_that_printed_nothing_is_not_waited_for(driver: Driver, world: FakeWorld) -> None:
    go = threading.Event()

    def silent(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        assert go.wait(20)
        yield from ending(task, TaskState.SUCCEEDED, 0)

    world.runner.script = silent
    driver.run("x")
    log, messages = driver.window.task.log, driver.window.task.messages
    assert (log.placeholderText(), messages.placeholderText()) == (
        "No output yet.",
        "What the agent says appears here.",
    )
    go.set()
    driver.wait(lambda: "succeeded" in driver.label("task-state"))
    assert log.placeholderText() == "This task printed nothing."
    assert messages.placeholderText() == "The agent reported nothing. What it printed is in the log."


def _holds(image: QImage, area: QRect, color: QColor) -> bool:
    def near(x: int, y: int) -> bool:
        there = image.pixelColor(x, y)
        return (
            abs(there.red() - color.red()) + abs(there.green() - color.green()) + abs(there.blue() - color.blue())
            < 30
        )

    return any(near(x, y) for x in range(area.left(), area.right()) for y in range(area.top(), area.bottom()))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_selected_row_keeps_the_colour_of_its_state(driver: Driver, world: FakeWorld, theme: str) -> None:
    Theme(application(), theme).apply()
    for state in (TaskState.SUCCEEDED, TaskState.FAILED):
        world.tasks.add(
            Task(
                id=state.value[0] * 12,
                environment_id="website",
                environment_name="Website",
                agent="codex",
                prompt=state.value,
                state=state,
                created=1.0,
            )
        )
    driver.page(TASKS)
    driver.wait(lambda: len(driver.window.tasks.model.rows) == 2)
    view = driver.find("task-list", QTableView)
    for number in range(2):
        view.selectRow(number)
        image = view.viewport().grab().toImage()
        state = driver.window.tasks.model.rows[number].state
        area = view.visualRect(view.model().index(number, 0))
        assert _holds(image, area, state_color(state)), state
        assert view.selectionModel().isRowSelected(number)


def test_the_mark_of_what_is_not_saved_outlives_a_long_name(driver: Driver) -> None:
    view = driver.find("environment-list", QListView)

    def end() -> QImage:
        area = view.visualRect(view.model().index(0, 0))
        # The right end of the row's first line, above the badges.
        return view.viewport().grab(QRect(area.right() - 22, area.top() + 4, 20, area.height() // 2 - 6)).toImage()

    driver.type("env-name", "Web dev with a really long name, and more")
    driver.click("save-environment")
    driver.settle()
    before = end()
    driver.type("env-base-image", "debian:trixie")
    assert end() != before
    driver.click("revert-environment")
    driver.settle()
    assert end() == before


def test_columns_of_images_are_as_wide_as_their_words(driver: Driver, world: FakeWorld) -> None:
    shop = replace(
        fakes.image(1), step="environment", created=time.time(), own_size=94 * 1024 - 1, seconds_saved=3599.0
    )
    world.images.images = (shop, fakes.image(2))
    driver.window.resize(1400, 900)
    driver.page(IMAGES)
    driver.settle()
    view = driver.find("image-list", QTableView)
    model, header = view.model(), view.horizontalHeader()
    for column in range(1, model.columnCount()):
        words = [str(model.index(row, column).data()) for row in range(model.rowCount())]
        words.append(str(model.headerData(column, Qt.Orientation.Horizontal)))
        needed = max(view.fontMetrics().horizontalAdvance(word) for word in words) + 8
        assert header.sectionSize(column) >= needed, words
    assert header.sectionSize(0) > 300
