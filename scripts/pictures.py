"""Makes the pictures in docs/images: every page, light and dark, small and large, of a window on made-up data.

.venv/bin/python scripts/pictures.py [FOLDER [NAME...]]
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PySide6.QtCore import QBuffer, QIODevice, QRect, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter
from PySide6.QtWidgets import QComboBox, QLineEdit, QMessageBox, QPushButton

from agents_runner.core.environment import FolderWorkspace
from agents_runner.core.errors import AgentsRunnerError, EngineUnreachable
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
from agents_runner.core.secrets import SecretUse
from agents_runner.core.settings import CustomAgent, Settings
from agents_runner.core.task import Task
from agents_runner.ui.application import application
from agents_runner.ui.images_page import CleanDialog
from agents_runner.ui.import_dialog import ImportDialog
from agents_runner.ui.snapshot import settle, write_snapshot
from agents_runner.ui.split_review import SplitReview
from agents_runner.ui.window import ENVIRONMENTS, IMAGES, NEW_TASK, SETTINGS, TASKS, MainWindow
from tests.ui import fakes

SCRIPT = (
    "#!/bin/bash\nset -euo pipefail\n# step: system\napt-get update\napt-get install -y nodejs npm git\n"
    "# step: agents\nnpm install -g @openai/codex\nexport NODE_ENV=development\n"
)
LEGACY = (
    "#!/bin/bash\nset -euo pipefail\n# tools that every task needs\nsudo pacman -Syu --noconfirm nodejs npm\n"
    "npm i -g pnpm typescript\nVERSION=1.2\n"
    "curl -fsSL https://example.org/tool-$VERSION.tgz | sudo tar -xz -C /opt\n"
    'mkdir -p "$HOME/cache-${AGENTS_RUNNER_TASK_ID}"\nexport NODE_ENV=development\n'
    "if [ -f package-lock.json ]; then\n  npm ci\nfi\n./scripts/prepare.sh --all || true\n"
)
CARELESS = (
    "#!/bin/bash\nset -e\napt-get install nodejs\nnpm install -g pnpm\n"
    "cat > /etc/tool.conf <<EOF\nhome = $HOME\nEOF\n"
    "export API_TOKEN=ghp_0123456789abcdefghijklmnopqrstuvwxyz\nservice postgresql start\n"
    'echo "for $AGENTS_RUNNER_TASK_ID"\nnpm ci\napt-get install -y git  # the quiet way\nif true; then\n'
    "# step: inside\necho one\nfi\nexit 0\necho never\n"
)
LONG_SCRIPT = "".join(
    f'# step: part {n}\nexport PART_{n}="$HOME/part-{n}"\nmkdir -p "$PART_{n}"\n'
    f"npm install -g tool-{n}@1.{n}\ncat > /etc/part-{n}.conf <<'EOF'\nname = part {n}\nEOF\n"
    for n in range(720)
)
LONG = "An environment with a name that is much longer than anybody would think of, and then some more of it"
PROMPT = "Add a page that lists the orders of the last week."
LARGE, MIDDLE, SMALL = (1400, 900), (1200, 800), (900, 600)
MOST_BYTES = 200_000
Act = Callable[[MainWindow], None]


def cached_run(task: Task, stop: threading.Event) -> Iterator[Event]:
    """A task from the cached image; with `stop` set beforehand it would end at once."""
    yield StateChanged(state=TaskState.PREPARING)
    for phase, seconds in ((Phase.WORKSPACE, 0.02), (Phase.PULL, 0.01)):
        yield PhaseStarted(phase=phase)
        yield PhaseFinished(phase=phase, seconds=seconds)
    yield PhaseStarted(phase=Phase.BUILD_ENV)
    yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=0.01, cache="hit")
    yield StateChanged(state=TaskState.STARTING)
    yield PhaseStarted(phase=Phase.START)
    yield PhaseFinished(phase=Phase.START, seconds=0.24)
    yield StateChanged(state=TaskState.RUNNING)
    yield PhaseStarted(phase=Phase.RUN)
    yield LogLine(stream="stdout", line="added 214 packages in 4s")
    yield PhaseFinished(phase=Phase.RUN, seconds=4.6)
    yield PhaseStarted(phase=Phase.AGENT)
    for line in ("reading src/orders.ts", "writing src/pages/last-week.tsx", "running npm test"):
        yield LogLine(stream="stdout", line=line)
    yield LogLine(stream="stderr", line="warning: 2 tests were slow")
    yield LogLine(stream="stdout", line="Tests: 48 passed, 48 total")
    yield AgentMessage(kind="message", text="The page is at /orders/last-week; all tests pass.")
    yield PhaseFinished(phase=Phase.AGENT, seconds=83.2)
    yield from fakes.ending(task, TaskState.SUCCEEDED, 0)


def building(task: Task, stop: threading.Event) -> Iterator[Event]:
    """A build that goes on until it is stopped."""
    yield StateChanged(state=TaskState.PREPARING)
    yield PhaseStarted(phase=Phase.WORKSPACE)
    yield PhaseFinished(phase=Phase.WORKSPACE, seconds=0.02)
    yield StateChanged(state=TaskState.BUILDING)
    yield PhaseStarted(phase=Phase.BUILD_ENV)
    yield LogLine(stream="system", line="Building the layer system of agent-runner-env:bookworm-3f1a9c07d2be")
    for package in ("libnode108", "nodejs", "npm", "git", "git-man", "liberror-perl", "perl-modules"):
        yield LogLine(stream="stdout", line=f"Unpacking {package} ...")
    stop.wait(60)
    yield from fakes.ending(task, TaskState.CANCELLED, 130)


def working(task: Task, stop: threading.Event) -> Iterator[Event]:
    """An agent at work on a cached image with a desktop."""
    yield StateChanged(state=TaskState.PREPARING)
    yield StateChanged(state=TaskState.BUILDING)
    for phase, seconds in ((Phase.BUILD_DESKTOP, 0.01), (Phase.BUILD_ENV, 0.01)):
        yield PhaseStarted(phase=phase)
        yield PhaseFinished(phase=phase, seconds=seconds, cache="hit")
    yield StateChanged(state=TaskState.STARTING)
    yield StateChanged(state=TaskState.RUNNING)
    yield PhaseStarted(phase=Phase.AGENT)
    for line in ("opening http://localhost:3000/orders/last-week", "48 passed, 48 total"):
        yield LogLine(stream="stdout", line=line)
    stop.wait(60)
    yield from fakes.ending(task, TaskState.CANCELLED, 130)


def failing(task: Task, _stop: threading.Event) -> Iterator[Event]:
    """A build that falls back, and a run preflight that fails."""
    yield StateChanged(state=TaskState.PREPARING)
    yield PhaseStarted(phase=Phase.BUILD_ENV)
    yield LogLine(stream="stderr", line="E: Unable to locate package nodejjs")
    yield PhaseFinished(phase=Phase.BUILD_ENV, seconds=3.1, ok=False, cache="fallback")
    yield Notice(
        message="The environment layer could not be built: the script ended with exit code 100.",
        hint="Its script runs at task start instead.",
    )
    error = AgentsRunnerError("The run preflight ended with exit code 3.", "Its last lines say why.")
    lines = ("npm error code ENOENT", "npm error path /workspace/package.json")
    for event in fakes.Failing(error, lines)(task, _stop):
        if not isinstance(event, StateChanged) or event.state.final:
            yield event


ORDERS = (
    ("Order", "Customer", "Placed", "Total"),
    ("#4182", "M. Okafor", "Mon 09:12", "84.00"),
    ("#4183", "L. Brandt", "Mon 11:40", "19.90"),
    ("#4187", "S. Ito", "Tue 08:03", "230.50"),
    ("#4190", "A. Novak", "Wed 17:26", "47.25"),
    ("#4195", "R. Silva", "Fri 10:55", "112.00"),
)
TERMINAL = (
    "$ npm run dev",
    "  ready on http://localhost:3000",
    "  GET /orders/last-week 200 in 41 ms",
    "$ npm test",
    "  48 passed, 48 total",
    "$ _",
)


def screen() -> bytes:
    """What a task's screen may look like: a browser, a terminal, a task bar."""
    image = QImage(1280, 800, QImage.Format.Format_RGB32)
    image.fill(QColor("#3b4a5a"))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)

    def frame(place: QRect, title: str, inside: str) -> None:
        painter.fillRect(place, QColor("#d9dde2"))
        painter.fillRect(place.adjusted(2, 28, -2, -2), QColor(inside))
        painter.setPen(QColor("#20262c"))
        painter.setFont(QFont("DejaVu Sans", 10))
        painter.drawText(place.adjusted(12, 0, 0, 28 - place.height()), Qt.AlignmentFlag.AlignVCenter, title)

    frame(QRect(60, 40, 860, 560), "Orders of the last week - Chromium", "#ffffff")
    painter.fillRect(QRect(62, 68, 856, 40), QColor("#eef0f3"))
    painter.drawText(84, 93, "localhost:3000/orders/last-week")
    painter.setFont(QFont("DejaVu Sans", 20, QFont.Weight.Bold))
    painter.drawText(100, 168, "Orders of the last week")
    for number, cells in enumerate(ORDERS):
        painter.setFont(QFont("DejaVu Sans", 12, QFont.Weight.Bold if number == 0 else QFont.Weight.Normal))
        for column, cell in enumerate(cells):
            painter.drawText(100 + column * 200, 226 + number * 48, cell)
        painter.fillRect(QRect(100, 242 + number * 48, 780, 1), QColor("#d9dde2"))
    frame(QRect(640, 430, 580, 300), "xterm", "#101418")
    painter.setPen(QColor("#c9f0d8"))
    painter.setFont(QFont("DejaVu Sans Mono", 13))
    for number, line in enumerate(TERMINAL):
        painter.drawText(658, 490 + number * 30, line)
    painter.fillRect(QRect(0, 772, 1280, 28), QColor("#20262c"))
    painter.setPen(QColor("#d9dde2"))
    painter.setFont(QFont("DejaVu Sans", 10))
    painter.drawText(16, 791, "Workspace 1      Chromium      xterm")
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def world(*, empty: bool = False) -> fakes.FakeWorld:
    made = fakes.FakeWorld()
    if empty:
        return made
    made.add(
        "Web shop",
        cache_container_build=True,
        cached_preflight_script=SCRIPT,
        run_preflight_script="npm ci\n",
        workspace=FolderWorkspace(path="/srv"),
    )
    made.add(LONG, agent="claude", color="violet")
    made.add(
        "Old shop", cache_container_build=True, run_preflight_script=LEGACY, preflight_script=LEGACY, color="rose"
    )
    made.add("Unsplit", run_preflight_script=LEGACY, preflight_script="echo older\n", color="sky")
    made.add("Careless", cache_container_build=True, cached_preflight_script=CARELESS, color="slate")
    made.add("Long script", cache_container_build=True, cached_preflight_script=LONG_SCRIPT, color="teal")
    made.environments.offers = (fakes.Offer(),)
    made.runner.tests_scripts = True
    own = CustomAgent(argv=("mytool", "--file", "{prompt_file}"))
    made.settings.saved = Settings(theme="light", agents={"mine": own})
    made.add("Scratch", agent="shell", color="amber")
    kept = made.add(
        "Private registry",
        color="violet",
        secrets=["NPM_TOKEN", "DEPLOY_KEY", "A_LONG_NAME_OF_A_SECRET_THAT_SOMEBODY_THOUGHT_WAS_CLEAR_ENOUGH"],
        secret_uses={"NPM_TOKEN": SecretUse(stages=("build",), as_variable=True)},
    )
    made.secrets.kept[kept.id, "NPM_TOKEN"] = "set"
    made.images.images = tuple(fakes.image(number, in_use=number == 1) for number in range(4))
    made.runner.script = cached_run
    now = time.time()
    states = (TaskState.CANCELLED, TaskState.FAILED, TaskState.SUCCEEDED)
    for number, state in enumerate(states, start=1):
        began = now - number * 5400
        made.tasks.add(
            Task(
                id=f"{number:012x}",
                environment_id="scratch",
                environment_name="Scratch",
                agent="shell",
                prompt=f"Look into report {number}",
                state=state,
                created=began,
                started=began,
                finished=began + 40 * number,
                exit_code=0 if state is TaskState.SUCCEEDED else 1,
            )
        )
    return made


