"""A task from the click on Run to its end: states, phases, log, Stop, and what stays when it is opened again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPlainTextEdit, QTableView, QTabWidget

from agents_runner.core.errors import AgentsRunnerError, InvalidInput
from agents_runner.core.events import (
    AgentMessage,
    Event,
    LogLine,
    Notice,
    Phase,
    PhaseFinished,
    PhaseStarted,
    Progress,
    StateChanged,
    TaskState,
)
from agents_runner.core.task import PhaseRecord, Task
from agents_runner.ui.live import LiveTasks
from tests.ui.driver import Driver
from tests.ui.fakes import SAID, BuildUntil, Failing, FakeWorld, ending


def _state(driver: Driver) -> str:
    return driver.label("task-state").split(" ", 1)[-1]


def _ended(driver: Driver) -> None:
    driver.wait(lambda: _state(driver) in ("succeeded", "failed", "cancelled"))
    driver.settle()


def _log(driver: Driver) -> list[str]:
    return driver.text("task-log").split("\n")


def test_run_shows_the_task_until_it_succeeded(driver: Driver, world: FakeWorld) -> None:
    driver.run("do it")
    _ended(driver)
    assert _state(driver) == "succeeded"
    assert driver.window.task.phases.texts() == ["build.env", "1.5 s", "built", "agent", "0.2 s", ""]
    assert _log(driver) == ["  installing", f"  {SAID}", "! a warning"]
    assert driver.text("task-messages") == "message: All done."
    assert "exit code 0" in driver.window.task._facts.whole_text()
    assert driver.window.task._image.whole_text() == "image agent-runner-env:bookworm-1"
    assert not driver.find("task-failure").isVisible()
    assert not driver.find("stop-task").isEnabled()
    driver.keys(Qt.Key.Key_Escape)
    assert driver.window.tasks.isVisible()
    driver.settle()
    (row,) = driver.window.tasks.model.rows
    assert row.state is TaskState.SUCCEEDED
    assert row.finished is not None


def test_an_empty_prompt_is_said_at_the_field(driver: Driver, world: FakeWorld) -> None:
    driver.page(1)
    driver.type("task-prompt", "  \n ")
    driver.click("run-task")
    assert driver.label("task-prompt-error") == "The prompt is empty. Say what the agent is to do."
    assert driver.focused() is driver.find("task-prompt")
    assert world.runner.requests == []
    driver.type("task-prompt", "now")
    driver.keys(Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    driver.wait(lambda: world.runner.requests)
    assert not driver.find("task-prompt-error").isVisible()


def test_the_prompt_arrives_as_it_was_pasted(driver: Driver, world: FakeWorld) -> None:
    prompt = "'\"`$(touch /x)\\ \u00a0\u202e <b>bold</b>\n\t--help\n\u00e4\U0001f600 end \n"
    QApplication.clipboard().setText(prompt)
    driver.page(1)
    driver.keys(Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    driver.choose("task-agent", "shell")
    driver.click("run-task")
    driver.wait(lambda: world.runner.requests)
    assert world.runner.requests[0].prompt == prompt
    assert world.runner.requests[0].agent == "shell"


def test_the_agent_is_the_environments_unless_chosen(driver: Driver, world: FakeWorld) -> None:
    driver.page(1)
    assert driver.find("task-agent", QComboBox).currentText() == "The environment's (codex)"
    driver.run("x")
    driver.wait(lambda: world.runner.requests)
    assert world.runner.requests[0].agent == ""


def test_an_environment_that_cannot_start_is_opened_at_its_field(
    open_window: Callable[[], Driver], world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("Alpha")
    world.add("Beta", ports=("99999",))

    def refuse(_request: object) -> Task:
        raise InvalidInput("99999 is outside the ports.", "Choose another.", field="ports")

    monkeypatch.setattr(world.runner, "submit", refuse)
    driver = open_window()
    driver.settle()
    driver.page(1)
    driver.choose("task-environment", "Beta")
    driver.type("task-prompt", "typed")
    driver.click("run-task")
    driver.wait(lambda: driver.find("new-task-banner").isVisible())
    driver.click("new-task-banner-action")
    assert driver.text("env-name") == "Beta"
    assert "outside the ports" in driver.label("env-ports-error")
    assert driver.focused() is driver.find("env-ports")
    driver.page(1)
    assert driver.text("task-prompt") == "typed"


def test_stop_while_an_image_builds(driver: Driver, world: FakeWorld) -> None:
    script = BuildUntil()
    world.runner.script = script
    driver.run("build")
    driver.wait(lambda: _state(driver) == "building")
    assert driver.window.task.phases.texts()[0] == "build.env"
    assert driver.window.task.phases.texts()[2] == "running"
    driver.click("stop-task")
    assert not driver.find("stop-task").isEnabled()
    _ended(driver)
    assert _state(driver) == "cancelled"
    assert not driver.find("task-failure").isVisible()
    assert driver.find("run-again").isEnabled()


def test_the_window_stays_alive_while_an_image_builds_and_calls_hang(
    open_window: Callable[[], Driver], world: FakeWorld
) -> None:
    world.add("Website")
    world.add("Other")
    world.runner.script = BuildUntil()
    driver = open_window()
    driver.settle()
    driver.run("build")
    driver.wait(lambda: _state(driver) == "building")
    world.images.plan_gate.hold()
    world.images.list_gate.hold()
    world.system.engine_gate.hold()
    driver.window.engine_watch.check()
    driver.page(3)
    driver.page(0)
    driver.wait(lambda: world.images.plan_gate.reached.is_set() and world.images.list_gate.reached.is_set())
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    timer = QTimer(driver.window)
    timer.timeout.connect(tick)
    timer.start(0)
    driver.wait(lambda: ticks > 200)
    # All of it is still waiting, and the person can work on.
    assert driver.window.jobs.pending >= 3
    driver.select("Other")
    driver.type("env-name", "Renamed")
    driver.click("save-environment")
    driver.wait(lambda: world.environments.known["other"].name == "Renamed")
    timer.stop()


def test_services_are_never_called_on_the_windows_thread(driver: Driver, world: FakeWorld) -> None:
    driver.run("x")
    _ended(driver)
    driver.page(3)
    driver.settle()
    called = world.environments.gate.threads | world.tasks.gate.threads | world.system.engine_gate.threads
    called |= world.images.plan_gate.threads | world.images.list_gate.threads | world.runner.submit_gate.threads
    assert called
    assert threading.get_ident() not in called


def test_a_failure_says_why(driver: Driver, world: FakeWorld) -> None:
    error = AgentsRunnerError("The run preflight ended with exit code 3.", "Its last lines say why.")
    world.runner.script = Failing(error, tuple(f"line {n}" for n in range(9)))
    driver.run("x")
    _ended(driver)
    assert _state(driver) == "failed"
    assert driver.find("task-failure").isVisible()
    assert driver.label("task-error") == error.message
    assert driver.label("task-hint") == error.hint
    assert driver.label("task-tail") == "line 6\nline 7\nline 8"
    assert driver.window.task.phases.texts() == ["preflight.run", "0.1 s", "failed"]


def test_a_fallback_is_told_in_plain_words(driver: Driver, world: FakeWorld) -> None:
    def script(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        yield PhaseStarted(phase=Phase.BUILD_ENV)
        yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=2.0, ok=False, cache="fallback")
        yield Notice(message="The layer could not be built.", hint="Its script runs at task start.")
        yield from ending(task, TaskState.SUCCEEDED, 0)

    world.runner.script = script
    driver.run("x")
    _ended(driver)
    assert driver.window.task.notice.text() == "The layer could not be built. Its script runs at task start."
    assert driver.find("task-notice").isVisible()
    assert driver.window.task.phases.texts() == ["build.env", "2.0 s", "fallback"]
    assert _log(driver) == ["# The layer could not be built. Its script runs at task start."]


def test_progress_is_said_until_its_phase_ends(driver: Driver, world: FakeWorld) -> None:
    go = threading.Event()

    def script(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        yield PhaseStarted(phase=Phase.PULL)
        yield Progress(phase=Phase.PULL, text="Pulling 3 of 9 layers")
        assert go.wait(20)
        yield PhaseFinished(phase=Phase.PULL, seconds=1.0)
        yield from ending(task, TaskState.SUCCEEDED, 0)

    world.runner.script = script
    driver.run("x")
    driver.wait(lambda: driver.window.task._said.whole_text() == "Pulling 3 of 9 layers")
    go.set()
    _ended(driver)
    assert driver.window.task._said.whole_text() == ""


def _flood(count: int) -> Callable[[Task, threading.Event], Iterator[Event]]:
    def script(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        yield StateChanged(state=TaskState.STARTING)
        for number in range(count):
            yield LogLine(stream="stdout", line=f"line {number}")
        yield from ending(task, TaskState.SUCCEEDED, 0)

    return script


def test_ten_thousand_lines(driver: Driver, world: FakeWorld) -> None:
    world.runner.script = _flood(10_000)
    driver.run("x")
    _ended(driver)
    assert _log(driver) == [f"  line {number}" for number in range(10_000)]
    bar = driver.window.task.log.verticalScrollBar()
    assert bar.value() == bar.maximum()


def test_a_person_who_scrolled_up_keeps_the_place(driver: Driver, world: FakeWorld) -> None:
    script = BuildUntil()
    world.runner.script = script
    driver.run("x")
    bar = driver.window.task.log.verticalScrollBar()
    driver.wait(lambda: bar.maximum() > 5)
    bar.setValue(1)
    before = driver.window.task.log.blockCount()
    driver.wait(lambda: driver.window.task.log.blockCount() > before + 5)
    assert bar.value() == 1
    bar.setValue(bar.maximum())
    before = driver.window.task.log.blockCount()
    driver.wait(lambda: driver.window.task.log.blockCount() > before + 5)
    assert bar.value() >= bar.maximum() - 2


def test_a_task_opened_late_shows_each_line_once(driver: Driver, world: FakeWorld) -> None:
    go = [threading.Event() for _ in range(3)]

    def script(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        for _ in range(50):
            yield LogLine(stream="stdout", line="the same line")
        assert go[0].wait(20)
        for number in range(50):
            yield LogLine(stream="stdout", line="the same line")
            yield AgentMessage(kind="message", text=f"message {number}")
        assert go[1].wait(20)
        yield LogLine(stream="stdout", line="last")
        yield from ending(task, TaskState.SUCCEEDED, 0)

    world.runner.script = script
    driver.run("x")
    task_id = driver.window.task.task_id
    live: LiveTasks = driver.window._live
    driver.wait(lambda: live.position(task_id) == 50)
    driver.settle()
    driver.page(2)
    # The file is behind at the first look, and more comes while the second one is under way.
    world.tasks.log_lag = 7
    world.tasks.gate.hold()
    driver.settle()
    driver.keys(Qt.Key.Key_Return)
    driver.wait(world.tasks.gate.reached.is_set)
    go[0].set()
    driver.wait(lambda: live.position(task_id) == 100)
    go[1].set()
    driver.wait(lambda: _state(driver) == "succeeded")
    world.tasks.gate.release()
    driver.settle()
    assert _log(driver) == ["  the same line"] * 100 + ["  last"]


def test_a_task_of_another_process_is_followed_by_its_record(driver: Driver, world: FakeWorld) -> None:
    task = Task(
        id="f" * 12,
        environment_id="website",
        environment_name="Website",
        agent="codex",
        prompt="detached",
        state=TaskState.RUNNING,
        created=time.time(),
        started=time.time(),
        phases=(PhaseRecord(phase=Phase.AGENT),),
    )
    world.tasks.add(task, lines=(("stdout", "one"),))
    driver.page(2)
    driver.wait(lambda: driver.window.tasks.model.rows)
    driver.page(2)
    driver.keys(Qt.Key.Key_Return)
    driver.settle()
    assert _log(driver) == ["  one"]
    assert driver.window.task.phases.texts()[2] == "running"
    world.tasks.lines[task.id].append(("stderr", "two"))
    driver.wait(lambda: _log(driver) == ["  one", "! two"])
    done = PhaseRecord(phase=Phase.AGENT, seconds=3.0, ok=True)
    ended = {
        **task.__dict__,
        "state": TaskState.SUCCEEDED,
        "finished": time.time(),
        "exit_code": 0,
        "phases": (done,),
    }
    world.tasks.rows[task.id] = Task(**ended)
    driver.wait(lambda: _state(driver) == "succeeded")
    assert driver.window.task.phases.texts() == ["agent", "3.0 s", ""]


HOSTILE = (
    "<img src='http://127.0.0.1:9/x.png'><b>bold</b>",
    "\x1b]52;c;ZXZpbA==\x07after the clipboard",
    "\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[31mred\x1b[0m \x00nul\x07",
    "10%\r50%\r100%",
    "\u202egnp.exe",
    "x" * 100_000,
)


def test_hostile_text_is_only_text(driver: Driver, world: FakeWorld) -> None:
    clipboard = QApplication.clipboard()
    clipboard.setText("mine")
    name = "<img src='file:///etc/passwd'> & <h1>big</h1>" + "n" * 120

    def script(task: Task, _stop: threading.Event) -> Iterator[Event]:
        yield StateChanged(state=TaskState.PREPARING)
        for line in HOSTILE:
            yield LogLine(stream="stdout", line=line)
            yield AgentMessage(kind="message", text=line)
            yield Notice(message=line[:300])
        yield from ending(task, TaskState.FAILED, 1, HOSTILE[0] * 20, HOSTILE[1])

    world.runner.script = script
    driver.type("env-name", name)
    driver.click("save-environment")
    driver.settle()
    assert driver.errors() == []
    driver.run("<h1>prompt</h1>")
    _ended(driver)
    log = "\n".join(_log(driver))
    assert HOSTILE[0] in log
    assert "  after the clipboard" in log
    assert "  link" in log
    assert "  red nul" in log
    assert "  100%" in log
    assert "\u202e" not in log
    assert "\x1b" not in log
    assert "\x1b" not in driver.text("task-messages")
    assert clipboard.text() == "mine"
    assert driver.label("task-error").startswith("<img")
    # Tool tips are rich text to Qt unless they are escaped.
    for widget in driver.window.findChildren(QLineEdit) + driver.window.task.findChildren(QPlainTextEdit):
        assert "<img" not in widget.toolTip()
    assert "<h1>" not in driver.window.task._title.toolTip()
    driver.page(2)
    assert driver.window.width() <= 1600


def test_run_again_starts_another_task_with_the_same_prompt(driver: Driver, world: FakeWorld) -> None:
    driver.page(1)
    driver.choose("task-agent", "shell")
    driver.run("line one\n  line two")
    _ended(driver)
    first = driver.window.task.task_id
    driver.page(1)
    driver.type("task-prompt", "typed meanwhile")
    driver.page(2)
    driver.keys(Qt.Key.Key_Return)
    driver.settle()
    driver.click("run-again")
    driver.wait(lambda: driver.window.task.task_id != first)
    _ended(driver)
    again = world.runner.requests[-1]
    assert (again.prompt, again.agent, again.environment_id) == ("line one\n  line two", "shell", "website")
    assert driver.text("task-prompt") == "typed meanwhile"


def test_the_whole_log_is_copied_without_marks(driver: Driver) -> None:
    driver.run("x")
    _ended(driver)
    driver.click("copy-log")
    driver.settle()
    assert QApplication.clipboard().text() == f"installing\n{SAID}\na warning\n"
    assert driver.window.task._said.whole_text() == "3 lines copied."


def test_a_finished_tasks_messages_are_read_from_its_log(open_window: Callable[[], Driver], world: FakeWorld) -> None:
    world.add("Website")
    task = Task(
        id="e" * 12,
        environment_id="website",
        environment_name="Website",
        agent="codex",
        prompt="done before",
        state=TaskState.SUCCEEDED,
        created=time.time(),
    )
    world.tasks.add(task, lines=(("stdout", SAID), ("stderr", SAID)))
    driver = open_window()
    driver.settle()
    driver.page(2)
    driver.keys(Qt.Key.Key_Return)
    driver.settle()
    driver.tab("Agent", "task-tabs")
    assert driver.find("task-tabs", QTabWidget).currentIndex() == 1
    assert driver.text("task-messages") == "message: All done."


def test_a_finished_tasks_long_log_is_shown_to_its_end(
    open_window: Callable[[], Driver], world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read in parts."""
    world.add("Website")
    task = Task(
        id="d" * 12,
        environment_id="website",
        environment_name="Website",
        agent="codex",
        prompt="done before",
        state=TaskState.FAILED,
        created=time.time(),
    )
    world.tasks.add(task, lines=tuple(("stdout", f"line {number}") for number in range(100)))
    whole = world.tasks.log_from

    def in_parts(task_id: str, position: int = 0) -> tuple[tuple[tuple[str, str], ...], int]:
        lines, _ = whole(task_id, position)
        return lines[:7], position + len(lines[:7])

    monkeypatch.setattr(world.tasks, "log_from", in_parts)
    driver = open_window()
    driver.settle()
    driver.page(2)
    driver.keys(Qt.Key.Key_Return)
    driver.settle()
    assert _log(driver) == [f"  line {number}" for number in range(100)]


def test_the_list_is_filtered(driver: Driver) -> None:
    for prompt in ("fix the login", "write a poem"):
        driver.run(prompt)
        _ended(driver)
    driver.page(2)
    view = driver.find("task-list", QTableView)
    assert view.model().rowCount() == 2
    assert str(view.model().index(0, 3).data()) == "write a poem"
    driver.type("task-filter", "LOGIN")
    assert view.model().rowCount() == 1
    driver.type("task-filter", "[nothing")
    assert view.model().rowCount() == 0
    driver.type("task-filter", "")
    assert view.model().rowCount() == 2
