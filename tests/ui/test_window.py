"""The window as a whole: the keyboard, the engine's state, closing, and that nothing is cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListView,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QTableView,
    QWidget,
)

from agents_runner.core.errors import EngineUnreachable, InvalidInput, StoreError
from agents_runner.core.task import Task
from agents_runner.runner.services import TaskRequest
from agents_runner.ui.snapshot import write_snapshot
from agents_runner.ui.widgets import ElidedLabel
from tests.ui import fakes
from tests.ui.driver import Driver
from tests.ui.fakes import BuildUntil, FakeWorld

CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
Key = Qt.Key
CONTROLS = (QAbstractButton, QLineEdit, QPlainTextEdit, QComboBox, QListView, QTableView)
LONG = "An environment with a name that is much longer than anybody would think of, and then some more of it"


def test_the_keyboard_alone_is_enough(driver: Driver, world: FakeWorld) -> None:
    """New environment, save, run, stop, look at the list, clean: not one click."""
    world.runner.script = BuildUntil()
    world.images.images = (fakes.image(1),)
    driver.page(0)
    driver.keys(Key.Key_N, CONTROL)
    assert driver.focused() is driver.find("env-name")
    driver.qtbot.keyClicks(driver.focused(), "By keys")
    driver.keys(Key.Key_S, CONTROL)
    driver.wait(lambda: len(world.environments.known) == 2)
    driver.settle()
    driver.keys(Key.Key_R, ALT)
    driver.wait(driver.window.new_task.isVisible)
    assert driver.focused() is driver.find("task-prompt")
    driver.qtbot.keyClicks(driver.focused(), "typed")
    driver.keys(Key.Key_Return, CONTROL)
    driver.wait(lambda: "building" in driver.label("task-state"))
    # Not Stop: who types on must not end the task.
    assert driver.focused() is driver.find("task-log")
    driver.keys(Key.Key_Period, CONTROL)
    driver.wait(lambda: "cancelled" in driver.label("task-state"))
    driver.keys(Key.Key_Escape)
    assert driver.focused() is driver.find("task-list")
    driver.keys(Key.Key_Return)
    assert driver.window.task.isVisible()
    driver.page(3)
    assert driver.focused() is driver.find("clean-images")
    driver.settle()
    driver.keys(Key.Key_Space)
    driver.wait(lambda: driver.window.findChild(QWidget, "clean-dialog"))
    driver.qtbot.keyClick(driver.find("confirm-clean"), Key.Key_Space)
    driver.wait(lambda: "removed" in driver.label("clean-said"))


def _visible_controls(driver: Driver) -> list[QWidget]:
    found = [one for kind in CONTROLS for one in driver.window.findChildren(kind)]
    return [one for one in found if one.isVisible() and one.isEnabled() and not one.objectName().startswith("qt_")]


def _pages(driver: Driver) -> list[Callable[[], None]]:
    shown: list[Callable[[], None]] = [lambda n=n: driver.page(n) for n in range(4)]  # type: ignore[misc]
    tabs = driver.window.environments.form.tabs

    def tab(number: int) -> None:
        driver.page(0)
        tabs.setCurrentIndex(number)

    return [*shown, *(lambda n=n: tab(n) for n in range(tabs.count()))]  # type: ignore[misc]


def test_every_control_has_a_name_a_word_and_the_tab_key(driver: Driver, world: FakeWorld) -> None:
    world.images.images = (fakes.image(1),)
    driver.run("x")
    driver.wait(lambda: "succeeded" in driver.label("task-state"))
    for show in (lambda: None, *_pages(driver)):
        show()
        driver.settle()
        for control in _visible_controls(driver):
            inner = control.parentWidget()
            if isinstance(inner, QComboBox | QLineEdit) or control.focusPolicy() == Qt.FocusPolicy.NoFocus:
                continue
            assert control.objectName(), control
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control.objectName()
            word = control.text() if isinstance(control, QAbstractButton) else control.accessibleName()
            assert word, control.objectName()


def test_tab_walks_the_form_from_top_to_bottom(driver: Driver) -> None:
    driver.find("env-name").setFocus()
    walked = []
    for _ in range(13):
        walked.append(driver.focused().objectName())
        driver.keys(Key.Key_Tab)
    wanted = [
        "env-name",
        "env-color",
        "qt_tabwidget_tabbar",
        "env-base-image",
        "env-agent",
        "env-workspace-kind",
        "env-profile",
        "env-cache-container",
        "env-preflight-enabled",
        "env-desktop",
        "env-cache-desktop",
    ]
    assert walked[: len(wanted)] == wanted
    assert "run-environment" in walked


def test_no_page_has_two_keys_alike(driver: Driver, world: FakeWorld) -> None:
    """`&` in a visible text makes a key of the letter behind it."""
    world.images.images = (fakes.image(1),)
    for show in _pages(driver):
        show()
        driver.settle()
        keys: dict[str, str] = {}
        for widget in (*driver.window.findChildren(QAbstractButton), *driver.window.findChildren(QLabel)):
            text = widget.text() if isinstance(widget, QAbstractButton) or widget.buddy() else ""
            if widget.isVisible() and "&" in text:
                key = text[text.index("&") + 1].lower()
                assert key not in keys, (key, text, keys[key])
                keys[key] = text


def test_f1_the_engines_absence_is_named_and_ends(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website")
    world.system.engine_error = EngineUnreachable("No engine answers at unix:///x.sock.", "Start Docker.")
    driver = open_window()
    driver.wait(lambda: driver.find("engine-banner").isVisible())
    assert driver.window.engine_banner.text() == "No engine answers at unix:///x.sock. Start Docker."
    assert driver.label("engine-state") == "No engine"
    # Everything that needs no engine works.
    driver.type("env-name", "Renamed")
    driver.click("save-environment")
    driver.wait(lambda: world.environments.known["website"].name == "Renamed")
    world.system.engine_error = None
    driver.click("engine-banner-action")
    driver.wait(lambda: not driver.find("engine-banner").isVisible())
    assert driver.label("engine-state") == "Engine 1"


def test_f1_the_engine_is_asked_again_by_itself(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.system.engine_error = EngineUnreachable("No engine.", "Start one.")
    driver = open_window()
    driver.window.engine_watch.retry.setInterval(10)
    driver.wait(lambda: driver.find("engine-banner").isVisible())
    world.system.engine_error = None
    driver.wait(lambda: not driver.find("engine-banner").isVisible())


def test_f1_the_window_is_there_while_everything_hangs(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website")
    gates = (world.system.engine_gate, world.environments.gate, world.images.plan_gate, world.tasks.gate)
    for gate in gates:
        gate.hold()
    driver = open_window()
    assert driver.window.isVisible()
    driver.wait(world.system.engine_gate.reached.is_set)
    for number in range(4):
        driver.page(number)
    driver.page(0)
    assert not driver.find("env-name").isEnabled()
    for gate in gates:
        gate.release()
    driver.wait(lambda: driver.text("env-name") == "Website" and driver.find("env-name").isEnabled())


def test_closing_does_not_wait_for_a_call_that_hangs(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.system.engine_gate.hold()
    driver = open_window()
    driver.wait(world.system.engine_gate.reached.is_set)
    driver.window.close()
    assert not driver.window.isVisible()
    world.system.engine_gate.release()


def _question(driver: Driver) -> str:
    return next((box.text() for box in driver.window.findChildren(QMessageBox) if box.isVisible()), "")


def test_closing_asks_before_what_is_typed_is_lost(driver: Driver) -> None:
    driver.type("env-name", "Changed")
    driver.window.close()
    assert driver.window.isVisible()
    assert _question(driver) == "Not saved: Changed.\nClose all the same?"
    driver.click("cancel-close")
    driver.wait(lambda: not _question(driver))
    assert driver.text("env-name") == "Changed"
    driver.window.close()
    driver.click("confirm-close")
    driver.wait(lambda: not driver.window.isVisible())


def test_closing_asks_before_a_task_is_stopped(driver: Driver, world: FakeWorld) -> None:
    world.runner.script = BuildUntil()
    driver.run("x")
    driver.wait(lambda: "building" in driver.label("task-state"))
    driver.window.close()
    assert _question(driver) == "1 task has not ended."
    driver.click("close-stop")
    driver.wait(lambda: not driver.window.isVisible())
    assert not driver.window.leaves


def _box(driver: Driver) -> QMessageBox:
    return next(box for box in driver.window.findChildren(QMessageBox) if box.isVisible())


def _at_work(driver: Driver, world: FakeWorld) -> None:
    world.runner.script = BuildUntil()
    driver.run("x")
    driver.wait(lambda: "building" in driver.label("task-state"))


def test_f23_the_answers_are_reached_by_the_keyboard_and_escape_stays(driver: Driver, world: FakeWorld) -> None:
    _at_work(driver, world)
    driver.window.close()
    box = _box(driver)
    assert box.defaultButton().objectName() == "close-leave"
    assert "1 task has no container yet and begins at the next start." in box.informativeText()
    driver.qtbot.keyClick(box, Qt.Key.Key_Escape)
    driver.wait(lambda: not _question(driver))
    assert driver.window.isVisible()
    driver.window.close()
    driver.window.close()
    assert len([one for one in driver.window.findChildren(QMessageBox) if one.isVisible()]) == 1
    driver.qtbot.keyClick(_box(driver).defaultButton(), Qt.Key.Key_Space)
    driver.wait(lambda: not driver.window.isVisible())
    assert driver.window.leaves
    assert world.settings.saved.on_close == "ask"


def test_f23_the_answer_can_be_kept(driver: Driver, world: FakeWorld) -> None:
    _at_work(driver, world)
    driver.window.close()
    driver.check("close-tick")
    driver.click("close-leave")
    driver.wait(lambda: not driver.window.isVisible())
    assert driver.window.leaves
    assert world.settings.saved.on_close == "leave"


@pytest.mark.parametrize("wish", ["leave", "stop"])
def test_f23_what_the_settings_say_is_not_asked(
    driver: Driver, world: FakeWorld, wish: Literal["leave", "stop"]
) -> None:
    world.settings.saved = world.settings.saved.model_copy(update={"on_close": wish})
    _at_work(driver, world)
    driver.window.close()
    assert not driver.window.isVisible()
    assert driver.window.leaves == (wish == "leave")


def test_f23_what_is_typed_is_not_closed_over_by_a_return_key(driver: Driver, world: FakeWorld) -> None:
    _at_work(driver, world)
    driver.page(0)
    driver.type("env-name", "Changed")
    driver.window.close()
    assert _question(driver) == "Not saved: Changed.\n1 task has not ended."
    assert _box(driver).defaultButton().objectName() == "close-cancel"


def test_windows_come_and_go_while_tasks_talk(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website")
    world.runner.script = BuildUntil()
    for _ in range(8):
        driver = open_window()
        driver.settle()
        driver.run("x")
        driver.wait(lambda: "building" in driver.label("task-state"))  # noqa: B023
        driver.window.shut_down()
        driver.window.hide()


def test_a_refusal_is_said_at_its_field(driver: Driver, world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_request: TaskRequest) -> Task:
        raise InvalidInput("There is no agent 'x'.", "Choose another.", field="agent")

    monkeypatch.setattr(world.runner, "submit", refuse)
    driver.page(1)
    driver.type("task-prompt", "keep me")
    driver.click("run-task")
    driver.wait(lambda: "no agent" in driver.label("task-agent-error"))
    assert driver.text("task-prompt") == "keep me"
    assert driver.find("run-task").isEnabled()


def test_saving_leaves_nothing_unsaved(driver: Driver) -> None:
    for name in ("First", "Second"):
        driver.click("new-environment")
        driver.type("env-name", name)
        driver.choose("env-agent", "shell")
        driver.click("save-environment")
        driver.settle()
        assert driver.window.environments.edited_names() == []
        assert not driver.find("save-environment").isEnabled()


def _too_narrow(widget: QWidget) -> bool:
    if isinstance(widget, ElidedLabel) or not widget.isVisible():
        return False
    if isinstance(widget, QLabel):
        if widget.wordWrap():
            return widget.height() < widget.heightForWidth(widget.width())
        return widget.width() < widget.fontMetrics().horizontalAdvance(widget.text().replace("&", ""))
    return widget.width() < widget.minimumSizeHint().width() or widget.height() < widget.minimumSizeHint().height()


def _out_of_sight(widget: QWidget, window: QWidget) -> bool:
    """True for a widget that is not inside of its parent, where no scroll bar would bring it."""
    parent = widget.parentWidget()
    while parent is not None and parent is not window:
        if isinstance(parent, QAbstractScrollArea):
            return False
        parent = parent.parentWidget()
    corner = widget.mapTo(window, QPoint(widget.width(), widget.height()))
    return corner.x() > window.width() or corner.y() > window.height()


@pytest.mark.parametrize("size", [(900, 600), (1600, 1000)])
@pytest.mark.parametrize("name", ["Website", LONG])
def test_nothing_is_cut_off(
    open_window: Callable[[], Driver], world: FakeWorld, size: tuple[int, int], name: str
) -> None:
    world.add(name, base_image="registry.example.org/" + "path/" * 20 + "image:tag")
    world.images.images = tuple(fakes.image(number) for number in range(3))
    error = StoreError("The sentence about what went wrong is long. " * 4, "And so is the hint. " * 4)
    world.runner.script = fakes.Failing(error, ("a line of output " * 30,) * 5)
    driver = open_window()
    driver.window.resize(*size)
    driver.settle()
    driver.run("A prompt that is rather long. " * 10)
    driver.wait(lambda: "failed" in driver.label("task-state"))
    for show in (lambda: None, *_pages(driver)):
        show()
        driver.settle()
        assert (driver.window.width(), driver.window.height()) == size
        for kind in (QPushButton, QCheckBox, QComboBox, QLineEdit, QLabel):
            for widget in driver.window.findChildren(kind):
                assert not _too_narrow(widget), (widget.objectName(), widget)
                if widget.isVisible():
                    assert not _out_of_sight(widget, driver.window), (widget.objectName(), widget)


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_needs_no_display(qapp: object, world: FakeWorld, tmp_path: Path, dark: bool) -> None:
    world.add("Website")
    path = tmp_path / "window.png"
    write_snapshot(world.services(), path, environment_id="website", dark=dark, size=(900, 600))
    picture = QImage(str(path))
    assert (picture.width(), picture.height()) == (900, 600)
    assert (picture.pixelColor(600, 20).lightness() < 128) == dark
    with pytest.raises(StoreError):
        write_snapshot(world.services(), tmp_path / "no" / "folder.png", size=(900, 600))
