"""The profile in the window: a choice with its sentence, the offer of Standard, and the badge of Sudo."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel

from agents_runner.ui.models import WARNING_ROLE
from tests.ui.driver import Driver
from tests.ui.fakes import FakeWorld


def offer(driver: Driver) -> str:
    return driver.window.environments.form.profile._offer.text()


def test_a_new_environment_has_standard_and_every_choice_says_what_it_means(driver: Driver, world: FakeWorld) -> None:
    driver.click("new-environment")
    driver.type("env-name", "Fresh")
    assert driver.find("env-profile", QComboBox).currentText() == "Standard"
    said = driver.label("env-profile-meaning")
    assert offer(driver) == ""
    driver.choose("env-profile", "Sudo")
    assert driver.label("env-profile-meaning") != said
    driver.click("save-environment")
    driver.settle()
    saved = next(one for one in world.environments.known.values() if one.name == "Fresh")
    assert (saved.profile, saved.profile_from_before) == ("sudo", False)


def test_standard_is_offered_once_and_taken_back_like_any_edit(
    open_window: Callable[[], Driver], world: FakeWorld
) -> None:
    key = world.add("Old", profile="sudo", profile_from_before=True).id
    driver = open_window()
    driver.settle()
    driver.select("Old")
    assert "Under Standard" in offer(driver)
    driver.click("profile-offer-action")
    assert driver.find("env-profile", QComboBox).currentText() == "Standard"
    assert offer(driver) == ""
    driver.click("revert-environment")
    assert driver.find("env-profile", QComboBox).currentText() == "Sudo"
    assert "Under Standard" in offer(driver)
    driver.click("profile-offer-action")
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known[key]
    assert (saved.profile, saved.profile_from_before) == ("standard", False)


def test_choosing_sudo_once_more_keeps_it_and_ends_the_offer(
    open_window: Callable[[], Driver], world: FakeWorld
) -> None:
    key = world.add("Old", profile="sudo", profile_from_before=True).id
    driver = open_window()
    driver.settle()
    driver.select("Old")
    choice = driver.find("env-profile", QComboBox)
    choice.setFocus()
    choice.activated.emit(choice.currentIndex())
    assert offer(driver) == ""
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known[key]
    assert (saved.profile, saved.profile_from_before) == ("sudo", False)


def test_another_edit_chooses_no_profile(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    key = world.add("Old", profile="sudo", profile_from_before=True).id
    driver = open_window()
    driver.settle()
    driver.select("Old")
    driver.type("env-base-image", "debian:trixie")
    driver.click("save-environment")
    driver.settle()
    assert world.environments.known[key].profile_from_before
    assert "Under Standard" in offer(driver)


@pytest.mark.parametrize(("profile", "badge"), [("standard", ""), ("sudo", "Sudo"), ("strict", "")])
def test_only_sudo_has_a_badge_in_the_list(
    open_window: Callable[[], Driver], world: FakeWorld, profile: str, badge: str
) -> None:
    world.add("One", profile=profile)
    driver = open_window()
    driver.settle()
    driver.select("One")
    index = driver.window.environments.list.currentIndex()
    assert index.data(WARNING_ROLE) == badge
    assert ("Sudo" in index.data(Qt.ItemDataRole.AccessibleTextRole)) is bool(badge)
    driver.choose("env-profile", "Standard" if badge else "Sudo")
    assert index.data(WARNING_ROLE) == ("" if badge else "Sudo")


@pytest.mark.parametrize(("profile", "badge"), [("sudo", "Sudo"), ("standard", ""), ("strict", "")])
def test_a_task_of_sudo_has_the_badge_on_its_page(
    open_window: Callable[[], Driver], world: FakeWorld, profile: str, badge: str
) -> None:
    world.add("One", profile=profile)
    driver = open_window()
    driver.settle()
    driver.page(1)
    driver.type("task-prompt", "true")
    driver.click("run-task")
    driver.wait(lambda: "succeeded" in driver.label("task-state"))
    driver.settle()
    label = driver.find("task-profile", QLabel)
    assert (label.text(), label.isVisible()) == (badge, bool(badge))
