"""The page of environments: what is typed is saved as typed, and never lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QMessageBox, QPushButton

from agents_runner.core.environment import FolderWorkspace, GitWorkspace
from agents_runner.core.errors import EngineUnreachable, ImageMissing, StoreError
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.results import Problem
from agents_runner.runner.services import PlannedImage
from tests.ui.driver import Driver
from tests.ui.fakes import FakeWorld

CONTROL = Qt.KeyboardModifier.ControlModifier


def test_a_new_environment_is_typed_and_saved(driver: Driver, world: FakeWorld, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    driver.click("new-environment")
    assert driver.rows()[-1] == "New environment  •"
    driver.type("env-name", "My project")
    driver.type("env-base-image", "debian:trixie")
    driver.choose("env-agent", "shell")
    driver.choose("env-workspace-kind", "A folder")
    driver.type("env-workspace-path", str(work))
    driver.tab("Cached preflight")
    driver.type("env-cached-preflight", "apt-get update\napt-get install -y git")
    driver.tab("Run preflight")
    driver.type("env-run-preflight", "export A=1")
    driver.tab("Variables")
    driver.type("env-variables", "NAME=a value\nOTHER=")
    driver.tab("Advanced")
    driver.type("env-mounts", f"{work}:/data:ro")
    driver.type("env-ports", "3000\n8080:80")
    driver.type("env-memory", "2048")
    driver.click("save-environment")
    driver.settle()
    assert driver.errors() == []
    saved = next(one for one in world.environments.known.values() if one.name == "My project")
    assert saved.base_image == "debian:trixie"
    assert saved.agent == "shell"
    assert saved.workspace == FolderWorkspace(path=str(work))
    assert saved.cache_container_build
    assert saved.cached_preflight_script == "apt-get update\napt-get install -y git"
    assert saved.run_preflight_script == "export A=1"
    assert saved.env_vars == {"NAME": "a value", "OTHER": ""}
    assert saved.mounts == (f"{work}:/data:ro",)
    assert saved.ports == ("3000", "8080:80")
    assert saved.resources.memory_mb == 2048
    assert driver.label("env-said") == "Saved"
    assert driver.rows() == ["My project", "Website"]


def test_an_edit_keeps_what_the_form_does_not_show(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    before = world.add(
        "Website",
        future_field={"kept": [1, 2]},
        secrets=("TOKEN",),
        env_vars={"LINES": "one\ntwo", "B": "2"},
        mounts=("/srv/data:/data ",),
        resources={"pids": 77},
        cached_preflight_script="echo one\r\necho two\r\n",
        preflight_script="old",
        color="#123456",
        agent="somebody-elses",
        agent_args=("--fast",),
        refresh_after_days=3,
    )
    driver = open_window()
    driver.settle()
    driver.type("env-base-image", "debian:trixie")
    # A foreign agent is no choice of the list, but it is not silently replaced either.
    assert driver.find("env-agent", QComboBox).currentText() == "somebody-elses"
    driver.find("save-environment", QPushButton)
    world.environments.known.clear()
    driver.keys(Qt.Key.Key_S, CONTROL)
    driver.settle()
    problems_field = driver.label("env-mounts-error")
    assert problems_field, "the mount's folder does not exist, which is said at its field"
    world.environments.known.clear()
    driver.type("env-mounts", "")
    driver.keys(Qt.Key.Key_S, CONTROL)
    driver.wait(lambda: world.environments.known)
    saved = world.environments.known[before.id]
    assert saved == before.model_copy(update={"base_image": "debian:trixie", "mounts": ()})
    assert saved.model_extra == {"future_field": {"kept": [1, 2]}}


Fill = Callable[[Driver], None]


def _general(name: str, text: str) -> Fill:
    return lambda driver: driver.type(name, text)


def _in_tab(title: str, name: str, text: str) -> Fill:
    def fill(driver: Driver) -> None:
        driver.tab(title)
        driver.type(name, text)
        driver.tab("General")

    return fill


def _workspace(kind: str, name: str, text: str) -> Fill:
    def fill(driver: Driver) -> None:
        driver.choose("env-workspace-kind", kind)
        driver.type(name, text)

    return fill


@pytest.mark.parametrize(
    ("fill", "name", "says"),
    [
        (_general("env-name", "   "), "env-name", "needs a name"),
        (_general("env-base-image", "Debian Bookworm"), "env-base-image", "is no image's name"),
        (_general("env-base-image", ""), "env-base-image", "no base image"),
        (_workspace("A folder", "env-workspace-path", "/no/such/folder"), "env-workspace-path", "/no/such/folder"),
        (_workspace("A fresh", "env-workspace-url", "--upload-pack=x"), "env-workspace-url", "--upload-pack=x"),
        (_in_tab("Variables", "env-variables", "GOOD=1\n1BAD=2"), "env-variables", "Line 2"),
        (_in_tab("Variables", "env-variables", "no sign"), "env-variables", "no '='"),
        (_in_tab("Advanced", "env-mounts", "relative:/data"), "env-mounts", "not an absolute path"),
        (_in_tab("Advanced", "env-mounts", "/tmp:/etc"), "env-mounts", "/etc"),
        (_in_tab("Advanced", "env-ports", "70000"), "env-ports", "outside the ports"),
        (_in_tab("Advanced", "env-ports", "0.0.0.0:80:80"), "env-ports", "open to other machines"),
        (_in_tab("Advanced", "env-build-timeout", "soon"), "env-build-timeout", "cannot be 'soon'"),
        (_in_tab("Advanced", "env-build-timeout", "0"), "env-build-timeout", "build_timeout_s"),
        (_in_tab("Advanced", "env-cpus", "many"), "env-cpus", "cannot be 'many'"),
        (_in_tab("Advanced", "env-memory", "3"), "env-memory", "memory_mb"),
    ],
)
def test_bad_input_is_said_at_its_field_and_kept(
    driver: Driver, world: FakeWorld, fill: Fill, name: str, says: str
) -> None:
    before = dict(world.environments.known)
    fill(driver)
    typed = driver.text(name)
    driver.keys(Qt.Key.Key_S, CONTROL)
    driver.settle()
    assert says in driver.label(f"{name}-error")
    assert driver.find(f"{name}-error").isVisible()
    assert driver.focused() is driver.find(name)
    assert driver.text(name) == typed
    assert driver.find(name).accessibleDescription()
    assert world.environments.known == before
    assert driver.rows()[0].endswith("•")


def test_a_corrected_field_saves_and_loses_its_error(driver: Driver, world: FakeWorld) -> None:
    driver.type("env-base-image", "NO")
    driver.click("save-environment")
    driver.wait(lambda: driver.label("env-base-image-error"))
    driver.type("env-base-image", "debian:trixie")
    driver.click("save-environment")
    driver.wait(lambda: world.environments.known["website"].base_image == "debian:trixie")
    driver.settle()
    assert not driver.find("env-base-image-error").isVisible()
    assert driver.rows() == ["Website"]


def test_drafts_survive_other_environments_and_pages(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Alpha", cached_preflight_script="alpha")
    world.add("Beta")
    driver = open_window()
    driver.settle()
    driver.type("env-name", "Alpha two")
    driver.tab("Cached preflight")
    driver.type("env-cached-preflight", "typed but not saved")
    driver.select("Beta")
    assert driver.text("env-cached-preflight") == ""
    driver.page(2)
    driver.page(0)
    driver.select("Alpha two")
    assert driver.text("env-name") == "Alpha two"
    assert driver.text("env-cached-preflight") == "typed but not saved"
    assert driver.rows() == ["Alpha two  •", "Beta"]
    assert world.environments.known["alpha"].cached_preflight_script == "alpha"
    driver.click("revert-environment")
    assert driver.text("env-cached-preflight") == "alpha"
    assert driver.rows() == ["Alpha", "Beta"]


def test_toggles_never_clear_a_text(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website", cache_container_build=True, cached_preflight_script="cached", run_preflight_script="run")
    driver = open_window()
    driver.settle()
    driver.choose("env-workspace-kind", "A folder")
    driver.type("env-workspace-path", "/kept")
    for name in ("env-cache-container", "env-preflight-enabled", "env-desktop", "env-cache-desktop"):
        driver.check(name)
    driver.choose("env-workspace-kind", "None")
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known["website"]
    assert not saved.cache_container_build
    assert not saved.preflight_enabled
    assert saved.headless_desktop_enabled
    assert saved.cache_desktop_build
    assert (saved.cached_preflight_script, saved.run_preflight_script) == ("cached", "run")
    assert driver.text("env-cached-preflight") == "cached"
    driver.choose("env-workspace-kind", "A fresh")
    driver.type("env-workspace-url", "https://example.org/x.git")
    driver.type("env-workspace-branch", "main")
    driver.click("save-environment")
    driver.settle()
    workspace = world.environments.known["website"].workspace
    assert workspace == GitWorkspace(url="https://example.org/x.git", branch="main")


def test_a_disk_that_refuses_loses_nothing(driver: Driver, world: FakeWorld) -> None:
    world.environments.save_error = StoreError("The folder cannot be written.", "Check its rights.")
    driver.type("env-name", "Renamed")
    driver.click("save-environment")
    driver.settle()
    assert "cannot be written. Check its rights." in driver.window.environments._banner.text()
    assert driver.text("env-name") == "Renamed"
    world.environments.save_error = None
    driver.click("save-environment")
    driver.settle()
    assert world.environments.known["website"].name == "Renamed"
    assert driver.window.environments._banner.text() == ""


def test_what_is_typed_while_it_is_saved_stays_a_draft(driver: Driver, world: FakeWorld) -> None:
    world.environments.gate.hold()
    driver.type("env-name", "First")
    driver.click("save-environment")
    driver.wait(world.environments.gate.reached.is_set)
    driver.type("env-name", "Second")
    world.environments.gate.release()
    driver.settle()
    assert world.environments.known["website"].name == "First"
    assert driver.text("env-name") == "Second"
    assert driver.rows() == ["First  •"] or driver.rows() == ["Second  •"]


def test_an_error_waits_for_its_own_environment(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Alpha")
    world.add("Beta")
    driver = open_window()
    driver.settle()
    driver.type("env-base-image", "NOT GOOD")
    driver.click("save-environment")
    driver.select("Beta")
    driver.settle()
    assert driver.label("env-base-image-error") == ""
    driver.select("Alpha")
    assert "is no image's name" in driver.label("env-base-image-error")
    assert driver.text("env-base-image") == "NOT GOOD"


def test_duplicate_and_delete(driver: Driver, world: FakeWorld) -> None:
    driver.click("duplicate-environment")
    assert driver.text("env-name") == "Website copy"
    driver.click("save-environment")
    driver.wait(lambda: len(world.environments.known) == 2)
    driver.settle()
    driver.click("delete-environment")
    driver.click("cancel-delete")
    assert len(world.environments.known) == 2
    driver.wait(lambda: driver.window.findChild(QMessageBox) is None)
    driver.click("delete-environment")
    driver.click("confirm-delete")
    driver.wait(lambda: len(world.environments.known) == 1)
    driver.settle()
    assert driver.rows() == ["Website"]


def test_a_new_environment_is_thrown_away_only_when_asked(driver: Driver) -> None:
    driver.click("new-environment")
    driver.type("env-name", "Thought")
    driver.click("delete-environment")
    box = driver.window.findChild(QMessageBox)
    assert box is not None
    assert box.textFormat() == Qt.TextFormat.PlainText
    assert "Thought" in box.text()
    driver.click("confirm-delete")
    assert driver.rows() == ["Website"]


def test_a_newer_versions_environment_can_be_read_and_copied_only(
    open_window: Callable[[], Driver], world: FakeWorld
) -> None:
    world.add("Future", version=99)
    world.environments.read_only = frozenset({"future"})
    driver = open_window()
    driver.settle()
    assert not driver.find("env-name").isEnabled()
    assert not driver.find("delete-environment").isEnabled()
    assert "newer version" in driver.window.environments._banner.text()
    assert driver.find("run-environment").isEnabled()
    driver.click("duplicate-environment")
    assert driver.find("env-name").isEnabled()


def test_files_that_cannot_be_read_are_named(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website")
    world.environments.problems = (Problem(path="/x/a.json", message="a.json cannot be used.", hint="Mend it."),)
    driver = open_window()
    driver.settle()
    assert driver.find("environments-banner").isVisible()
    assert "a.json cannot be used. Mend it." in driver.window.environments._banner.text()
    driver.type("env-name", "Other")
    driver.click("save-environment")
    driver.settle()
    assert "a.json cannot be used. Mend it." in driver.window.environments._banner.text()


def test_a5_what_is_worth_knowing_of_an_environment_is_said_where_it_is_shown(
    open_window: Callable[[], Driver], world: FakeWorld
) -> None:
    world.add("Theirs")
    world.add("Website")
    world.environments.remarks_of = {"theirs": ("The workspace belongs to somebody else.",)}
    driver = open_window()
    driver.settle()
    driver.window.environments.select("theirs")
    driver.settle()
    assert driver.window.environments._banner.text() == "The workspace belongs to somebody else."
    driver.window.environments.select("website")
    driver.settle()
    assert driver.window.environments._banner.text() == ""


def test_no_environment_yet(open_window: Callable[[], Driver]) -> None:
    driver = open_window()
    driver.wait(lambda: driver.find("environments-empty").isVisible())
    driver.click("environments-empty-action")
    assert driver.focused() is driver.find("env-name")


def _planned(*states: str, notice: str = "") -> PlannedImage:
    plan = ImagePlan(base_ref="debian:bookworm", base_id="sha256:0")
    return PlannedImage(plan=plan, states=states, at_start=("run",), notice=notice)


@pytest.mark.parametrize(
    ("planned", "cached", "says"),
    [
        (_planned("hit", "hit"), True, "Next start: cached image ready (debian:bookworm)."),
        (_planned("hit", "miss"), True, "Next start: will build 1 of 2 layers."),
        (_planned("miss"), True, "Next start: will build 1 of 1 layer."),
        (_planned(), False, "Next start: caching is off, both scripts run at task start."),
        (_planned(notice="Caching is on, but empty."), True, "Caching is on, but empty."),
    ],
)
def test_the_plan_in_one_line(
    open_window: Callable[[], Driver], world: FakeWorld, planned: PlannedImage, cached: bool, says: str
) -> None:
    world.add("Website", cache_container_build=cached)
    world.images.planned = planned
    driver = open_window()
    driver.settle()
    assert driver.window.environments.plan.whole_text() == says


def test_the_plans_errors(driver: Driver, world: FakeWorld) -> None:
    world.images.plan_error = ImageMissing("The base image x is not here yet.", "It is pulled.")
    driver.page(0)
    driver.settle()
    assert driver.window.environments.plan.whole_text() == "The base image x is not here yet. It is pulled."
    world.images.plan_error = EngineUnreachable("No engine.", "Start one.")
    driver.page(0)
    driver.settle()
    assert "not known" in driver.window.environments.plan.whole_text()


def test_slow_plans_are_asked_one_at_a_time(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    for number in range(12):
        world.add(f"Environment {number:02}")
    driver = open_window()
    driver.settle()
    world.images.plan_gate.hold()
    world.images.plan_gate.count = 0
    for number in range(12):
        driver.select(f"Environment {number:02}")
    driver.wait(world.images.plan_gate.reached.is_set)
    # The threads are free for what the person asks for meanwhile.
    driver.type("env-name", "Renamed")
    driver.click("save-environment")
    driver.wait(lambda: world.environments.known["environment-11"].name == "Renamed")
    assert world.images.plan_gate.count == 1
    world.images.plan_gate.release()
    driver.settle()
    assert world.images.plan_gate.count == 2


def test_run_goes_to_a_new_task_of_that_environment(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Alpha")
    world.add("Beta")
    driver = open_window()
    driver.settle()
    driver.select("Beta")
    driver.click("run-environment")
    assert driver.window.new_task.isVisible()
    assert driver.find("task-environment", QComboBox).currentText() == "Beta"
    assert driver.focused() is driver.find("task-prompt")


def test_pasted_text_stays_plain(driver: Driver, world: FakeWorld) -> None:
    QApplication.clipboard().setText("echo 'a\u00a0b'\r\nprintf \"\u2013\"\n")
    driver.tab("Run preflight")
    driver.type("env-run-preflight", "")
    driver.keys(Qt.Key.Key_V, CONTROL)
    driver.click("save-environment")
    driver.settle()
    assert world.environments.known["website"].run_preflight_script == "echo 'a\u00a0b'\nprintf \"\u2013\"\n"
