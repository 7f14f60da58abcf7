"""The Desktop tab of a task's page: pictures while somebody looks, the browser, the live view's own program."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PySide6.QtCore import QBuffer
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QTabWidget

from agents_runner.core.errors import NoDesktop
from agents_runner.runner.services import DesktopAddress, Picture
from agents_runner.ui import desktop_tab
from agents_runner.ui.desktop_tab import DesktopTab
from tests.ui.driver import Driver
from tests.ui.fakes import BuildUntil, FakeWorld

TOKEN = "t0p-secret-token"
Open = Callable[[], Driver]


def png(color: str = "teal") -> bytes:
    image = QImage(320, 200, QImage.Format.Format_RGB32)
    image.fill(QColor(color))
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


@dataclass
class FakeDesktop:
    """Has a picture or a reason why there is none."""

    data: bytes = b""
    live: bool = True
    asked: int = 0
    addresses: list[bool] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)

    def address(self, task_id: str, *, view_only: bool = False) -> DesktopAddress:
        self.addresses.append(view_only)
        url = f"http://127.0.0.1:9/#{TOKEN}"
        return DesktopAddress(task=task_id, url=url, view_only=view_only)

    def picture(self, task_id: str) -> Picture:
        self.asked += 1
        self.threads.add(threading.current_thread().name)
        if not self.data:
            raise NoDesktop(f"Task {task_id} has no desktop.", "Turn the desktop on in its environment.")
        return Picture(data=self.data, live=self.live)


@pytest.fixture
def desktop(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> FakeDesktop:
    made = FakeDesktop()
    services = world.services
    monkeypatch.setattr(world, "services", lambda: replace(services(), desktop=made))
    monkeypatch.setattr(desktop_tab, "POLL_MS", 50)
    return made


@pytest.fixture
def running(desktop: FakeDesktop, world: FakeWorld, open_window: Open) -> Driver:
    """A task that runs, with the Desktop tab in front."""
    world.add("Website")
    world.runner.script = BuildUntil()
    driver = open_window()
    driver.settle()
    driver.run("Look at the shop")
    driver.tab("Desktop", "task-tabs")
    return driver


def tab(driver: Driver) -> DesktopTab:
    return driver.window.task.desktop


def test_why_there_is_no_picture_is_said_and_asked_again(running: Driver, desktop: FakeDesktop) -> None:
    running.wait(lambda: "has no desktop" in running.label("desktop-empty"))
    assert not running.find("desktop-save").isEnabled()
    desktop.data = png()
    running.wait(lambda: not tab(running).picture.image.isNull())
    assert running.find("desktop-save").isEnabled()
    assert all(name.startswith("window-job") for name in desktop.threads), "never on the window's thread"


def test_pictures_are_asked_for_only_while_somebody_looks(running: Driver, desktop: FakeDesktop) -> None:
    desktop.data = png()
    running.wait(lambda: desktop.asked > 2)
    running.find("task-tabs", QTabWidget).setCurrentIndex(0)
    running.settle()
    asked = desktop.asked
    running.qtbot.wait(300)
    assert desktop.asked == asked
    running.find("task-tabs", QTabWidget).setCurrentIndex(2)
    running.wait(lambda: desktop.asked > asked)


def test_the_last_picture_stays_and_says_so(running: Driver, desktop: FakeDesktop) -> None:
    desktop.data = png()
    running.wait(lambda: not tab(running).picture.image.isNull())
    desktop.live = False
    running.click("stop-task")
    running.wait(lambda: "last picture" in tab(running).says.whole_text())
    assert not running.find("desktop-browser").isEnabled()
    assert running.find("desktop-save").isEnabled()


def test_the_browser_is_given_the_address_and_nobody_else(running: Driver, desktop: FakeDesktop) -> None:
    opened: list[str] = []
    tab(running).open_url = lambda url: bool(opened.append(url)) or True
    running.check("desktop-view-only")
    running.click("desktop-browser")
    running.wait(lambda: opened == [f"http://127.0.0.1:9/#{TOKEN}"])
    assert desktop.addresses == [True]
    tab(running).open_url = lambda _url: False
    running.click("desktop-browser")
    running.wait(lambda: "No browser" in tab(running).says.whole_text())
    shown = [widget.property("text") or "" for widget in running.window.findChildren(desktop_tab.QWidget)]
    tips = [widget.toolTip() for widget in running.window.findChildren(desktop_tab.QWidget)]
    assert not any(TOKEN in str(text) for text in (*shown, *tips))


def test_a_screenshot_is_saved_or_the_reason_said(running: Driver, desktop: FakeDesktop, tmp_path: Path) -> None:
    data = png()
    tab(running).save_to(tmp_path / "shot.png", data)
    running.wait(lambda: "Saved as" in tab(running).says.whole_text())
    assert (tmp_path / "shot.png").read_bytes() == data
    tab(running).save_to(tmp_path / "none" / "shot.png", data)
    running.wait(lambda: "cannot be written" in tab(running).says.whole_text())


def test_without_the_extra_the_live_view_opens_the_browser(running: Driver, desktop: FakeDesktop) -> None:
    opened: list[str] = []
    tab(running).open_url = lambda url: bool(opened.append(url)) or True
    tab(running).has_live_view = lambda: False
    running.click("desktop-live")
    running.wait(lambda: len(opened) == 1)


LIVE = "import sys\nsaid = sys.stdin.readline()\nopen(sys.argv[1], 'w').write(said)\nprint('window 1', flush=True)\n"


def test_the_live_view_is_a_program_of_its_own(running: Driver, desktop: FakeDesktop, tmp_path: Path) -> None:
    said = tmp_path / "said"
    tab(running).has_live_view = lambda: True
    tab(running).live_command = [sys.executable, "-c", LIVE + "sys.stdin.read()", str(said)]
    running.click("desktop-live")
    running.wait(lambda: "window of its own" in running.label("desktop-empty"))
    assert TOKEN in said.read_text(), "by standard input, in no list of processes"
    assert not any(TOKEN in word for word in tab(running).live_command)
    running.click("desktop-live")
    running.wait(lambda: tab(running).live.text() == "Li&ve view")


def test_a_live_view_that_dies_takes_nothing_along(running: Driver, desktop: FakeDesktop, tmp_path: Path) -> None:
    desktop.data = png()
    tab(running).has_live_view = lambda: True
    tab(running).live_command = [sys.executable, "-c", LIVE + "import os; os.abort()", str(tmp_path / "said")]
    running.click("desktop-live")
    running.wait(lambda: tab(running).live.text() == "Li&ve view" and desktop.asked > 1)
    running.wait(lambda: not tab(running).picture.image.isNull())


def test_a_live_view_that_cannot_start_is_told(running: Driver, desktop: FakeDesktop, tmp_path: Path) -> None:
    tab(running).has_live_view = lambda: True
    tab(running).live_command = [str(tmp_path / "none")]
    running.click("desktop-live")
    running.wait(lambda: "live view ended" in tab(running).says.whole_text() or desktop.asked > 1)
    assert tab(running).live.text() == "Li&ve view"