def cached_tab(window: MainWindow) -> None:
    window.environments.form.tabs.setCurrentIndex(1)


def secrets_tab(window: MainWindow) -> None:
    window.environments.select("private-registry")
    tabs = window.environments.form.tabs
    tabs.setCurrentIndex(next(number for number in range(tabs.count()) if "ecret" in tabs.tabText(number)))


def legacy(window: MainWindow) -> None:
    """A script that is not split, while caching is on."""
    window.environments.select("old-shop")
    cached_tab(window)


def warned(window: MainWindow) -> None:
    """Warnings of every kind, and the find bar."""
    window.environments.select("careless")
    cached_tab(window)
    window.environments.form.preflight.cached.find_bar.open_bar()
    window.environments.form.preflight.cached.find_bar.line.setText("apt-get")


def long_script(window: MainWindow) -> None:
    window.environments.select("long-script")
    cached_tab(window)
    settle(window.settled)
    window.environments.form.preflight.cached.editor.go_to_line(2500)


def review(window: MainWindow) -> None:
    """Auto-split, with one statement selected."""
    legacy(window)
    window.environments.form.preflight.auto_split()
    settle(window.settled)
    dialog = window.findChild(SplitReview)
    assert dialog is not None
    dialog.view.selectRow(4)
    settle(window.settled)


