"""The window with real clicks and key strokes, on services in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TypeVar

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractButton,
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
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from agents_runner.core.environment import Environment, FolderWorkspace
from agents_runner.core.errors import EngineUnreachable, InvalidInput
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    StateChanged,
    TaskState,
)
from agents_runner.core.task import Task
from agents_runner.runner.services import TaskRequest
from agents_runner.ui.form_state import FormState, from_environment, to_environment
from agents_runner.ui.log_view import shown_text
from agents_runner.ui.models import EnvironmentList, ImageTable, TaskTable, environment_row
from agents_runner.ui.tokens import DARK, LIGHT, Tokens
from agents_runner.ui.window import IMAGES, NEW_TASK, MainWindow
from tests.ui import fakes

W = TypeVar("W", bound=QWidget)
SHOP = Environment(
    id="shop",
    name="Web shop",
    agent="shell",
    base_image="debian:bookworm",
    run_preflight_script="echo kept\u00a0kept\r\nsecond\r\n",
    cached_preflight_script="echo cached\n",
    env_vars={"A": "1"},
    workspace=FolderWorkspace(path="/srv"),
    future={"keep": True},
)


@pytest.fixture
def world() -> fakes.FakeWorld:
    made = fakes.FakeWorld()
    made.environments.save(SHOP)
    return made


@pytest.fixture
def window(qtbot: QtBot, world: fakes.FakeWorld) -> Iterator[MainWindow]:
    made = MainWindow(world.services())
    qtbot.addWidget(made, before_close_func=lambda widget: widget.hide())
    made.show()
    qtbot.waitUntil(lambda: find(made, QLineEdit, "env-name").text() == "Web shop")
    yield made
    made.hide()
    made.close()
    world.runner.close()


def find(window: QWidget, kind: type[W], name: str) -> W:
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def click(qtbot: QtBot, window: QWidget, name: str) -> None:
    qtbot.mouseClick(find(window, QAbstractButton, name), Qt.MouseButton.LeftButton)


def label(window: QWidget, name: str) -> str:
    return find(window, QLabel, name).text()


def write(qtbot: QtBot, window: QWidget, name: str, text: str) -> None:
    line = find(window, QLineEdit, name)
    line.selectAll()
    qtbot.keyClicks(line, text)


def test_a_new_environment_is_made_and_saved(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    click(qtbot, window, "new-environment")
    write(qtbot, window, "env-name", "Fresh")
    write(qtbot, window, "env-base-image", "debian:trixie")
    find(window, QPlainTextEdit, "env-cached-preflight").setPlainText("echo slow\n")
    click(qtbot, window, "save-environment")
    qtbot.waitUntil(lambda: len(world.environments.known) == 2)
    made = next(one for one in world.environments.known.values() if one.name == "Fresh")
    assert (made.base_image, made.cached_preflight_script) == ("debian:trixie", "echo slow\n")
    qtbot.waitUntil(
        lambda: label(window, "env-said") != "" or not find(window, QAbstractButton, "save-environment").isEnabled()
    )


def test_an_edit_keeps_what_the_form_does_not_show(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    write(qtbot, window, "env-name", "Renamed")
    click(qtbot, window, "save-environment")
    qtbot.waitUntil(lambda: world.environments.get("shop").name == "Renamed")
    assert world.environments.get("shop") == SHOP.model_copy(update={"name": "Renamed"})


def test_switching_and_toggling_lose_nothing(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    world.environments.save(SHOP.model_copy(update={"id": "other", "name": "Other"}))
    window.environments.reload()
    listed = find(window, QListView, "environment-list")
    qtbot.waitUntil(lambda: listed.model().rowCount() == 2)
    window.environments.select("shop")
    editor = find(window, QPlainTextEdit, "env-run-preflight")
    editor.setPlainText("half typed")
    for name in ("env-cache-container", "env-preflight-enabled", "env-desktop"):
        find(window, QAbstractButton, name).click()
    kind = find(window, QComboBox, "env-workspace-kind")
    kind.setCurrentIndex(2)
    window.environments.select("other")
    assert editor.toPlainText() != "half typed"
    window.go(NEW_TASK)
    window.go(0)
    window.environments.select("shop")
    assert editor.toPlainText() == "half typed"
    kind.setCurrentIndex(1)
    assert find(window, QLineEdit, "env-workspace-path").text() == "/srv"
    assert "•" in listed.model().index(1, 0).data()
    click(qtbot, window, "revert-environment")
    assert world.environments.get("shop") == SHOP
    assert not find(window, QAbstractButton, "save-environment").isEnabled()


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("env-variables", "1BAD=x", "env-variables"),
        ("env-mounts", "nonsense", "env-mounts"),
        ("env-ports", "0.0.0.0:80:80", "env-ports"),
    ],
)
def test_bad_input_is_shown_at_its_field(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld, name: str, text: str, field: str
) -> None:
    editor = find(window, QPlainTextEdit, name)
    editor.setPlainText(text)
    click(qtbot, window, "save-environment")
    qtbot.waitUntil(lambda: label(window, f"{field}-error") != "")
    assert editor.toPlainText() == text
    assert editor.isVisible()
    assert world.environments.get("shop") == SHOP


def test_an_empty_name_is_refused(qtbot: QtBot, window: MainWindow) -> None:
    find(window, QLineEdit, "env-name").clear()
    qtbot.keyClicks(find(window, QLineEdit, "env-name"), " ")
    click(qtbot, window, "save-environment")
    assert "needs a name" in label(window, "env-name-error")


def with_fallback(task: Task, _stop: threading.Event) -> Iterator[Event]:
    """A task whose build fails and that goes well all the same."""
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": "I am done."}}
    yield StateChanged(state=TaskState.PREPARING)
    yield PhaseStarted(phase=Phase.BUILD_ENV)
    yield LogLine(stream="stdout", line="building")
    yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=1.2, ok=False, cache="fallback")
    yield Notice(message="The environment layer could not be built.", hint="Look at the log.")
    yield PhaseStarted(phase=Phase.AGENT)
    yield LogLine(stream="stderr", line="from the agent")
    yield LogLine(stream="stdout", line=json.dumps(said))
    yield AgentMessage(kind="message", text="I am done.")
    yield PhaseFinished(phase=Phase.AGENT, seconds=0.5)
    yield from fakes.ending(task, TaskState.SUCCEEDED, 0)


def test_run_goes_to_the_tasks_page_and_to_its_end(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    world.runner.script = with_fallback
    click(qtbot, window, "run-environment")
    prompt = find(window, QPlainTextEdit, "task-prompt")
    prompt.setPlainText("say\u00a0it\nsecond")
    click(qtbot, window, "run-task")
    qtbot.waitUntil(lambda: "succeeded" in label(window, "task-state"))
    task = world.tasks.list()[0]
    assert world.tasks.prompt(task.id) == "say\u00a0it\nsecond"
    log = find(window, QPlainTextEdit, "task-log")
    qtbot.waitUntil(lambda: "from the agent" in log.toPlainText())
    assert log.toPlainText().count("building") == 1
    assert "I am done." in find(window, QPlainTextEdit, "task-messages").toPlainText()
    assert "could not be built" in window.task._notice.text()
    assert not find(window, QAbstractButton, "stop-task").isEnabled()
    assert [cell.text() for cell in window.task._cells[:3]] == ["build.env", "1.20 s", "fallback"]


def test_an_empty_prompt_and_a_refused_task(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.go(NEW_TASK)
    click(qtbot, window, "run-task")
    assert "prompt is empty" in label(window, "task-prompt-error")

    def refuse(_request: TaskRequest) -> Task:
        raise InvalidInput("There is no agent 'x'.", "Choose another.", field="agent")

    monkeypatch.setattr(world.runner, "submit", refuse)
    find(window, QPlainTextEdit, "task-prompt").setPlainText("keep me")
    click(qtbot, window, "run-task")
    qtbot.waitUntil(lambda: "no agent" in label(window, "task-agent-error"))
    assert find(window, QPlainTextEdit, "task-prompt").toPlainText() == "keep me"


def test_stop_works_while_building_and_the_window_stays_alive(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld
) -> None:
    world.runner.script = fakes.BuildUntil()
    window.go(NEW_TASK)
    find(window, QPlainTextEdit, "task-prompt").setPlainText("x")
    click(qtbot, window, "run-task")
    qtbot.waitUntil(lambda: "building" in label(window, "task-state"))
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(0)
    qtbot.waitUntil(lambda: len(ticks) > 200)
    timer.stop()
    click(qtbot, window, "stop-task")
    qtbot.waitUntil(lambda: "cancelled" in label(window, "task-state"))


def test_the_window_never_waits_for_the_engine(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    world.images.images = (fakes.image(1), fakes.image(2, in_use=True))
    world.images.list_gate.hold()
    window.go(IMAGES)
    qtbot.waitUntil(world.images.list_gate.reached.is_set)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(0)
    qtbot.waitUntil(lambda: len(ticks) > 200)
    timer.stop()
    table = find(window, QTableView, "image-list")
    assert table.model().rowCount() == 0
    world.images.list_gate.release()
    qtbot.waitUntil(lambda: table.model().rowCount() == 2)


def test_cleaning_lists_first_and_then_says_what_was_freed(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld
) -> None:
    world.images.images = (fakes.image(1), fakes.image(2, in_use=True))
    window.go(IMAGES)
    table = find(window, QTableView, "image-list")
    qtbot.waitUntil(lambda: table.model().rowCount() == 2)
    click(qtbot, window, "clean-images")
    qtbot.waitUntil(lambda: window.findChild(QWidget, "clean-dialog") is not None)
    text = find(window, QPlainTextEdit, "clean-report").toPlainText()
    assert world.images.images[0].tag in text
    assert "a container uses it" in text
    assert len(world.images.images) == 2
    click(qtbot, window, "confirm-clean")
    qtbot.waitUntil(lambda: "1 images removed" in label(window, "clean-said"))
    assert [one.in_use for one in world.images.images] == [True]


def test_the_keyboard_alone_is_enough(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    prompt = find(window, QPlainTextEdit, "task-prompt")
    qtbot.waitUntil(prompt.isVisible)
    qtbot.keyClicks(prompt, "typed")
    qtbot.keyClick(prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: "succeeded" in label(window, "task-state"))
    assert world.tasks.prompt(world.tasks.list()[0].id) == "typed"
    qtbot.keyClick(window, Qt.Key.Key_3, Qt.KeyboardModifier.ControlModifier)
    table = find(window, QTableView, "task-list")
    qtbot.waitUntil(table.isVisible)
    table.setCurrentIndex(table.model().index(0, 0))
    qtbot.keyClick(table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: find(window, QLabel, "task-state").isVisible())
    qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    write(qtbot, window, "env-name", "By keys")
    qtbot.keyClick(find(window, QLineEdit, "env-name"), Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: world.environments.get("shop").name == "By keys")


def test_every_control_can_be_reached_by_tab_and_has_a_name(qtbot: QtBot, window: MainWindow) -> None:
    for page in range(4):
        window.go(page)
        for widget in window.findChildren(QWidget):
            if not widget.isVisible() or widget.focusPolicy() == Qt.FocusPolicy.NoFocus or not widget.objectName():
                continue
            if isinstance(widget, QAbstractButton | QLineEdit | QComboBox | QPlainTextEdit | QTableView):
                assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus or widget.objectName().startswith("qt_"), widget


def test_an_engine_that_is_away_is_named_and_comes_back(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld
) -> None:
    world.engine_error = EngineUnreachable("No Docker engine answers at unix:///x.sock.", "Start Docker.")
    window.check_engine()
    qtbot.waitUntil(lambda: "No Docker engine answers" in window.engine_banner.text())
    world.engine_error = None
    click(qtbot, window, "engine-banner-action")
    qtbot.waitUntil(window.engine_banner.isHidden)


def test_a_flood_of_lines_is_shown_in_order(qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld) -> None:
    def flood(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        for number in range(10_000):
            yield LogLine(stream="stdout", line=f"line {number}")
        yield from fakes.ending(task, TaskState.SUCCEEDED, 0)

    world.runner.script = flood
    window.go(NEW_TASK)
    find(window, QPlainTextEdit, "task-prompt").setPlainText("x")
    click(qtbot, window, "run-task")
    log = find(window, QPlainTextEdit, "task-log")
    qtbot.waitUntil(lambda: log.document().lastBlock().text().strip() == "line 9999", timeout=20_000)
    lines = [line.strip() for line in log.toPlainText().split("\n")]
    assert lines == [f"line {number}" for number in range(10_000)]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("10%\r50%\r100%\r", "100%"),
        ("\x1b]52;c;aGVsbG8=\x07x", "x"),
        ("\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("<img src=x><b>", "<img src=x><b>"),
        ("a\x00b\x08c\u202e", "abc"),
    ],
)
def test_hostile_text_is_plain(line: str, shown: str) -> None:
    assert shown_text(line) == shown


def test_models_keep_qts_rules(qtmodeltester: ModelTester, world: fakes.FakeWorld) -> None:
    environments = EnvironmentList()
    environments.set_rows([environment_row(SHOP, edited=False)])
    images = ImageTable()
    images.set_rows([fakes.image(1)])
    tasks = TaskTable()
    qtmodeltester.check(environments)
    qtmodeltester.check(images)
    qtmodeltester.check(tasks)


def test_the_form_round_trips() -> None:
    assert to_environment(from_environment(SHOP), SHOP, new_id="x") == SHOP
    with pytest.raises(InvalidInput) as caught:
        to_environment(FormState(name="x", variables="nonsense"), None, new_id="x")
    assert caught.value.field == "env_vars"


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_can_be_read(tokens: Tokens) -> None:
    pairs = [
        (text, ground)
        for text in (tokens.text, tokens.muted, tokens.danger, tokens.good, tokens.busy)
        for ground in (tokens.window, tokens.panel, tokens.field)
    ]
    pairs += [
        (tokens.on_accent, tokens.accent),
        (tokens.on_selection, tokens.selection),
        (tokens.text, tokens.warn_panel),
    ]
    for text, ground in pairs:
        light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_nothing_is_cut_off_in_a_small_window(qtbot: QtBot, window: MainWindow) -> None:
    window.resize(900, 600)
    for page in range(4):
        window.go(page)
        for widget in (*window.findChildren(QPushButton), *window.findChildren(QCheckBox)):
            if widget.isVisible() and widget.objectName():
                assert widget.width() >= widget.minimumSizeHint().width(), widget.objectName()


def test_a_running_task_is_asked_about_before_closing(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def question(_parent: QWidget, _title: str, text: str) -> QMessageBox.StandardButton:
        asked.append(text)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", question)
    write(qtbot, window, "env-name", "Unsaved")
    window.close()
    assert window.isVisible()
    assert "Unsaved" in asked[0]


def test_saving_twice_in_a_row_leaves_nothing_unsaved(
    qtbot: QtBot, window: MainWindow, world: fakes.FakeWorld
) -> None:
    for name in ("First", "Second"):
        click(qtbot, window, "new-environment")
        write(qtbot, window, "env-name", name)
        find(window, QComboBox, "env-agent").setCurrentIndex(4)
        click(qtbot, window, "save-environment")
        qtbot.waitUntil(find(window, QAbstractButton, "run-environment").isEnabled)
        assert window.environments.edited_names() == []
        assert not find(window, QAbstractButton, "save-environment").isEnabled()
