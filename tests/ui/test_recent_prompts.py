"""Old prompts come back with the arrow keys, over restarts too, and never over what is being written."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt

from agents_runner.ui.window import NEW_TASK
from tests.ui.driver import Driver
from tests.ui.fakes import FakeWorld

Key = Qt.Key


def _texts(driver: Driver, *keys: Key) -> list[str]:
    found = []
    for key in keys:
        driver.keys(key)
        found.append(driver.text("task-prompt"))
    return found


def test_the_arrow_up_brings_the_last_prompts_back(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website")
    world.runner.tests_scripts = True
    first = open_window()
    first.settle()
    for prompt in ("one", "two\nlines", "one", "three"):
        first.run(prompt)
        first.wait(lambda: "succeeded" in first.label("task-state"))
        first.settle()
    first.window.close()
    driver = open_window()
    driver.settle()
    driver.page(NEW_TASK)
    driver.settle()
    up, down = Key.Key_Up, Key.Key_Down
    assert _texts(driver, up, up, up, up) == ["three", "one", "two\nlines", "two\nlines"]
    assert _texts(driver, down, down, down, down) == ["one", "three", "", ""]
    driver.keys(up)
    driver.keys(Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    driver.wait(lambda: len(world.runner.requests) == 5)
    assert world.runner.requests[-1].prompt == "three"
    driver.settle()
    assert driver.text("task-prompt") == ""


def test_a_prompt_that_was_just_run_is_the_first(driver: Driver) -> None:
    driver.run("now")
    driver.settle()
    driver.page(NEW_TASK)
    assert _texts(driver, Key.Key_Up) == ["now"]


def test_what_is_being_written_is_never_replaced(driver: Driver) -> None:
    driver.run("old")
    driver.settle()
    driver.page(NEW_TASK)
    driver.qtbot.keyClicks(driver.focused(), "new")
    assert _texts(driver, Key.Key_Up, Key.Key_Down, Key.Key_Up) == ["new"] * 3
    driver.type("task-prompt", "")
    driver.keys(Key.Key_Up)
    driver.qtbot.keyClicks(driver.focused(), " and more")
    assert _texts(driver, Key.Key_Up, Key.Key_Down) == ["old and more"] * 2
    driver.keys(Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    driver.settle()


def test_tests_of_scripts_are_no_prompts(driver: Driver, world: FakeWorld) -> None:
    from dataclasses import replace

    from agents_runner.core.task import TaskKind

    driver.run("mine")
    driver.settle()
    (task,) = world.tasks.rows.values()
    world.tasks.add(
        replace(task, id="0" * 12, agent="", kind=TaskKind.TEST, prompt="Test preflight", created=task.created + 9)
    )
    driver.page(NEW_TASK)
    driver.settle()
    assert _texts(driver, Key.Key_Up, Key.Key_Up) == ["mine", "mine"]