def moved(window: MainWindow) -> None:
    review(window)
    dialog = window.findChild(SplitReview)
    assert dialog is not None
    dialog.move_to("run")
    settle(window.settled)


def question(window: MainWindow) -> None:
    window.environments.select("unsplit")
    window.environments.form.editors.switch("cache_container_build").setChecked(True)


def offer(window: MainWindow) -> None:
    window.environments.form.editors.path.setText("/srv/shop")
    window.environments.form.folder_chosen.emit("/srv/shop")


def importing(window: MainWindow) -> None:
    offer(window)
    settle(window.settled)
    window.environments.form.offer.acted.emit()


def long_names(window: MainWindow) -> None:
    window.environments.select(next(one.id for one in world().environments.known.values() if one.name == LONG))


def bad_input(window: MainWindow) -> None:
    window.environments.form.editors.line("base_image").setText("Debian Bookworm")
    window.environments.form.edited.emit()
    window.environments.save()


def run(window: MainWindow) -> None:
    window.go(NEW_TASK)
    window.new_task.prompt.setPlainText(PROMPT)
    window.new_task.run()
    settle(lambda: window.task.isVisible() and window.task.log.blockCount() > 1)


def run_and_list(window: MainWindow) -> None:
    run(window)
    window.go(TASKS)


