"""What a hand does without looking: stray keys, a second Return, letters with Alt, lists that drop down."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPlainTextEdit, QWidget

from agents_runner.core.errors import InvalidInput
from agents_runner.core.task import Task
from agents_runner.runner.services import TaskRequest
from agents_runner.ui.environment_editors import MAX_ENTRIES
from agents_runner.ui.window import ENVIRONMENTS, NEW_TASK, SETTINGS, TASKS
from tests.ui.driver import Driver
from tests.ui.fakes import BuildUntil, FakeWorld

OpenWindow = Callable[[], Driver]
Key = Qt.Key
CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
STRAY = (Key.Key_Space, Key.Key_Return, Key.Key_Enter, Key.Key_S, Key.Key_Delete)


def _environment(driver: Driver) -> str:
    return driver.find("task-environment", QComboBox).currentText()


def _succeeded(driver: Driver) -> None:
    driver.wait(lambda: "succeeded" in driver.label("task-state"))
    driver.settle()


# -- lists that drop down --------------------------------------------------------------------------


def _combos(driver: Driver) -> list[QComboBox]:
    return [one for one in driver.window.findChildren(QComboBox) if one.isVisible()]


def _shows(driver: Driver) -> list[Callable[[], None]]:
    tabs = driver.window.environments.form.tabs

    def tab(number: int) -> None:
        driver.page(ENVIRONMENTS)
        tabs.setCurrentIndex(number)

    pages: list[Callable[[], None]] = [lambda n=n: driver.page(n) for n in (NEW_TASK, SETTINGS)]  # type: ignore[misc]
    return [*pages, *(lambda n=n: tab(n) for n in range(tabs.count()))]  # type: ignore[misc]


def test_every_list_that_drops_down_shows_all_its_entries(driver: Driver) -> None:
    seen = set()
    for show in _shows(driver):
        show()
        driver.settle()
        for combo in _combos(driver):
            combo.showPopup()
            driver.wait(combo.view().isVisible)
            QApplication.processEvents()
            view = combo.view()
            rows = sum(view.sizeHintForRow(number) for number in range(min(combo.count(), MAX_ENTRIES)))
            name = combo.objectName()
            assert view.viewport().height() >= rows, (name, view.viewport().height(), rows)
            first, last = view.model().index(0, 0), view.model().index(min(combo.count(), MAX_ENTRIES) - 1, 0)
            for index in (first, last):
                assert view.viewport().rect().contains(view.visualRect(index).center()), (name, index.data())
            seen.add(name)
            combo.hidePopup()
    assert {"env-color", "env-agent", "preflight-mode", "setting-theme", "task-agent"} <= seen, seen


# -- the prompt ------------------------------------------------------------------------------------


def test_the_next_prompt_is_never_glued_to_the_last(driver: Driver, world: FakeWorld) -> None:
    driver.page(NEW_TASK)
    driver.qtbot.keyClicks(driver.focused(), "Add a page with a test.")
    driver.keys(Key.Key_Return, CONTROL)
    driver.wait(driver.window.task.isVisible)
    driver.page(ENVIRONMENTS)
    driver.click("run-environment")
    assert driver.text("task-prompt") == ""
    driver.qtbot.keyClicks(driver.focused(), "xterm -e top")
    driver.keys(Key.Key_Return, CONTROL)
    driver.wait(lambda: len(world.runner.requests) == 2)
    assert [one.prompt for one in world.runner.requests] == ["Add a page with a test.", "xterm -e top"]


@pytest.mark.parametrize("while_it_is_handed_over", [True, False])
def test_a_second_ctrl_return_runs_nothing_twice(
    driver: Driver, world: FakeWorld, while_it_is_handed_over: bool
) -> None:
    driver.page(NEW_TASK)
    driver.qtbot.keyClicks(driver.focused(), "once")
    if while_it_is_handed_over:
        world.runner.submit_gate.hold()
    for _ in range(3):
        driver.keys(Key.Key_Return, CONTROL)
    # What is typed before the answer comes is no part of that prompt, and of no other.
    driver.qtbot.keyClicks(driver.focused(), " and more")
    world.runner.submit_gate.release()
    driver.wait(driver.window.task.isVisible)
    driver.keys(Key.Key_Return, CONTROL)
    driver.page(NEW_TASK)
    driver.keys(Key.Key_Return, CONTROL)
    driver.settle()
    assert [one.prompt for one in world.runner.requests] == ["once"]
    assert driver.text("task-prompt") == ""
    driver.keys(Key.Key_Z, CONTROL)
    assert driver.text("task-prompt") == "once", "Ctrl+Z does not bring it back"


def test_a_prompt_that_could_not_be_handed_over_stays_and_can_be_changed(
    driver: Driver, world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_request: TaskRequest) -> Task:
        raise InvalidInput("There is no agent 'x'.", "Choose another.", field="agent")

    monkeypatch.setattr(world.runner, "submit", refuse)
    driver.run_keys("draft")
    driver.wait(lambda: "no agent" in driver.label("task-agent-error"))
    driver.find("task-prompt").setFocus()
    driver.keys(Key.Key_End, CONTROL)
    driver.qtbot.keyClicks(driver.focused(), " two")
    assert driver.text("task-prompt") == "draft two"


# -- which environment -------------------------------------------------------------------------------


def test_a_new_task_starts_in_the_environment_used_last(open_window: OpenWindow, world: FakeWorld) -> None:
    for name in ("Alpha", "Legacy", "Web dev"):
        world.add(name)
    first = open_window()
    first.settle()
    first.page(NEW_TASK)
    first.choose("task-environment", "Web dev")
    first.run("x")
    _succeeded(first)
    first.page(TASKS)
    first.page(NEW_TASK)
    assert _environment(first) == "Web dev"
    # A kill asks nobody: it is kept as soon as the task is recorded.
    assert world.memory.state.last_used == "web-dev"
    second = open_window()
    second.settle()
    second.page(TASKS)
    second.page(NEW_TASK)
    assert _environment(second) == "Web dev"


def test_who_comes_from_an_environment_means_that_one(open_window: OpenWindow, world: FakeWorld) -> None:
    for name in ("Legacy", "Shop", "Web dev"):
        world.add(name)
    driver = open_window()
    driver.settle()
    driver.select("Web dev")
    driver.type("env-base-image", "debian:trixie")
    driver.keys(Key.Key_S, CONTROL)
    driver.settle()
    driver.page(NEW_TASK)
    assert _environment(driver) == "Web dev"
    driver.page(ENVIRONMENTS)
    driver.select("Shop")
    # By the sidebar as well, with the arrow keys.
    driver.find("sidebar").setFocus()
    driver.keys(Key.Key_Down)
    assert driver.window.new_task.isVisible()
    assert _environment(driver) == "Shop"


def test_a_prompt_that_is_being_written_keeps_its_environment(open_window: OpenWindow, world: FakeWorld) -> None:
    for name in ("Legacy", "Web dev"):
        world.add(name)
    driver = open_window()
    driver.settle()
    driver.page(NEW_TASK)
    driver.choose("task-environment", "Web dev")
    driver.run("x")
    _succeeded(driver)
    driver.page(NEW_TASK)
    driver.choose("task-environment", "Legacy")
    driver.type("task-prompt", "half a sent")
    driver.page(TASKS)
    driver.keys(Key.Key_Return)
    driver.settle()
    driver.click("run-again")
    driver.wait(lambda: len(world.runner.requests) == 2)
    driver.settle()
    driver.page(NEW_TASK)
    assert (_environment(driver), driver.text("task-prompt")) == ("Legacy", "half a sent")


# -- where the focus is ------------------------------------------------------------------------------


def test_a_stray_key_after_run_harms_nothing(driver: Driver, world: FakeWorld) -> None:
    script = world.runner.script = BuildUntil()
    driver.run_keys("x")
    driver.wait(lambda: "building" in driver.label("task-state"))
    for key in STRAY:
        driver.keys(key)
    script.go.set()
    _succeeded(driver)
    assert len(world.runner.requests) == 1


@pytest.mark.parametrize("how", ["space", "click", "letter", "ctrl"])
def test_a_stray_key_after_stop_harms_nothing(driver: Driver, world: FakeWorld, how: str) -> None:
    QApplication.clipboard().setText("mine")
    world.runner.script = BuildUntil()
    driver.run_keys("x")
    driver.wait(lambda: "building" in driver.label("task-state"))
    stop = driver.find("stop-task")
    if how == "click":
        driver.click("stop-task")
    elif how == "letter":
        driver.keys(Key.Key_S, ALT)
    elif how == "ctrl":
        driver.keys(Key.Key_Period, CONTROL)
    else:
        stop.setFocus()
        driver.keys(Key.Key_Space)
    driver.wait(lambda: not stop.isEnabled())
    assert driver.focused() is driver.find("task-log")
    for key in STRAY:
        driver.keys(key)
    driver.wait(lambda: "cancelled" in driver.label("task-state"))
    for key in STRAY:
        driver.keys(key)
    driver.settle()
    assert QApplication.clipboard().text() == "mine"
    assert len(world.runner.requests) == 1
    assert driver.window.task._said.whole_text().startswith("Stopped. Run again")


def test_a_stop_button_that_goes_out_under_the_focus_hands_it_to_the_log(driver: Driver, world: FakeWorld) -> None:
    script = world.runner.script = BuildUntil()
    driver.run_keys("x")
    driver.wait(lambda: "building" in driver.label("task-state"))
    driver.find("stop-task").setFocus()
    script.go.set()
    _succeeded(driver)
    assert driver.focused() is driver.find("task-log")


def test_run_again_by_the_space_bar_runs_once(driver: Driver, world: FakeWorld) -> None:
    QApplication.clipboard().setText("mine")
    driver.run_keys("x")
    _succeeded(driver)
    world.runner.submit_gate.hold()
    driver.find("run-again").setFocus()
    for _ in range(3):
        driver.keys(Key.Key_Space)
    assert driver.focused() is driver.find("task-log")
    world.runner.submit_gate.release()
    driver.settle()
    _succeeded(driver)
    assert len(world.runner.requests) == 2
    assert QApplication.clipboard().text() == "mine"


def test_save_by_the_space_bar_reaches_no_other_button(driver: Driver, world: FakeWorld) -> None:
    driver.type("env-name", "Renamed")
    driver.find("save-environment").setFocus()
    driver.keys(Key.Key_Space)
    for key in STRAY:
        driver.keys(key)
    driver.settle()
    for key in STRAY:
        driver.keys(key)
    driver.settle()
    assert world.environments.known["website"].name == "Renamed"
    assert driver.window.environments.isVisible()
    assert driver.text("env-name") == "Renamed"
    assert not [one for one in driver.window.findChildren(QWidget, "delete-question") if one.isVisible()]


# -- letters with Alt --------------------------------------------------------------------------------


def _labels(driver: Driver) -> list[QLabel]:
    found = driver.window.findChildren(QLabel)
    return [one for one in found if one.isVisible() and one.buddy() is not None and "&" in one.text()]


def test_every_underlined_letter_of_a_label_leads_to_its_field(driver: Driver) -> None:
    led = set()
    for show in _shows(driver):
        show()
        driver.settle()
        for label in _labels(driver):
            letter = label.text()[label.text().index("&") + 1]
            driver.find("sidebar").setFocus()
            driver.keys(Key(ord(letter.upper())), ALT)
            buddy, focused = label.buddy(), driver.focused()
            assert focused is buddy or buddy.isAncestorOf(focused), (label.text(), focused.objectName())
            assert isinstance(focused, QComboBox | QPlainTextEdit) or focused.focusPolicy() & Qt.FocusPolicy.TabFocus
            led.add(focused.objectName())
    wanted = {
        "task-environment",
        "task-agent",
        "task-prompt",
        "env-base-image",
        "env-agent",
        "env-mounts",
        "env-ports",
    }
    assert wanted | {"env-pull", "env-build-timeout", "env-name", "env-workspace-kind"} <= led, wanted - led
