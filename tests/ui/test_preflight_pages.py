"""The Preflight pages: typing with warnings, finding, splitting by keyboard, and that no text is ever lost."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QPixmap, QTextCursor
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QMenu, QMessageBox, QPushButton, QToolTip

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.migrate import AUTO_SPLIT_HINT, read_environment
from agents_runner.store.paths import Paths
from agents_runner.ui.analyzer import WorkerProcess
from agents_runner.ui.find_bar import places
from agents_runner.ui.finding_list import FindingList
from agents_runner.ui.form_state import FormState, with_fields
from agents_runner.ui.import_dialog import ImportDialog
from agents_runner.ui.preflight_page import SINGLE, SPLIT, PreflightPage
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.shell_lexer import START, lex
from agents_runner.ui.split_model import LINE, REASON, STAGE, STATEMENT, SURE
from agents_runner.ui.split_review import SplitReview
from tests.ui import fakes
from tests.ui.driver import LEFT, Driver
from tests.ui.fakes import FakeWorld

Key = Qt.Key
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
CACHED, RUN = "env-cached-preflight", "env-run-preflight"
LEGACY = (
    "#!/bin/bash\nset -euo pipefail\n# tools\nsudo pacman -Syu --noconfirm nodejs npm\nVERSION=1.2\n"
    "curl -fsSL https://example.org/tool-$VERSION.tgz | tar -xz -C /opt\n"
    'mkdir -p "$HOME/cache-${AGENTS_RUNNER_TASK_ID}"\nexport NODE_ENV=development\nnpm ci\n'
)
Open = Callable[[], Driver]


def page(driver: Driver) -> PreflightPage:
    return driver.window.environments.form.preflight


def editor(driver: Driver, name: str) -> ScriptEditor:
    return driver.find(name, ScriptEditor)


def review(driver: Driver) -> SplitReview:
    return driver.find("split-review", SplitReview)


def kinds(of: ScriptEditor, line: int) -> list[str]:
    """The coloured words of a line (from 0)."""
    block = of.document().findBlockByNumber(line)
    return [block.text()[one.start : one.start + one.length] for one in block.layout().formats()]


def opened(open_window: Open, tab: str = "Cached preflight") -> Driver:
    driver = open_window()
    driver.settle()
    driver.tab(tab)
    driver.settle()
    return driver


def split_opened(open_window: Open) -> Driver:
    """The review of the script of the environment that is selected."""
    driver = opened(open_window, "Script")
    driver.click("auto-split")
    driver.settle()
    assert review(driver).isVisible()
    return driver


def stages(driver: Driver) -> dict[str, str]:
    """Lines to stages, as the table shows them."""
    model = review(driver).model
    return {model.index(row, LINE).data(): model.index(row, STAGE).data() for row in range(model.rowCount())}


def select_line(driver: Driver, line: str) -> None:
    """Click the statement of these lines in the table."""
    view, model = review(driver).view, review(driver).model
    number = next(row for row in range(model.rowCount()) if model.index(row, LINE).data() == line)
    view.scrollTo(model.index(number, LINE))
    driver.qtbot.mouseClick(view.viewport(), LEFT, pos=view.visualRect(model.index(number, LINE)).center())
    driver.settle()


def closed(driver: Driver) -> None:
    """The review is gone, and the window has the keyboard again."""
    driver.wait(lambda: driver.window.findChild(SplitReview) is None)
    driver.window.activateWindow()
    driver.wait(driver.window.isActiveWindow)
    driver.settle()


# -- the editor ----------------------------------------------------------------------------------------------


def test_lines_have_numbers_and_colours(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", cached_preflight_script='# hi\nexport A="$HOME/x"\ncat <<E\nif $B\nE\nif true; then\nfi\n')
    driver = opened(open_window)
    shown = editor(driver, CACHED)
    assert kinds(shown, 0) == ["# hi"]
    assert kinds(shown, 1) == ["export", '"$HOME/x"', "$HOME"]
    assert kinds(shown, 2) == ["<<E"]
    # Inside of a here-document an `if` is no keyword.
    assert kinds(shown, 3) == ["if $B", "$B"]
    assert kinds(shown, 5) == ["if", "then"]
    width = shown.margin.width()
    assert width > shown.fontMetrics().horizontalAdvance("99")
    assert shown.viewport().mapTo(shown, QPoint(0, 0)).x() >= width
    picture = QPixmap(shown.margin.size())
    shown.margin.render(picture)
    image = picture.toImage()
    rows = {y for y in range(image.height()) for x in range(image.width()) if image.pixelColor(x, y).lightness() < 80}
    assert rows, "there are numbers in the margin"
    driver.type(CACHED, "\n".join("x" for _ in range(120)))
    assert shown.margin.width() > width, "three digits need more room than two"


def test_colours_are_no_part_of_the_text(open_window: Open, world: FakeWorld) -> None:
    """Neither an edit of the environment nor a step to undo."""
    world.add("Website", cached_preflight_script="echo 'one'\n" * 300)
    driver = opened(open_window)
    shown = editor(driver, CACHED)
    driver.wait(shown.colors.settled)
    assert not driver.find("save-environment", QPushButton).isEnabled()
    assert not shown.document().isUndoAvailable()
    cursor = shown.textCursor()
    cursor.movePosition(QTextCursor.MoveOperation.Start)
    shown.setTextCursor(cursor)
    shown.setFocus()
    driver.qtbot.keyClicks(shown, '"')
    driver.wait(shown.colors.settled)
    assert kinds(shown, 299) == ["echo 'one'"], "the open quote reaches to the end"
    driver.keys(Key.Key_Z, CONTROL)
    driver.wait(shown.colors.settled)
    assert kinds(shown, 299) == ["'one'"]
    assert not driver.find("save-environment", QPushButton).isEnabled()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['echo "a', 'b" c'], [['"a'], ['b"']]),
        (["echo 'a", "$b' $c"], [["'a"], ["$b'", "$c"]]),
        (["cat <<'X'", "$a", "X", "$a"], [["<<'X'"], ["$a"], ["X"], ["$a"]]),
        (["cat <<-X", "\tX", "fi"], [["<<-X"], ["\tX"], ["fi"]]),
        (["cat <<<word", "fi"], [[], ["fi"]]),
        (["a $((1 << X))", "fi"], [[], ["fi"]]),
        (["install \\", "if for"], [[], []]),
        (["echo a#b # c"], [["# c"]]),
        (["for x in y; do", "done"], [["for", "in", "do"], ["done"]]),
        (["# step: one", "#step"], [["# step: one"], ["#step"]]),
        (["A=1 B+=2 export C"], [["A", "B", "export"]]),
        (["case $x in", "a) if :; then b; fi ;;", "esac"], [["case", "$x", "in"], ["if", "then", "fi"], ["esac"]]),
        (["cat <<A <<B", "A", "B", "fi"], [["<<A", "<<B"], ["A"], ["B"], ["fi"]]),
    ],
)
def test_what_is_coloured(lines: list[str], expected: list[list[str]]) -> None:
    state = START
    found = []
    for line in lines:
        spans, state = lex(line, state)
        found.append([line[begin : begin + length] for begin, length, _ in spans])
    assert found == expected


def test_characters_beyond_the_first_plane_keep_their_colours(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", cached_preflight_script="echo 🚀🚀 'x' # y\n")
    driver = opened(open_window)
    text = editor(driver, CACHED).document().firstBlock()
    units = text.text().encode("utf-16-le")
    shown = [
        units[one.start * 2 : (one.start + one.length) * 2].decode("utf-16-le") for one in text.layout().formats()
    ]
    assert shown == ["'x'", "# y"]
    assert places("🚀 one 🚀 one", "one") == [3, 10]


def test_find_walks_around_the_text(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", cached_preflight_script="apt-get update\nnpm one\nAPT-GET install\n")
    driver = opened(open_window)
    shown = editor(driver, CACHED)
    shown.setFocus()
    driver.keys(Key.Key_F, CONTROL)
    assert driver.focused() is driver.find(f"{CACHED}-find")
    driver.qtbot.keyClicks(driver.focused(), "apt-get")
    assert driver.label(f"{CACHED}-find-count") == "1 of 2"
    driver.keys(Key.Key_Return)
    assert driver.label(f"{CACHED}-find-count") == "2 of 2"
    assert shown.textCursor().selectedText() == "APT-GET"
    driver.keys(Key.Key_Return)
    assert (driver.label(f"{CACHED}-find-count"), shown.textCursor().blockNumber()) == ("1 of 2", 0)
    driver.keys(Key.Key_Return, SHIFT)
    assert driver.label(f"{CACHED}-find-count") == "2 of 2"
    driver.click(f"{CACHED}-find-next")
    driver.click(f"{CACHED}-find-previous")
    assert driver.label(f"{CACHED}-find-count") == "2 of 2"
    driver.type(f"{CACHED}-find", "nowhere")
    assert driver.label(f"{CACHED}-find-count") == "Not found"
    driver.keys(Key.Key_Escape)
    assert driver.focused() is shown
    assert not driver.find(f"{CACHED}-find").isVisible()
    driver.find(f"{CACHED}-find").setText("npm")  # type: ignore[attr-defined]
    driver.keys(Key.Key_F3)
    assert shown.textCursor().selectedText() == "npm"


def test_tab_leaves_the_editor(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", cached_preflight_script="echo one\n")
    driver = opened(open_window)
    editor(driver, CACHED).setFocus()
    driver.keys(Key.Key_Tab)
    assert driver.focused() is not editor(driver, CACHED)
    assert driver.text(CACHED) == "echo one\n"


# -- warnings ------------------------------------------------------------------------------------------------


def test_warnings_appear_while_typing_and_vanish_when_mended(driver: Driver) -> None:
    driver.tab("Cached preflight")
    driver.type(CACHED, "set -e\napt-get update\napt-get install git")
    shown = editor(driver, CACHED)
    driver.wait(lambda: shown.marked_lines() == [3])
    found = driver.find(f"{CACHED}-warnings", FindingList)
    assert found.isVisible()
    assert "-y" in found.model_.index(0).data()
    assert "1 warning" in driver.label(f"{CACHED}-said")
    driver.settle()
    assert not page(driver).tabs.tabIcon(0).isNull()
    # The mark stays with its line until the next check.
    cursor = shown.textCursor()
    cursor.movePosition(QTextCursor.MoveOperation.Start)
    shown.setTextCursor(cursor)
    driver.qtbot.keyClick(shown, Key.Key_Return)
    assert shown.marked_lines() == [4]
    driver.settle()
    assert shown.marked_lines() == [4]
    cursor.movePosition(QTextCursor.MoveOperation.End)
    shown.setTextCursor(cursor)
    driver.qtbot.keyClicks(shown, " -y")
    driver.wait(lambda: shown.marked_lines() == [])
    driver.settle()
    assert not found.isVisible()
    assert driver.label(f"{CACHED}-said") == "No warnings"
    assert page(driver).tabs.tabIcon(0).isNull()


def test_a_warning_tells_what_to_do_and_leads_to_its_line(open_window: Open, world: FakeWorld) -> None:
    world.add(
        "Website", cached_preflight_script="echo one\n\nexport API_TOKEN=ghp_0123456789abcdefghij0123456789abcdef\n"
    )
    driver = opened(open_window)
    shown = editor(driver, CACHED)
    found = driver.find(f"{CACHED}-warnings", FindingList)
    assert shown.marked_lines() == [3]
    told = shown.tip_at(3)
    assert "API_TOKEN" in told
    assert "secret" in told
    block = shown.document().findBlockByNumber(2)
    place = shown.blockBoundingGeometry(block).translated(shown.contentOffset()).center().toPoint()
    for widget in (shown.margin, shown.viewport()):
        at = QPoint(4, place.y())
        QApplication.sendEvent(widget, QHelpEvent(QEvent.Type.ToolTip, at, widget.mapToGlobal(at)))
        driver.wait(lambda: "API_TOKEN" in QToolTip.text())
        QToolTip.hideText()
        driver.wait(lambda: not QToolTip.isVisible())
    place = found.visualRect(found.model_.index(0)).center()
    driver.qtbot.mouseClick(found.viewport(), LEFT, pos=place)
    assert driver.focused() is shown
    assert shown.textCursor().blockNumber() == 2
    shown.go_to_line(1)
    driver.keys(Key.Key_F8)
    assert shown.textCursor().blockNumber() == 2
    found.setFocus()
    shown.go_to_line(1)
    found.setFocus()
    driver.keys(Key.Key_Return)
    assert shown.textCursor().blockNumber() == 2


def test_the_check_knows_the_other_script_and_the_variables(open_window: Open, world: FakeWorld) -> None:
    """What one script sets and the other reads, and names that the environment gives to both."""
    world.add("Website", cached_preflight_script="TOOLS=/opt/tools\n", run_preflight_script='ls "$TOOLS"\n')
    driver = opened(open_window, "Run preflight")
    first = [one.rule for one in page(driver).run.findings]
    driver.tab("Cached preflight")
    driver.type(CACHED, "export TOOLS=/opt/tools\n")
    driver.tab("Run preflight")
    driver.settle()
    assert first != [one.rule for one in page(driver).run.findings] == []


def test_validate_asks_bash_and_shellcheck(open_window: Open, world: FakeWorld) -> None:
    world.add(
        "Website", cached_preflight_script="echo one\n", run_preflight_script="cd /srv\nfor x in a; do echo $x\n"
    )
    driver = opened(open_window)
    driver.click("validate-preflight")
    driver.settle()
    assert page(driver).tabs.currentWidget() is page(driver).run, "the one with the warnings is shown"
    assert any(one.rule == "syntax" and one.severe for one in page(driver).run.findings)
    programs = " and ".join(name for name in ("bash", "shellcheck") if shutil.which(name))
    assert f"{programs} looked as well" in driver.label(f"{RUN}-said")
    if shutil.which("shellcheck"):
        assert any(one.rule.startswith("SC") for one in page(driver).run.findings)
    driver.tab("Cached preflight")
    assert driver.label(f"{CACHED}-said").startswith("No warnings")
    driver.tab("Run preflight")
    driver.type(RUN, "echo mended")
    driver.settle()
    assert page(driver).run.findings == ()


def test_a_script_of_another_environment_is_not_blamed_for_this_one(open_window: Open, world: FakeWorld) -> None:
    world.add("Alpha", cached_preflight_script="apt-get install git\n")
    world.add("Beta", cached_preflight_script="echo fine\n")
    driver = opened(open_window)
    assert page(driver).cached.findings
    driver.select("Beta")
    assert page(driver).cached.findings == ()
    driver.settle()
    assert editor(driver, CACHED).marked_lines() == []
    # What Ctrl+Z brings back belongs to this environment as well.
    editor(driver, CACHED).setFocus()
    driver.keys(Key.Key_Z, CONTROL)
    assert driver.text(CACHED) == "echo fine\n"


# -- the analyzer's process ------------------------------------------------------------------------------------


def test_the_analyzers_process_comes_back_and_ends_with_the_window(driver: Driver) -> None:
    driver.tab("Cached preflight")
    driver.type(CACHED, "npm ci")
    driver.settle()
    worker = driver.window.analyzer._quick
    first = worker.process_id()
    assert first
    os.kill(first, 9)
    driver.wait(lambda: worker.process_id() == 0)
    driver.type(CACHED, "apt-get install git")
    driver.settle()
    assert page(driver).cached.findings
    second = worker.process_id()
    assert second not in {0, first}
    driver.window.shut_down()
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_only_the_newest_question_is_answered(driver: Driver) -> None:
    worker = WorkerProcess()
    answers: list[str] = []
    for number in range(20):
        fields = {
            "do": "check",
            "text": f"echo {number}",
            "stage": "run",
            "before": "",
            "available": [],
            "programs": False,
        }
        worker.ask("same", fields, lambda _answer, number=number: answers.append(str(number)), lambda _error: None)
    worker.ask("other", {"do": "nonsense"}, lambda _answer: None, lambda error: answers.append(error.message))
    driver.wait(lambda: len(answers) == 2)
    assert answers[0] == "19"
    assert "could not read" in answers[1]
    assert worker.pending == 0
    worker.close()


def test_a_process_that_cannot_start_or_breaks_is_told(driver: Driver) -> None:
    for command in (("/nonexistent/python",), ("/bin/sh", "-c", "exit 3")):
        worker = WorkerProcess(command=command)
        errors: list[AgentsRunnerError] = []
        worker.ask("one", {"do": "check"}, lambda _answer: None, errors.append)
        driver.wait(lambda errors=errors: errors)
        assert "ended unexpectedly" in errors[0].message
        assert worker.pending == 0
        worker.close()


def test_what_no_shell_can_read_is_named_not_lost(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", cached_preflight_script="echo fine\n")
    driver = opened(open_window)
    editor(driver, CACHED).replace_text("echo one\necho \0\n")
    driver.wait(lambda: "Line 2" in driver.label(f"{CACHED}-said"))
    assert driver.find(f"{CACHED}-said").property("role") == "error"


# -- single and split --------------------------------------------------------------------------------------------


def test_the_mode_never_changes_a_text(open_window: Open, world: FakeWorld) -> None:
    world.add("Both", cached_preflight_script="cached\n", run_preflight_script="run\n")
    world.add("One", run_preflight_script="all in one\n")
    driver = opened(open_window)
    mode = driver.find("preflight-mode", QComboBox)
    tabs = page(driver).tabs
    before = driver.window.environments.form.state()
    assert mode.currentData() == SPLIT
    driver.choose("preflight-mode", "Single")
    assert not tabs.isTabVisible(0)
    assert tabs.tabText(1) == "Script"
    assert "still runs before" in driver.find("preflight-notice").text()  # type: ignore[attr-defined]
    assert driver.text(RUN) == "run\n"
    assert driver.window.environments.form.state() == before
    assert not driver.find("save-environment", QPushButton).isEnabled()
    driver.select("One")
    assert mode.currentData() == SINGLE
    driver.choose("preflight-mode", "Split")
    assert driver.text(CACHED) == ""
    driver.select("Both")
    assert mode.currentData() == SINGLE, "as it was chosen before"
    driver.click("preflight-notice-action")
    assert mode.currentData() == SPLIT
    assert driver.text(CACHED) == "cached\n"
    driver.choose("preflight-mode", "Single")
    driver.tab("Script")
    driver.type(RUN, "changed")
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known["both"]
    assert (saved.cached_preflight_script, saved.run_preflight_script) == ("cached\n", "changed")
    assert world.environments.known["one"].run_preflight_script == "all in one\n"


def test_what_belongs_where_is_said_in_a_tip(driver: Driver) -> None:
    driver.tab("Preflight")
    tabs = page(driver).tabs
    assert "same for every task" in tabs.tabToolTip(0)
    assert "every start" in tabs.tabToolTip(1)
    assert "never a text" in driver.find("preflight-mode").toolTip()


def test_scripts_that_are_switched_off_say_so(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", preflight_enabled=False, run_preflight_script="kept\n", cache_container_build=True)
    driver = opened(open_window, "Script")
    assert "neither runs" in page(driver).banner.text()
    assert driver.text(RUN) == "kept\n"


def ask_about_caching(open_window: Open, world: FakeWorld) -> Driver:
    world.add("Website", run_preflight_script=LEGACY, preflight_script=LEGACY)
    driver = open_window()
    driver.settle()
    driver.check("env-cache-container")
    box = driver.find("unsplit-question", QMessageBox)
    assert box.isVisible()
    assert "runs at every task start" in box.informativeText()
    return driver


def test_caching_over_an_unsplit_script_split_now(open_window: Open, world: FakeWorld) -> None:
    driver = ask_about_caching(open_window, world)
    driver.click("unsplit-now")
    driver.settle()
    assert review(driver).isVisible()
    driver.click("split-cancel")
    assert driver.text(RUN) == LEGACY
    assert driver.find("env-cache-container", QCheckBox).isChecked()


def test_caching_over_an_unsplit_script_later(open_window: Open, world: FakeWorld) -> None:
    driver = ask_about_caching(open_window, world)
    driver.qtbot.keyClick(driver.find("unsplit-question"), Key.Key_Escape)
    driver.wait(lambda: driver.window.findChild(QMessageBox) is None)
    assert driver.find("env-cache-container", QCheckBox).isChecked()
    driver.tab("Script")
    assert "nothing is cached" in page(driver).banner.text()
    driver.click("save-environment")
    driver.settle()
    saved = world.environments.known["website"]
    assert saved.cache_container_build
    assert (saved.cached_preflight_script, saved.run_preflight_script) == ("", LEGACY)


def test_caching_over_an_unsplit_script_off_again(open_window: Open, world: FakeWorld) -> None:
    driver = ask_about_caching(open_window, world)
    driver.click("unsplit-off")
    assert not driver.find("env-cache-container", QCheckBox).isChecked()
    assert not driver.find("save-environment", QPushButton).isEnabled(), "all is as it was saved"
    assert driver.window.environments.form.state().run_preflight_script == LEGACY


@pytest.mark.parametrize("scripts", [{}, {"cached_preflight_script": "a\n", "run_preflight_script": "b\n"}])
def test_caching_without_need_asks_nothing(open_window: Open, world: FakeWorld, scripts: dict[str, str]) -> None:
    world.add("Website", **scripts)
    driver = open_window()
    driver.settle()
    driver.check("env-cache-container")
    assert driver.window.findChild(QMessageBox) is None


# -- auto-split --------------------------------------------------------------------------------------------------


def test_the_review_shows_every_statement_with_its_reason(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", run_preflight_script=LEGACY)
    driver = split_opened(open_window)
    assert stages(driver) == {
        "1": "both",
        "2": "both",
        "3-4": "cached",
        "5": "cached",
        "6": "cached",
        "7": "run",
        "8": "run",
        "9": "run",
    }
    model = review(driver).model
    row = [model.index(2, column).data() for column in range(model.columnCount())]
    assert row[STATEMENT] == "sudo pacman -Syu --noconfirm nodejs npm"
    assert row[REASON] == "It installs software with pacman."
    assert row[SURE] == "yes"
    assert driver.label("split-said").startswith("7 statements: 3 go to the cached preflight, 3 to the run")
    assert driver.text("split-cached").startswith("#!/bin/bash\nset -euo pipefail\n# tools\nsudo pacman")
    assert "npm ci" in driver.text("split-run")
    assert driver.find("split-cached", ScriptEditor).isReadOnly()
    for word in ("C, R and B", "P ", "U "):
        assert word in driver.label("split-hint")
    select_line(driver, "3-4")
    assert driver.text("split-detail") == "# tools\nsudo pacman -Syu --noconfirm nodejs npm"


def test_a_statement_is_moved_by_keyboard_and_takes_others_along(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", run_preflight_script=LEGACY)
    driver = split_opened(open_window)
    select_line(driver, "5")
    assert "line 6 would follow" in driver.label("split-ties"), "told before anything moves"
    proposed = driver.text("split-cached"), driver.text("split-run")
    driver.keys(Key.Key_R)
    driver.settle()
    assert stages(driver)["5"] == "run •"
    assert stages(driver)["6"] == "run"
    assert driver.label("split-said") == "Moved line 5 to run. So line 6 followed to run: they hang together."
    assert "VERSION" not in driver.text("split-cached")
    assert "VERSION=1.2\ncurl" in driver.text("split-run")
    assert "line 6 is in run as well" in driver.label("split-ties")
    select_line(driver, "6")
    assert "builds on line 5" in driver.label("split-ties")
    driver.keys(Key.Key_Z, CONTROL)
    driver.settle()
    assert (driver.text("split-cached"), driver.text("split-run")) == proposed
    driver.keys(Key.Key_Z, CONTROL | SHIFT)
    driver.settle()
    assert stages(driver)["5"] == "run •"
    select_line(driver, "5")
    driver.keys(Key.Key_P)
    driver.settle()
    assert (driver.text("split-cached"), driver.text("split-run")) == proposed
    driver.click("split-undo")
    driver.settle()
    assert stages(driver)["5"] == "run •"
    driver.click("split-redo")
    driver.settle()
    assert (driver.text("split-cached"), driver.text("split-run")) == proposed


def test_statements_are_moved_by_mouse(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", run_preflight_script=LEGACY)
    driver = split_opened(open_window)
    select_line(driver, "8")
    driver.click("split-to-cached")
    driver.settle()
    assert stages(driver)["8"] == "cached •"
    driver.click("split-to-both")
    driver.settle()
    assert driver.text("split-cached").count("NODE_ENV") == driver.text("split-run").count("NODE_ENV") == 1
    view, model = review(driver).view, review(driver).model
    view.customContextMenuRequested.emit(view.visualRect(model.index(7, 0)).center())
    menu = next(one for one in review(driver).findChildren(QMenu) if one.isVisible())
    menu.actions()[3].trigger()
    menu.close()
    driver.settle()
    assert stages(driver)["9"] == "run"


def test_the_next_unsure_statement_is_a_key_away(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", run_preflight_script="apt-get install -y git\n./unknown.sh\necho one\n./other.sh\n")
    driver = split_opened(open_window)
    driver.keys(Key.Key_U)
    driver.settle()
    first = driver.text("split-detail")
    driver.keys(Key.Key_U)
    driver.settle()
    assert (first, driver.text("split-detail")) == ("./unknown.sh", "./other.sh")


def test_apply_fills_both_editors_and_nothing_else(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", run_preflight_script=LEGACY, preflight_script=LEGACY, cache_container_build=True)
    driver = split_opened(open_window)
    cached, run = driver.text("split-cached"), driver.text("split-run")
    driver.click("split-apply")
    closed(driver)
    assert (driver.text(CACHED), driver.text(RUN)) == (cached, run)
    assert driver.find("preflight-mode", QComboBox).currentData() == SPLIT
    assert page(driver).banner.text() == ""
    assert page(driver).tabs.isTabVisible(2), "the original stays to be looked at"
    assert editor(driver, "env-original-preflight").text() == LEGACY
    assert world.environments.known["website"].run_preflight_script == LEGACY, "nothing is saved yet"
    for name, before in ((CACHED, ""), (RUN, LEGACY)):
        driver.tab("Cached preflight" if name == CACHED else "Run preflight")
        editor(driver, name).setFocus()
        driver.keys(Key.Key_Z, CONTROL)
        assert driver.text(name) == before, "one step back is what was there"
        driver.keys(Key.Key_Z, CONTROL | SHIFT)
    driver.keys(Key.Key_S, CONTROL)
    driver.settle()
    saved = world.environments.known["website"]
    assert (saved.cached_preflight_script, saved.run_preflight_script) == (cached, run)
    assert saved.preflight_script == LEGACY


def test_cancel_changes_nothing(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", run_preflight_script=LEGACY)
    driver = split_opened(open_window)
    driver.keys(Key.Key_R)
    driver.keys(Key.Key_Escape)
    driver.wait(lambda: driver.window.findChild(SplitReview) is None)
    assert driver.window.environments.form.state().run_preflight_script == LEGACY
    assert driver.window.environments.form.state().cached_preflight_script == ""
    assert not driver.find("save-environment", QPushButton).isEnabled()


def test_step_marks_are_proposed_if_wanted(open_window: Open, world: FakeWorld) -> None:
    world.add(
        "Website", run_preflight_script="apt-get install -y git\nnpm install -g pnpm\npip install ruff\nnpm ci\n"
    )
    driver = split_opened(open_window)
    plain = driver.text("split-cached")
    assert "# step:" not in plain
    driver.check("split-marks")
    assert driver.text("split-cached").count("# step:") >= 2
    marked = driver.text("split-cached")
    driver.keys(Key.Key_Return, CONTROL)
    closed(driver)
    assert driver.text(CACHED) == marked
    assert "\n".join(line for line in marked.splitlines() if not line.startswith("# step:")) == plain.strip()


def test_what_is_cached_already_stays_in_front(open_window: Open, world: FakeWorld) -> None:
    world.add("Website", cached_preflight_script="echo mine", run_preflight_script="set -e\nnpm i -g pnpm\nnpm ci\n")
    driver = opened(open_window)
    driver.click("auto-split")
    driver.settle()
    driver.click("split-apply")
    driver.settle()
    assert driver.text(CACHED) == "echo mine\nset -e\nnpm i -g pnpm\n"
    assert driver.text(RUN) == "set -e\nnpm ci\n"


def test_a_long_script_is_split_beside_the_window(open_window: Open, world: FakeWorld) -> None:
    text = "".join(f"apt-get install -y package{n}\nexport V{n}=$AGENTS_RUNNER_TASK_ID\n" for n in range(1500))
    world.add("Website", run_preflight_script=text)
    driver = opened(open_window, "Script")
    began = time.perf_counter()
    driver.click("auto-split")
    assert time.perf_counter() - began < 1.0
    assert review(driver).isVisible()
    assert not driver.find("split-apply").isEnabled()
    driver.settle()
    assert len(stages(driver)) == 3000
    driver.click("split-apply")
    driver.settle()
    assert driver.text(CACHED).count("apt-get") == 1500


# -- import and test ----------------------------------------------------------------------------------------------


def test_nothing_is_offered_without_an_importer(driver: Driver, tmp_path: Path) -> None:
    driver.choose("env-workspace-kind", "A folder")
    driver.type("env-workspace-path", str(tmp_path))
    driver.settle()
    assert not driver.find("import-offer").isVisible()
    driver.tab("Preflight")
    assert not driver.find("test-preflight").isVisible()


def test_an_offer_is_shown_looked_at_and_applied(open_window: Open, world: FakeWorld, tmp_path: Path) -> None:
    world.environments.offers = (fakes.Offer(),)
    world.add("Website", run_preflight_script="echo mine", env_vars={"SHOP_REGION": "us"})
    driver = open_window()
    driver.settle()
    assert not driver.find("import-offer").isVisible(), "nothing was chosen yet"
    driver.choose("env-workspace-kind", "A folder")
    driver.type("env-workspace-path", str(tmp_path))
    driver.wait(lambda: driver.find("import-offer").isVisible())
    assert world.environments.discovered[-1] == tmp_path
    assert driver.window.environments.form.offer.text() == "Found devcontainer.json in this folder."
    before = driver.window.environments.form.state()
    driver.click("import-offer-action")
    report = driver.text("import-report")
    assert "docker-in-docker cannot be carried over" in report
    assert "remote_user has no place" in report
    assert driver.text("import-cached") == "apt-get update\napt-get install -y graphviz\n"
    driver.click("import-cancel")
    assert driver.window.environments.form.state() == before
    driver.wait(lambda: driver.window.findChild(ImportDialog) is None)
    driver.click("import-offer-action")
    driver.click("import-apply")
    driver.settle()
    state = driver.window.environments.form.state()
    assert state.text("base_image") == "mcr.microsoft.com/devcontainers/base:bookworm"
    assert state.cached_preflight_script == "apt-get update\napt-get install -y graphviz\n"
    assert state.run_preflight_script == "echo mine\n# From devcontainer.json:\nnpm ci\n"
    assert state.text("env_vars") == "SHOP_REGION=us"
    assert state.text("ports") == "3000"
    assert not driver.find("import-offer").isVisible()
    driver.click("revert-environment")
    driver.settle()
    assert driver.window.environments.form.state().run_preflight_script == "echo mine"
    assert driver.window.environments.form.state().text("base_image") == "debian:bookworm"


def test_fields_are_added_not_put_in_place_of_others() -> None:
    state = FormState.of(mounts="/a:/b", cached_preflight_script="one\n")
    fields = {"mounts": ["/a:/b", "/c:/d"], "cached_preflight_script": "one\n", "env_vars": {"A": "1"}, "id": "x"}
    merged, left = with_fields(state, fields, "it")
    assert merged.text("mounts") == "/a:/b\n/c:/d"
    assert merged.cached_preflight_script == "one\n"
    assert merged.text("env_vars") == "A=1"
    assert left == ("id",)


def test_preflight_is_tested_as_a_task(open_window: Open, world: FakeWorld) -> None:
    world.runner.tests_scripts = True
    world.add("Website", cached_preflight_script="echo one\n")
    driver = opened(open_window)
    driver.type(CACHED, "echo two\n")
    assert not driver.find("test-preflight").isEnabled()
    assert "Save it first" in driver.find("test-preflight").toolTip()
    driver.click("save-environment")
    driver.settle()
    menu = driver.find("test-preflight-menu", QMenu)
    with driver.qtbot.waitSignal(driver.window.environments.test_requested) as told:
        menu.actions()[1].trigger()
    assert told.args == ["website", True]
    driver.wait(lambda: world.tested == [("website", True)])
    driver.wait(driver.window.task.isVisible)


def test_all_environments_are_tested(open_window: Open, world: FakeWorld) -> None:
    world.runner.tests_scripts = True
    world.add("Website", cached_preflight_script="echo one\n")
    world.add("Shop", run_preflight_script="echo two\n")
    world.add("Empty")
    driver = opened(open_window)
    menu = driver.find("test-preflight-menu", QMenu)
    next(action for action in menu.actions() if "All environments" in action.text()).trigger()
    driver.wait(lambda: sorted(world.tested) == [("shop", False), ("website", False)])
    driver.wait(driver.window.tasks.isVisible)
    driver.settle()


# -- the whole way --------------------------------------------------------------------------------------------------


def test_from_an_old_file_to_a_split_environment(
    open_window: Open, world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older program's file: migrated, warned about, split, one statement moved by keyboard, applied and saved."""
    monkeypatch.setenv("AGENTS_RUNNER_HOME", str(tmp_path / "home"))
    paths = Paths.find().ensure()
    file = paths.environments / "web-shop.json"
    old = {
        "version": 1,
        "env_id": "web-shop",
        "name": "Web shop",
        "preflight_enabled": True,
        "preflight_script": LEGACY,
        "container_caching_enabled": True,
        "workspace_type": "none",
        "unknown_future_field": {"keep": ["me"]},
    }
    file.write_text(json.dumps(old))
    services = replace(world.services(), environments=fakes.real_environments(paths, world))
    monkeypatch.setattr(FakeWorld, "services", lambda _world: services)
    driver = open_window()
    driver.settle()
    assert AUTO_SPLIT_HINT in driver.window.environments._banner.text()
    driver.tab("Script")
    driver.settle()
    assert "nothing is cached" in page(driver).banner.text()
    assert driver.text(RUN) == LEGACY
    driver.click("preflight-banner-action")
    driver.settle()
    assert driver.focused() is review(driver).view
    while driver.text("split-detail") != "export NODE_ENV=development":
        driver.keys(Key.Key_Down)
        driver.settle()
    driver.keys(Key.Key_C)
    driver.settle()
    assert driver.label("split-said") == "Moved line 8 to cached."
    driver.keys(Key.Key_Return, CONTROL)
    closed(driver)
    driver.keys(Key.Key_S, CONTROL)
    driver.settle()
    assert driver.label("env-said") == "Saved"
    assert page(driver).banner.text() == ""
    saved = json.loads(file.read_text())
    assert saved["preflight_script"] == LEGACY
    assert saved["cached_preflight_script"].endswith("-C /opt\nexport NODE_ENV=development\n")
    assert saved["run_preflight_script"].endswith('TASK_ID}"\nnpm ci\n')
    assert saved["unknown_future_field"] == {"keep": ["me"]}
    assert read_environment(saved).environment.cache_container_build