def closing(made: fakes.FakeWorld, tasks: int = 3) -> Act:
    """Closed over tasks at work, of which the last has its image built."""
    scripts = iter([working] * (tasks - 1) + [building])

    def script(task: Task, stop: threading.Event) -> Iterator[Event]:
        return next(scripts)(task, stop)

    def act(window: MainWindow) -> None:
        made.runner.script = script
        for number in range(tasks):
            run(window)
            settle(lambda: len(made.tasks.rows) > number)  # noqa: B023
        settle(lambda: len(made.runner.active_tasks().running) == tasks - 1)
        window.close()

    return act


def clean(window: MainWindow) -> None:
    window.images.clean()


def bad_settings(window: MainWindow) -> None:
    """Values that cannot be read, of a number and of an agent's command."""
    page = window.settings
    for name, text in (("setting-max-running-tasks", "a few"), ("setting-docker-host", "my-server:2376")):
        line = page.findChild(QLineEdit, name)
        assert line is not None
        line.setText(text)
        line.textEdited.emit(text)
    page.save()


def file_secrets(window: MainWindow) -> None:
    """The end of the page: secrets as plain text, and two agents, one of which has no command yet."""
    page = window.settings
    storage, add = page.findChild(QComboBox, "setting-secret-storage"), page.findChild(QPushButton, "agent-add")
    assert storage is not None
    assert add is not None
    storage.setCurrentIndex(1)
    add.click()
    name = page.findChild(QLineEdit, "agent-name-1")
    assert name is not None
    name.setText("reviewer")
    name.textEdited.emit("reviewer")
    page.save()


Shot = tuple[str, int, tuple[int, int], fakes.FakeWorld, Act | None]


