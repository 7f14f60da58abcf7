"""Reading a long log by the keyboard: its ends, and finding in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt, QTimer

from agents_runner.core.events import AgentMessage, Event, LogLine, StateChanged, TaskState
from agents_runner.core.task import Task
from agents_runner.ui.log_view import MAX_LINES, MAX_SHOWN
from tests.ui.driver import Driver
from tests.ui.fakes import BuildUntil, FakeWorld, ending

Key = Qt.Key
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier
WORDS = {10: "a Needle at 10", 4_000: "two \u00e4\U0001f600 needles and a NEEDLE", 8_000: "the last needle"}


def _printing(lines: int, word: Callable[[int], str]) -> Callable[[Task, threading.Event], Iterator[Event]]:
    def script(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        yield StateChanged(state=TaskState.STARTING)
        for number in range(lines):
            yield LogLine(stream="stdout", line=word(number))
            if number % 50 == 0:
                yield AgentMessage(kind="message", text=f"I said {word(number)}")
        yield from ending(task, TaskState.SUCCEEDED, 0)

    return script


def _run(driver: Driver) -> None:
    driver.run_keys("x")
    driver.wait(lambda: driver.window.task.isVisible() and "succeeded" in driver.label("task-state"))
    driver.settle()


@pytest.fixture
def long_log(driver: Driver, world: FakeWorld) -> Driver:
    world.runner.script = _printing(10_000, lambda number: WORDS.get(number, f"line {number}"))
    _run(driver)
    return driver


@pytest.mark.parametrize("tab", ["Log", "Agent"])
@pytest.mark.parametrize("modifier", [NONE, CONTROL])
def test_home_and_end_reach_the_ends(long_log: Driver, tab: str, modifier: Qt.KeyboardModifier) -> None:
    driver = long_log
    driver.tab(tab, "task-tabs")
    reader = driver.window.task.log if tab == "Log" else driver.window.task.messages
    reader.setFocus()
    bar = reader.verticalScrollBar()
    assert bar.maximum() > 10
    for _ in range(2):
        driver.keys(Key.Key_Home, modifier)
        assert bar.value() == 0
        driver.keys(Key.Key_End, modifier)
        assert bar.value() == bar.maximum()


def test_home_holds_the_place_and_end_follows_again(driver: Driver, world: FakeWorld) -> None:
    script = world.runner.script = BuildUntil()
    driver.run_keys("x")
    bar = driver.window.task.log.verticalScrollBar()
    driver.wait(lambda: bar.maximum() > 5)
    driver.keys(Key.Key_Home)
    before = bar.maximum()
    driver.wait(lambda: bar.maximum() > before + 5)
    assert bar.value() == 0
    driver.keys(Key.Key_End)
    before = bar.maximum()
    driver.wait(lambda: bar.maximum() > before + 5)
    assert bar.value() >= bar.maximum() - 2
    script.go.set()


def _found(driver: Driver, name: str = "task-log") -> tuple[str, int]:
    """What is marked, and on which line."""
    reader = driver.window.task.log if name == "task-log" else driver.window.task.messages
    driver.wait(lambda: driver.label(f"{name}-find-count") in ("Found", "Not found"))
    assert reader.viewport().rect().intersects(reader.cursorRect())
    return reader.textCursor().selectedText(), reader.textCursor().blockNumber()


def test_ctrl_f_finds_in_the_log_and_goes_around(long_log: Driver) -> None:
    driver = long_log
    driver.keys(Key.Key_Home)
    driver.keys(Key.Key_F, CONTROL)
    assert driver.focused() is driver.find("task-log-find")
    driver.qtbot.keyClicks(driver.focused(), "needle")
    assert _found(driver) == ("Needle", 10)
    seen = []
    for _ in range(5):
        driver.keys(Key.Key_Return)
        seen.append(_found(driver))
    assert seen == [("needle", 4_000), ("NEEDLE", 4_000), ("needle", 8_000), ("Needle", 10), ("needle", 4_000)]
    back = []
    for _ in range(3):
        driver.keys(Key.Key_F3, SHIFT)
        back.append(_found(driver))
    assert back == [("Needle", 10), ("needle", 8_000), ("NEEDLE", 4_000)]
    driver.type("task-log-find", "nowhere")
    driver.wait(lambda: driver.label("task-log-find-count") == "Not found")
    # Escape closes the bar first, and only then the page.
    driver.keys(Key.Key_Escape)
    assert not driver.find("task-log-find").isVisible()
    assert driver.window.task.isVisible()
    assert driver.focused() is driver.find("task-log")
    driver.keys(Key.Key_F3)
    driver.keys(Key.Key_Escape)
    assert driver.window.tasks.isVisible()


def test_ctrl_f_works_wherever_the_focus_is_and_in_the_tab_that_is_seen(long_log: Driver) -> None:
    driver = long_log
    driver.tab("Agent", "task-tabs")
    driver.find("run-again").setFocus()
    driver.keys(Key.Key_F, CONTROL)
    assert driver.focused() is driver.find("task-messages-find")
    driver.qtbot.keyClicks(driver.focused(), "the LAST")
    marked, line = _found(driver, "task-messages")
    assert marked == "the last"
    assert driver.text("task-messages").split("\n")[line].endswith("the last needle")
    driver.find("task-messages").setFocus()
    driver.keys(Key.Key_Escape)
    assert driver.window.task.isVisible()
    driver.tab("Log", "task-tabs")
    driver.keys(Key.Key_F, CONTROL)
    assert driver.focused() is driver.find("task-log-find")


def test_another_task_begins_without_the_bar(long_log: Driver) -> None:
    driver = long_log
    driver.keys(Key.Key_F, CONTROL)
    driver.click("run-again")
    driver.wait(lambda: "succeeded" in driver.label("task-state"))
    driver.settle()
    assert not driver.find("task-log-find").isVisible()


def test_the_window_lives_while_a_hostile_log_is_searched(driver: Driver, world: FakeWorld) -> None:
    """The most that the log can hold, and nothing in it: the search must not be one long step."""
    line = "\u00e4" + "x" * (MAX_SHOWN - 1)
    log = driver.window.task.log
    world.runner.script = _printing(1, lambda _: "begin")
    _run(driver)
    log.append_lines([("stdout", line)] * (MAX_LINES // 10))
    driver.wait(log.settled)
    steps: list[float] = []
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        steps.append(time.monotonic() - last)
        last = time.monotonic()

    timer = QTimer(driver.window)
    timer.timeout.connect(beat)
    driver.keys(Key.Key_F, CONTROL)
    timer.start(0)
    driver.qtbot.keyClick(driver.focused(), "y")
    driver.wait(lambda: driver.label("task-log-find-count") == "Not found", 60_000)
    timer.stop()
    # The search was cut into many steps, with the window's own work between them.
    assert len(steps) > 20


def test_a_search_outlives_a_log_that_loses_its_beginning(driver: Driver, world: FakeWorld) -> None:
    world.runner.script = _printing(1, lambda _: "begin")
    _run(driver)
    log = driver.window.task.log
    log.append_lines([("stdout", f"\u00e4 line {number}") for number in range(MAX_LINES)])
    driver.wait(log.settled)
    driver.keys(Key.Key_F, CONTROL)
    driver.qtbot.keyClicks(driver.focused(), "wanted")
    for number in range(30):
        log.append_lines([("stdout", f"newer {number}")] * 1000)
    log.append_lines([("stdout", "the wanted one")])
    driver.wait(lambda: log.settled() and driver.label("task-log-find-count") != "Looking ...", 60_000)
    driver.keys(Key.Key_Return)
    driver.wait(lambda: driver.label("task-log-find-count") == "Found", 60_000)
    assert log.textCursor().selectedText() == "wanted"
