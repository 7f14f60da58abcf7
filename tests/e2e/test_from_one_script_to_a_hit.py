"""The whole way in the window, on the real engine: an old file, its split, and a hit on the second run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from agents_runner.app import build_services
from agents_runner.store.paths import Paths
from agents_runner.ui.application import application
from agents_runner.ui.split_review import SplitReview
from agents_runner.ui.theme import Theme
from agents_runner.ui.window import MainWindow
from tests.ui.driver import Driver

SCRIPT = """#!/bin/bash
set -euo pipefail
# a tool that every task needs
mkdir -p /opt/tool
printf '#!/bin/sh\\necho tool-works\\n' > /opt/tool/run
chmod 755 /opt/tool/run
export TOOL=/opt/tool/run
echo "prepared for $AGENTS_RUNNER_ENVIRONMENT" > "$AGENTS_RUNNER_WORKSPACE/prepared"
export MODE=quick
"""
LONG = 120_000


@pytest.fixture
def driver(qtbot: QtBot, ar_home: Path, mini_base: str, tmp_path: Path) -> Iterator[Driver]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    old = {
        "version": 1,
        "env_id": "shop",
        "name": "Shop",
        "base_image": mini_base,
        "agent": "shell",
        "preflight_enabled": True,
        "preflight_script": SCRIPT,
        "container_caching_enabled": True,
        "workspace": {"kind": "folder", "path": str(workspace)},
    }
    paths = Paths.find().ensure()
    (paths.environments / "shop.json").write_text(json.dumps(old))
    services = build_services()
    app = application()
    app.setStyle("Fusion")
    Theme(app, "light").apply()
    window = MainWindow(services)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitExposed(window)
    try:
        yield Driver(window, qtbot)
    finally:
        window.shut_down()
        window.hide()
        services.system.close()


def run(driver: Driver, prompt: str) -> str:
    """A click on Run with this prompt; returns the texts of the phases when it has ended."""
    before = driver.window.task.task_id
    driver.page(0)
    driver.click("run-environment")
    driver.type("task-prompt", prompt)
    driver.click("run-task")
    driver.wait(lambda: driver.window.task.task_id != before and "succeeded" in driver.label("task-state"), LONG)
    driver.settle()
    return " ".join(driver.window.task.phases.texts())


def test_from_an_old_file_to_a_hit(driver: Driver, ar_home: Path, tmp_path: Path) -> None:
    driver.settle()
    driver.tab("Preflight")
    driver.settle()
    page = driver.window.environments.form.preflight
    assert "nothing is cached" in page.banner.text()

    driver.click("preflight-banner-action")
    driver.settle()
    review = driver.window.findChild(SplitReview)
    assert review is not None
    while driver.text("split-detail") != "export MODE=quick":
        driver.keys(Qt.Key.Key_Down)
        driver.settle()
    driver.keys(Qt.Key.Key_C)
    driver.settle()
    assert "to cached" in driver.label("split-said")
    driver.keys(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    driver.wait(lambda: not review.isVisible())
    driver.settle()
    driver.window.activateWindow()
    driver.click("save-environment")
    driver.settle()
    assert driver.label("env-said") == "Saved", (driver.label("env-said"), driver.errors())
    assert page.banner.text() == ""

    saved = json.loads(next((ar_home / "environments").glob("*.json")).read_text())
    assert saved["preflight_script"] == SCRIPT, "the old text stays for ever"
    assert "/opt/tool" in saved["cached_preflight_script"]
    assert "prepared for" in saved["run_preflight_script"]

    assert "built" in run(driver, '"$TOOL"; echo "$MODE"; cat prepared')
    log = driver.text("task-log")
    assert "tool-works" in log
    assert "quick" in log
    assert "prepared for Shop" in log
    assert "hit" in run(driver, '"$TOOL"; echo "$MODE"')
    assert "tool-works" in driver.text("task-log")
