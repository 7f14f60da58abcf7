"""Cached images: what is shown of them, and cleaning only after a look at what goes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QPushButton, QTableView

from agents_runner.core.errors import BuildFailed, EngineUnreachable
from agents_runner.runner.services import CleanRequest
from agents_runner.ui.images_page import CleanDialog, report_text
from tests.ui import fakes
from tests.ui.driver import Driver
from tests.ui.fakes import FakeWorld


@pytest.fixture
def images(driver: Driver, world: FakeWorld) -> Driver:
    world.images.images = tuple(fakes.image(number, in_use=number == 2) for number in range(4))
    driver.page(3)
    driver.settle()
    return driver


def _cell(driver: Driver, row: int, column: int) -> str:
    return str(driver.find("image-list", QTableView).model().index(row, column).data())


def _dialog(driver: Driver) -> CleanDialog:
    driver.click("clean-images")
    driver.wait(lambda: driver.window.findChild(QDialog, "clean-dialog"))
    return driver.find("clean-dialog", CleanDialog)


def test_the_table_says_what_there_is(images: Driver) -> None:
    assert [_cell(images, 1, column) for column in range(10)] == [
        "bookworm-3f1a9c07d2be-000000000001-77aa01b2c3d4",
        "env",
        "680 MiB",
        "93 MiB",
        "2 h",
        "10 min ago",
        "violet project",
        "no",
        "7",
        "4 min 12 s",
    ]
    assert _cell(images, 0, 5) == "never"
    assert _cell(images, 2, 7) == "yes"
    view = images.find("image-list", QTableView)
    images.qtbot.mouseClick(
        view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(view.model().index(1, 0)).center()
    )
    assert images.window.images._detail.whole_text().startswith("agent-runner-env:bookworm-3f1a9c07d2be-000000000001")


def test_cleaning_shows_first_and_removes_after(images: Driver, world: FakeWorld) -> None:
    dialog = _dialog(images)
    assert images.label("clean-freed") == "3 images will be removed, which frees 278 MiB on the engine's disk."
    text = images.text("clean-report")
    for one in world.images.images:
        assert one.tag in text
    assert "Stays: 1 image" in text
    assert "a container uses it" in text
    assert world.images.cleaned == [True]
    assert dialog.focusWidget() is images.find("cancel-clean")
    images.click("confirm-clean")
    images.wait(lambda: images.label("clean-said").startswith("3 images removed"))
    images.settle()
    assert images.label("clean-said") == "3 images removed, 278 MiB freed, 1 kept."
    assert world.images.cleaned == [True, False]
    assert images.find("image-list", QTableView).model().rowCount() == 1


def test_cancel_removes_nothing(images: Driver, world: FakeWorld) -> None:
    _dialog(images)
    images.click("cancel-clean")
    images.settle()
    assert world.images.cleaned == [True]
    assert len(world.images.images) == 4
    assert images.find("clean-images").isEnabled()


def test_what_other_installations_made_goes_when_it_is_asked_for(images: Driver, world: FakeWorld) -> None:
    world.images.others = frozenset({world.images.images[0].tag})
    dialog = _dialog(images)
    assert images.label("clean-freed").startswith("2 images will be removed")
    assert "another installation made it" in images.text("clean-report")
    images.qtbot.keyClick(dialog, Qt.Key.Key_O, Qt.KeyboardModifier.AltModifier)
    images.wait(lambda: images.label("clean-freed").startswith("3 images will be removed"))
    assert "another installation" not in images.text("clean-report")
    dialog.others.setChecked(False)
    images.wait(lambda: images.label("clean-freed").startswith("2 images will be removed"))
    dialog.others.setChecked(True)
    assert not images.find("confirm-clean", QPushButton).isEnabled(), "nothing goes that was not shown"
    images.wait(lambda: images.find("confirm-clean", QPushButton).isEnabled())
    images.click("confirm-clean")
    images.wait(lambda: images.label("clean-said").startswith("3 images removed"))


def test_a_second_look_that_fails_is_said_in_the_dialog(images: Driver, world: FakeWorld) -> None:
    world.images.others = frozenset({world.images.images[0].tag})
    world.images.clean_error = EngineUnreachable("No engine.", "Start one.")
    dialog = _dialog(images)
    dialog.others.setChecked(True)
    images.wait(lambda: images.label("clean-freed") == "No engine. Start one.")
    assert not images.find("confirm-clean", QPushButton).isEnabled()
    images.click("cancel-clean")
    images.settle()
    assert len(world.images.images) == 4


def test_who_is_alone_on_the_engine_sees_no_such_box(images: Driver) -> None:
    assert not _dialog(images).others.isVisible()


def test_nothing_to_clean(images: Driver, world: FakeWorld) -> None:
    world.images.images = tuple(one for one in world.images.images if one.in_use)
    _dialog(images)
    assert images.label("clean-freed") == "There is nothing to remove."
    assert not images.find("confirm-clean", QPushButton).isEnabled()


def test_an_engine_that_is_away(images: Driver, world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> tuple[()]:
        raise EngineUnreachable("No engine.", "Start one.")

    monkeypatch.setattr(world.images, "list", away)
    images.click("refresh-images")
    images.settle()
    assert images.window.images._banner.text() == "No engine. Start one."
    assert images.find("image-list", QTableView).model().rowCount() == 4


def test_no_images_yet(driver: Driver) -> None:
    driver.page(3)
    driver.wait(lambda: driver.find("images-empty").isVisible())
    driver.click("images-empty-action")
    assert driver.window.new_task.isVisible()


def test_rebuild_now_builds_anew_while_the_page_stays_alive(images: Driver, world: FakeWorld) -> None:
    world.add("violet project")
    view = images.find("image-list", QTableView)
    assert not images.find("rebuild-image").isEnabled()
    view.selectRow(0)
    assert not images.find("rebuild-image").isEnabled(), "it belongs to no environment"
    view.selectRow(1)
    world.images.build_gate.hold()
    images.click("rebuild-image")
    images.wait(world.images.build_gate.reached.is_set)
    assert images.label("clean-said") == "Rebuilding violet project ..."
    assert not images.find("rebuild-image").isEnabled()
    world.images.build_gate.release()
    images.wait(lambda: images.label("clean-said") == "1 layer rebuilt.")
    images.settle()
    assert world.images.built == [("violet project", True)]


def test_a_rebuild_that_fails_says_that_the_old_image_serves(images: Driver, world: FakeWorld) -> None:
    world.add("violet project")
    world.images.build_error = BuildFailed("The cached preflight ended with exit code 1.", "Its last lines say why.")
    images.find("image-list", QTableView).selectRow(1)
    images.click("rebuild-image")
    images.settle()
    assert images.window.images._banner.text().endswith("Its last lines say why. The present image stays in use.")
    assert images.find("rebuild-image").isEnabled()


def test_an_empty_report() -> None:
    report = fakes.FakeImages().clean(CleanRequest(dry_run=True))
    assert report_text(report) == "Goes: 0 images\n  nothing\n\nStays: 0 images\n  nothing"
