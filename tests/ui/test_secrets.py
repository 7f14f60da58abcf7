"""The Secrets tab: names and stages are part of the form, values are set at once and never shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QTableWidget

from agents_runner.core.errors import InvalidInput, StoreError
from agents_runner.core.secrets import SecretUse
from agents_runner.ui.secrets_editor import ValueDialog, value_of_file
from tests.ui.driver import LEFT, Driver
from tests.ui.fakes import FakeWorld

Key = Qt.Key
NAME, CACHED, RUN, AGENT, VARIABLE, VALUE = range(6)
Open = Callable[[], Driver]


def table(driver: Driver) -> QTableWidget:
    return driver.find("env-secrets-table", QTableWidget)


def rows(driver: Driver) -> list[tuple[str, str, str]]:
    """Name, ticks (c, r, a, v) and state of each row."""
    view = table(driver)
    found = []
    for number in range(view.rowCount()):
        cells = [view.item(number, column) for column in range(view.columnCount())]
        ticks = "".join(
            letter
            for letter, cell in zip("crav", cells[CACHED:VALUE], strict=True)
            if cell.checkState() == Qt.CheckState.Checked
        )
        found.append((cells[NAME].text(), ticks, cells[VALUE].text()))
    return found


def pick(driver: Driver, number: int, column: int = NAME) -> None:
    view = table(driver)
    place = view.visualItemRect(view.item(number, column)).center()
    driver.qtbot.mouseClick(view.viewport(), LEFT, pos=place)


def tick(driver: Driver, number: int, column: int) -> None:
    """By the keyboard: Space on the cell."""
    view = table(driver)
    view.setFocus()
    view.setCurrentCell(number, column)
    driver.qtbot.keyClick(view, Key.Key_Space)


def add(driver: Driver, name: str) -> None:
    driver.click("add-secret")
    editor = driver.focused()
    assert isinstance(editor, QLineEdit), "the new row's name is being typed"
    driver.qtbot.keyClicks(editor, name)
    driver.qtbot.keyClick(editor, Key.Key_Return)
    driver.wait(lambda: rows(driver)[-1][NAME] == name)


@pytest.fixture
def with_secrets(open_window: Open, world: FakeWorld) -> Driver:
    """The Secrets tab of an environment with two secrets, one of them with a value."""
    world.add("Website", secrets=("NPM_TOKEN", "DEPLOY_KEY"), secret_uses={"NPM_TOKEN": SecretUse(stages=("build",))})
    world.secrets.kept["website", "NPM_TOKEN"] = "the-npm-token"
    driver = open_window()
    driver.settle()
    driver.tab("Secrets")
    return driver


def type_value(driver: Driver, value: str) -> None:
    driver.click("set-secret")
    driver.wait(lambda: driver.window.findChildren(ValueDialog))
    line = driver.find("secret-value", QLineEdit)
    assert line.echoMode() == QLineEdit.EchoMode.Password
    line.setFocus()
    driver.qtbot.keyClicks(line, value)
    driver.qtbot.keyClick(line, Key.Key_Return)


def test_s1_secrets_are_listed_without_their_values(with_secrets: Driver) -> None:
    assert rows(with_secrets) == [("NPM_TOKEN", "c", "set"), ("DEPLOY_KEY", "ra", "missing")]
    texts = [label.text() for label in with_secrets.window.findChildren(QLabel)]
    assert not any("the-npm-token" in text for text in texts)


def test_s1_a_secret_is_added_saved_and_given_a_value(driver: Driver, world: FakeWorld) -> None:
    driver.tab("Secrets")
    add(driver, "TOKEN")
    tick(driver, 0, CACHED)
    tick(driver, 0, AGENT)
    tick(driver, 0, VARIABLE)
    assert rows(driver) == [("TOKEN", "crv", "save first")]
    assert not driver.find("set-secret", QPushButton).isEnabled()
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known["website"]
    assert saved.secrets == ("TOKEN",)
    assert saved.secret_uses == {"TOKEN": SecretUse(stages=("build", "run"), as_variable=True)}
    assert rows(driver) == [("TOKEN", "crv", "missing")]
    pick(driver, 0)
    type_value(driver, "a value of it")
    driver.settle()
    assert world.secrets.kept == {("website", "TOKEN"): "a value of it"}
    assert rows(driver) == [("TOKEN", "crv", "set")]
    assert driver.label("env-secrets-said") == ""
    assert not driver.find("save-environment", QPushButton).isEnabled()


def test_s1_removing_is_an_edit_that_can_be_reverted(with_secrets: Driver, world: FakeWorld) -> None:
    driver = with_secrets
    pick(driver, 0)
    driver.click("remove-secret")
    assert [one[0] for one in rows(driver)] == ["DEPLOY_KEY"]
    assert world.environments.known["website"].secrets == ("NPM_TOKEN", "DEPLOY_KEY")
    driver.click("revert-environment")
    driver.settle()
    assert rows(driver) == [("NPM_TOKEN", "c", "set"), ("DEPLOY_KEY", "ra", "missing")]
    pick(driver, 1)
    driver.click("remove-secret")
    driver.click("save-environment")
    driver.settle()
    assert world.environments.known["website"].secrets == ("NPM_TOKEN",)
    assert list(world.environments.known["website"].secret_uses) == ["NPM_TOKEN"]


def test_s1_another_edit_leaves_secrets_as_they_are(with_secrets: Driver, world: FakeWorld) -> None:
    before = world.environments.known["website"]
    with_secrets.tab("General")
    with_secrets.type("env-base-image", "debian:trixie")
    with_secrets.click("save-environment")
    with_secrets.settle()
    assert world.environments.known["website"] == before.model_copy(update={"base_image": "debian:trixie"})


@pytest.mark.parametrize("name", ["no-name", "1ST", "NPM_TOKEN"])
def test_s1_a_name_that_cannot_be_is_said_at_the_table(with_secrets: Driver, world: FakeWorld, name: str) -> None:
    driver = with_secrets
    add(driver, name)
    driver.tab("General")
    driver.click("save-environment")
    driver.settle()
    assert driver.label("env-secrets-error")
    assert driver.find("env-secrets-table").isVisible()
    assert world.environments.known["website"].secrets == ("NPM_TOKEN", "DEPLOY_KEY")


def test_s3_a_keyring_that_hangs_does_not_hold_the_window(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", secrets=("TOKEN",))
    world.secrets.gate.hold()
    driver = open_window()
    driver.wait(lambda: rows(driver))
    driver.tab("Secrets")
    driver.wait(world.secrets.gate.reached.is_set)
    assert rows(driver) == [("TOKEN", "ra", "...")]
    add(driver, "OTHER")  # the window works meanwhile
    assert threading.get_ident() not in world.secrets.gate.threads
    world.secrets.gate.release()
    driver.settle()
    assert rows(driver) == [("TOKEN", "ra", "missing"), ("OTHER", "ra", "save first")]


def test_s3_a_keyring_that_fails_is_said(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", secrets=("TOKEN",))
    world.secrets.error = StoreError("The keyring did not answer within 5 s.", "Unlock it and try again.")
    driver = open_window()
    driver.settle()
    driver.tab("Secrets")
    assert rows(driver) == [("TOKEN", "ra", "not known")]
    assert driver.label("env-secrets-said") == "The keyring did not answer within 5 s. Unlock it and try again."


@pytest.mark.parametrize("answer", ["confirm-secret-file", "cancel-secret-file"])
def test_s3_without_a_keyring_a_file_is_asked_for(with_secrets: Driver, world: FakeWorld, answer: str) -> None:
    driver = with_secrets
    pick(driver, 1)
    world.secrets.error = StoreError("There is no keyring.", "Choose a file.")
    type_value(driver, "value-of-the-key")
    driver.wait(lambda: driver.window.findChildren(QPushButton, answer))
    assert world.settings.saved.secret_storage == "keyring"
    world.secrets.error = None
    driver.click(answer)
    driver.settle()
    chosen = answer.startswith("confirm")
    driver.wait(lambda: (("website", "DEPLOY_KEY") in world.secrets.kept) is chosen)
    assert world.settings.saved.secret_storage == ("file" if chosen else "keyring")


def test_s2_a_warning_about_a_value_is_shown(with_secrets: Driver) -> None:
    pick(with_secrets, 1)
    type_value(with_secrets, "short")
    with_secrets.settle()
    assert with_secrets.label("env-secrets-said") == "It is short."


def test_s1_an_empty_value_is_not_kept_and_cancel_keeps_none(with_secrets: Driver, world: FakeWorld) -> None:
    driver = with_secrets
    before = dict(world.secrets.kept)
    pick(driver, 1)
    type_value(driver, "")
    assert driver.label("secret-value-error") == "There is no value yet."
    driver.click("cancel-secret")
    driver.settle()
    assert world.secrets.kept == before


def test_s1_a_key_of_several_lines_stays_one(with_secrets: Driver, world: FakeWorld, tmp_path: Path) -> None:
    driver = with_secrets
    path = tmp_path / "key"
    path.write_text("-----BEGIN-----\nabc\n-----END-----\n")
    pick(driver, 1)
    driver.click("set-secret")
    driver.wait(lambda: driver.window.findChildren(ValueDialog))
    driver.window.findChildren(ValueDialog)[0].read_file(path)
    driver.click("keep-secret")
    driver.settle()
    assert world.secrets.kept["website", "DEPLOY_KEY"] == path.read_text()
    # Pasted it is the same.
    driver.click("set-secret")
    driver.wait(lambda: driver.find("secret-value", QLineEdit).isVisible())
    QGuiApplication.clipboard().setText("line one\nline two\n")
    driver.find("secret-value", QLineEdit).paste()
    driver.click("keep-secret")
    driver.settle()
    assert world.secrets.kept["website", "DEPLOY_KEY"] == "line one\nline two\n"
    QApplication.clipboard().clear()


def test_s1_a_file_is_a_value_if_it_is_text(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"one line\n")
    assert value_of_file(path) == "one line"
    path.write_bytes(b"\xff\xfe\0")
    for bad in (path, tmp_path, tmp_path / "none"):
        with pytest.raises(InvalidInput):
            value_of_file(bad)


def test_f14_limits_are_typed_in_seconds_or_left_out(driver: Driver, world: FakeWorld) -> None:
    driver.tab("Advanced")
    driver.type("env-run-timeout", "60")
    driver.type("env-task-timeout", "3600")
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known["website"]
    assert (saved.run_preflight_timeout_s, saved.task_timeout_s) == (60, 3600)
    driver.type("env-task-timeout", "")
    driver.type("env-run-timeout", "a minute")
    driver.click("save-environment")
    driver.settle()
    assert driver.label("env-run-timeout-error")
    driver.type("env-run-timeout", "0")
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known["website"]
    assert (saved.run_preflight_timeout_s, saved.task_timeout_s) == (0, None)