def on_the_desktop(window: MainWindow) -> None:
    run(window)
    settle(window.settled)
    window.task.tabs.setCurrentIndex(2)


def shots() -> list[Shot]:
    busy, failed, away, drawn, no_screen = world(), world(), world(), world(), world()
    closed, shared = world(), world()
    shared.images.others = frozenset(one.tag for one in shared.images.images[2:3])
    drawn.runner.script = working
    drawn.desktop.data = screen()
    no_screen.desktop.sentence = "This task has no desktop. Turn the desktop on in its environment and run it again."
    busy.runner.script = building
    failed.runner.script = failing
    away.system.engine_error = EngineUnreachable(
        "No Docker engine answers at unix:///var/run/docker.sock.", "Start it: sudo systemctl start docker"
    )
    return [
        ("environments", ENVIRONMENTS, MIDDLE, world(), cached_tab),
        ("preflight-small", ENVIRONMENTS, SMALL, world(), cached_tab),
        ("preflight-unsplit", ENVIRONMENTS, SMALL, world(), legacy),
        ("preflight-unsplit-large", ENVIRONMENTS, LARGE, world(), legacy),
        ("preflight-warnings", ENVIRONMENTS, MIDDLE, world(), warned),
        ("preflight-warnings-small", ENVIRONMENTS, SMALL, world(), warned),
        ("preflight-long", ENVIRONMENTS, LARGE, world(), long_script),
        ("split-review", ENVIRONMENTS, LARGE, world(), review),
        ("split-review-moved", ENVIRONMENTS, SMALL, world(), moved),
        ("caching-question", ENVIRONMENTS, MIDDLE, world(), question),
        ("import-offer", ENVIRONMENTS, SMALL, world(), offer),
        ("import", ENVIRONMENTS, MIDDLE, world(), importing),
        ("secrets", ENVIRONMENTS, MIDDLE, world(), secrets_tab),
        ("secrets-small", ENVIRONMENTS, SMALL, world(), secrets_tab),
        ("environments-small", ENVIRONMENTS, SMALL, world(), None),
        ("long-names", ENVIRONMENTS, SMALL, world(), long_names),
        ("environments-error", ENVIRONMENTS, SMALL, world(), bad_input),
        ("empty", ENVIRONMENTS, SMALL, world(empty=True), None),
        ("new-task", NEW_TASK, SMALL, world(), None),
        ("desktop", NEW_TASK, MIDDLE, drawn, on_the_desktop),
        ("desktop-none", NEW_TASK, SMALL, no_screen, on_the_desktop),
        ("task-done", NEW_TASK, MIDDLE, world(), run),
        ("task-failed", NEW_TASK, MIDDLE, failed, run),
        ("task-building", NEW_TASK, SMALL, busy, run),
        ("closing", NEW_TASK, MIDDLE, closed, closing(closed)),
        ("tasks", TASKS, LARGE, world(), run_and_list),
        ("images", IMAGES, LARGE, world(), None),
        ("images-small", IMAGES, SMALL, world(), None),
        ("clean", IMAGES, LARGE, shared, clean),
        ("settings", SETTINGS, MIDDLE, world(), None),
        ("settings-small", SETTINGS, SMALL, world(), None),
        ("settings-error", SETTINGS, SMALL, world(), bad_settings),
        ("settings-agents", SETTINGS, MIDDLE, world(), file_secrets),
        ("engine-away", ENVIRONMENTS, SMALL, away, None),
    ]


def main() -> None:
    # Text is drawn before the first window is there.
    application()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "images"
    only = sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        for name, page, size, made, prepare in shots():
            if only and name not in only:
                continue
            theme = "dark" if dark else "light"
            path = folder / f"{name}-{theme}.png"
            made.settings.saved = made.settings.saved.model_copy(update={"theme": theme})
            write_snapshot(
                made.services(),
                path,
                environment_id="web-shop",
                page=page,
                dark=dark,
                size=size,
                prepare=prepare,
                dialogs=(CleanDialog, SplitReview, ImportDialog, QMessageBox),
            )
            made.runner.close()
            assert path.stat().st_size < MOST_BYTES, path
            print(path)


if __name__ == "__main__":
    main()
