"""The Desktop tab: pictures while it is seen, the last one at the end, the browser, and a live view that may die."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PySide6.QtCore import QBuffer, QIODevice, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QCheckBox, QFileDialog, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from agents_runner.core.errors import NoDesktop
from agents_runner.ui import browser, desktop_tab, live_process
from agents_runner.ui.desktop_tab import DesktopTab
from agents_runner.ui.screen import Screen
from agents_runner.ui.widgets import Banner, ElidedLabel
from tests.ui.driver import Driver
from tests.ui.fakes import BuildUntil, FakeWorld

LIVE_VIEW = """
import json, sys
request = json.loads(sys.stdin.readline())
open({seen!r}, "w").write(json.dumps([request, sys.argv[1:]]))
print(json.dumps({{"window": 0}}), flush=True)
sys.stdin.readline() if {stay} else sys.exit({code})
"""


def png(color: str, width: int = 128, height: int = 80) -> bytes:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(color))
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return buffer.data().data()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_tab, "PICTURE_MS", 10)
    monkeypatch.setattr(live_process, "available", lambda: False)


@pytest.fixture
def task(world: FakeWorld) -> Iterator[BuildUntil]:
    """Runs until `go` is set."""
    made = world.runner.script = BuildUntil()
    yield made
    made.go.set()


def opened(driver: Driver, task: BuildUntil) -> DesktopTab:
    driver.run("draw")
    driver.wait(task.building.is_set)
    driver.tab("Desktop", "task-tabs")
    return driver.window.task.desktop


def ended(driver: Driver, task: BuildUntil) -> None:
    task.go.set()
    driver.wait(lambda: driver.label("task-state").endswith("succeeded"))


def status(driver: Driver) -> str:
    return driver.find("desktop-status", ElidedLabel).whole_text()


def trouble(driver: Driver) -> str:
    return driver.find("desktop-trouble", Banner).text()


def color(screen: Screen) -> QColor | None:
    image = screen.image()
    return None if image.isNull() else image.pixelColor(1, 1)


def everything(driver: Driver) -> str:
    """All that a person can read, tool tips and accessible texts included."""
    words = [driver.window.windowTitle()]
    for one in driver.window.findChildren(QWidget):
        words += [
            one.toolTip(),
            one.accessibleName(),
            one.accessibleDescription(),
            one.windowTitle(),
            one.statusTip(),
        ]
        if isinstance(one, QLabel | QPushButton):
            words.append(one.text())
    return "\n".join(words)


def test_it_says_what_is_missing_and_keeps_trying(driver: Driver, world: FakeWorld, task: BuildUntil) -> None:
    opened(driver, task)
    driver.wait(lambda: driver.label("desktop-empty") == "The desktop is not there (yet).")
    assert not driver.find("desktop-save").isEnabled()
    assert not driver.find("desktop-screen").isVisible()
    world.desktop.data = png("navy")
    driver.wait(lambda: driver.find("desktop-screen").isVisible())
    assert status(driver) == "The screen as it is now."
    assert driver.find("desktop-save").isEnabled()


def test_the_picture_follows_the_screen_and_stays_when_it_is_lost(
    driver: Driver, world: FakeWorld, task: BuildUntil
) -> None:
    world.desktop.data = png("navy")
    opened(driver, task)
    screen = driver.find("desktop-screen", Screen)
    driver.wait(lambda: color(screen) == QColor("navy"))
    world.desktop.data = png("olive", 400, 4000)
    driver.wait(lambda: color(screen) == QColor("olive"))
    assert screen.shown_size().height() == screen.height()
    assert abs(screen.shown_size().width() - screen.height() / 10) <= 1
    world.desktop.data = b""
    driver.wait(lambda: status(driver) == "An older picture: The desktop is not there (yet).")
    assert screen.isVisible()
    world.desktop.data = b"\x89PNG no picture"
    driver.wait(lambda: "cannot be read" in status(driver))
    world.desktop.data = png("teal")
    driver.wait(lambda: color(screen) == QColor("teal"))


def test_one_question_at_a_time_off_the_windows_thread(driver: Driver, world: FakeWorld, task: BuildUntil) -> None:
    world.desktop.data = png("navy")
    world.desktop.gate.hold()
    tab = opened(driver, task)
    driver.wait(world.desktop.gate.reached.is_set)
    for _ in range(20):
        tab._timer.timeout.emit()
    driver.qtbot.wait(50)
    assert world.desktop.gate.count == 1
    assert threading.get_ident() not in world.desktop.gate.threads
    world.desktop.gate.release()
    driver.wait(lambda: world.desktop.gate.count > 3)


def test_nothing_is_asked_while_it_is_hidden(driver: Driver, world: FakeWorld, task: BuildUntil) -> None:
    world.desktop.data = png("navy")
    tab = opened(driver, task)
    driver.wait(lambda: world.desktop.gate.count > 2)
    driver.tab("Log", "task-tabs")
    driver.wait(lambda: not tab._asking)
    asked = world.desktop.gate.count
    tab._ask()
    driver.qtbot.wait(60)
    assert not tab._timer.isActive()
    assert world.desktop.gate.count == asked
    driver.tab("Desktop", "task-tabs")
    driver.wait(lambda: world.desktop.gate.count > asked + 2)
    driver.page(2)
    driver.wait(lambda: not tab._asking)
    assert not tab._timer.isActive()


def test_after_the_end_the_last_picture_stays(driver: Driver, world: FakeWorld, task: BuildUntil) -> None:
    world.desktop.data = png("navy")
    tab = opened(driver, task)
    driver.wait(lambda: driver.find("desktop-screen").isVisible())
    world.desktop.data, world.desktop.live = png("maroon"), False
    ended(driver, task)
    driver.wait(lambda: status(driver) == "The task has ended; this is the last picture of its screen.")
    assert color(driver.find("desktop-screen", Screen)) == QColor("maroon")
    assert not driver.find("desktop-open").isEnabled()
    assert not driver.find("desktop-live").isEnabled()
    assert driver.find("desktop-save").isEnabled()
    driver.settle()
    asked = world.desktop.gate.count
    tab._ask()
    assert world.desktop.gate.count == asked


def test_an_end_without_a_picture_is_said_once(driver: Driver, world: FakeWorld, task: BuildUntil) -> None:
    tab = opened(driver, task)
    world.desktop.sentence = "It has ended without a last picture."
    ended(driver, task)
    driver.wait(lambda: tab._complete)
    assert driver.label("desktop-empty") == "It has ended without a last picture."


def test_another_task_does_not_show_the_pictures_of_the_one_before(
    driver: Driver, world: FakeWorld, task: BuildUntil
) -> None:
    world.desktop.data, world.desktop.live = png("navy"), False
    opened(driver, task)
    driver.wait(lambda: driver.find("desktop-screen").isVisible())
    ended(driver, task)
    driver.settle()
    world.desktop.data = b""
    task.go.clear()
    driver.click("run-again")
    driver.wait(lambda: len(world.runner.requests) == 2)
    driver.tab("Desktop", "task-tabs")
    driver.wait(lambda: driver.label("desktop-empty") == "The desktop is not there (yet).")
    assert not driver.find("desktop-save").isEnabled()


def test_the_screenshot_is_saved_as_it_came(
    driver: Driver, world: FakeWorld, task: BuildUntil, tmp_path: Path
) -> None:
    seen = world.desktop.data = png("navy")
    opened(driver, task)
    driver.wait(lambda: driver.find("desktop-screen").isVisible())
    for path, said in (
        (tmp_path / "now", f"Saved as {tmp_path / 'now.png'}."),
        (tmp_path / "locked.png", "The screenshot cannot be saved as"),
    ):
        if path.name == "locked.png":
            path.mkdir()
        driver.click("desktop-save")
        world.desktop.data = png("olive")
        dialog = driver.find("desktop-save-dialog", QFileDialog)
        if path.is_dir():
            dialog.fileSelected.emit(str(path))
            dialog.reject()
        else:
            dialog.selectFile(str(path))
            dialog.accept()
        driver.wait(lambda said=said: trouble(driver).startswith(said))
    assert (tmp_path / "now.png").read_bytes() == seen
    assert trouble(driver).endswith(": Is a directory. Choose another file.")


def test_the_browser_gets_a_ticket_that_leads_to_the_desktop_once(
    driver: Driver, world: FakeWorld, task: BuildUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_urls: list[str] = []
    monkeypatch.setattr(browser, "open_url", lambda url: not opened_urls.append(url))  # type: ignore[func-returns-value]
    opened(driver, task)
    driver.check("desktop-view-only")
    driver.click("desktop-open")
    driver.wait(lambda: opened_urls)
    assert world.desktop.addresses == [True]
    (ticket,) = opened_urls
    assert world.desktop.token not in ticket
    assert got(ticket + "x")[0] == 410
    assert got(ticket) == (302, world.desktop.url + world.desktop.token)
    driver.wait(lambda: gone(ticket))
    assert world.desktop.token not in everything(driver)


def test_a_ticket_ends_by_itself(qtbot: QtBot) -> None:
    ticket = browser.ticket("http://127.0.0.1:9/#token=x", 0.1)
    qtbot.waitUntil(lambda: gone(ticket))


def gone(ticket: str) -> bool:
    """Asks at another path, which never uses a ticket up."""
    try:
        return got(ticket + "x")[0] == 0
    except OSError:
        return True


def got(url: str) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or ""
    finally:
        connection.close()


def test_what_cannot_be_opened_is_said(
    driver: Driver, world: FakeWorld, task: BuildUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "open_url", lambda _url: False)
    opened(driver, task)
    driver.click("desktop-open")
    driver.wait(lambda: trouble(driver).startswith("The system has no browser"))
    world.desktop.address_error = NoDesktop("Nobody answers.", "Wait.")
    driver.click("desktop-open")
    driver.wait(lambda: trouble(driver) == "Nobody answers. Wait.")


def test_without_the_extra_the_live_view_is_the_browser(
    driver: Driver, task: BuildUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_urls: list[str] = []
    monkeypatch.setattr(browser, "open_url", lambda url: not opened_urls.append(url))  # type: ignore[func-returns-value]
    opened(driver, task)
    assert "agents-runner[desktop]" in driver.find("desktop-live").toolTip()
    driver.click("desktop-live")
    driver.wait(lambda: opened_urls)


@pytest.fixture
def live(
    open_window: Callable[[], Driver], world: FakeWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Driver]:
    """The window with a live view that is only a script: it notes what it was told, and stays or ends."""

    def make(*, stay: bool = True, code: int = 0) -> Driver:
        text = LIVE_VIEW.format(seen=str(tmp_path / "seen.json"), stay=stay, code=code)
        monkeypatch.setattr(live_process, "available", lambda: True)
        monkeypatch.setattr(live_process, "command", lambda: (sys.executable, "-c", text))
        world.add("Website")
        made = open_window()
        made.settle()
        return made

    return make


def test_the_live_view_learns_its_address_by_standard_input(
    live: Callable[..., Driver], world: FakeWorld, task: BuildUntil, tmp_path: Path
) -> None:
    driver = live()
    tab = opened(driver, task)
    driver.click("desktop-live")
    driver.wait(lambda: tab._live._is_open)
    request, arguments = json.loads((tmp_path / "seen.json").read_text())
    assert driver.find("desktop-live", QPushButton).text() == "End &live view"
    assert request["url"] == world.desktop.url + world.desktop.token
    assert world.desktop.token not in request["title"] + "".join(arguments) + everything(driver)
    ended(driver, task)
    driver.wait(lambda: not tab._live.running())
    assert trouble(driver) == ""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(0, "The live view was closed."), (1, "The live view ended unexpectedly"), (4, "The live view did not reach")],
)
def test_a_live_view_that_ends_is_said(
    live: Callable[..., Driver], task: BuildUntil, code: int, sentence: str
) -> None:
    driver = live(stay=False, code=code)
    opened(driver, task)
    driver.click("desktop-live")
    driver.wait(lambda: trouble(driver).startswith(sentence))
    assert driver.find("desktop-trouble-action", QPushButton).isVisible()


def test_a_live_view_that_dies_is_opened_again(
    live: Callable[..., Driver], world: FakeWorld, task: BuildUntil
) -> None:
    driver = live()
    tab = opened(driver, task)
    driver.click("desktop-live")
    driver.wait(lambda: tab._live._is_open)
    assert tab._live._process is not None
    tab._live._process.kill()
    driver.wait(lambda: trouble(driver).startswith("The live view ended unexpectedly; the task goes on."))
    driver.click("desktop-trouble-action")
    driver.wait(lambda: tab._live._is_open and tab._live.running())
    assert trouble(driver) == ""
    assert len(world.desktop.addresses) == 2
    driver.window.shut_down()
    assert not tab._live.running()


def test_a_live_view_is_ended_by_its_button(live: Callable[..., Driver], world: FakeWorld, task: BuildUntil) -> None:
    driver = live()
    world.desktop.data = png("navy")
    tab = opened(driver, task)
    driver.click("desktop-live")
    driver.wait(lambda: tab._live._is_open)
    driver.click("desktop-live")
    assert not tab._live.running()
    assert driver.find("desktop-live", QPushButton).text() == "&Live view"
    driver.wait(lambda: status(driver) == "The screen as it is now.")
    assert trouble(driver) == ""


def test_a_live_view_that_cannot_start_is_said(
    live: Callable[..., Driver], task: BuildUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = live()
    monkeypatch.setattr(live_process, "command", lambda: ("/nonexistent/python",))
    opened(driver, task)
    driver.click("desktop-live")
    driver.wait(lambda: trouble(driver).startswith("The live view could not be started."))


def test_every_action_has_a_key(driver: Driver, task: BuildUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_urls: list[str] = []
    monkeypatch.setattr(browser, "open_url", lambda url: not opened_urls.append(url))  # type: ignore[func-returns-value]
    opened(driver, task)
    driver.keys(Qt.Key.Key_O, Qt.KeyboardModifier.AltModifier)
    driver.wait(lambda: opened_urls)
    driver.keys(Qt.Key.Key_V, Qt.KeyboardModifier.AltModifier)
    driver.wait(driver.find("desktop-view-only", QCheckBox).isChecked)
