"""The editors of an environment's form, one for each value, with their stable names."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPlainTextEdit, QSizePolicy, QWidget

from agents_runner.core.environment import COLORS
from agents_runner.ui.models import color_dot
from agents_runner.ui.script_editor import ScriptEditor
from agents_runner.ui.widgets import QuietWheel, button, code_editor, tip

CACHED_TIP = "Slow and the same for every task: packages, tools, system configuration. Baked into an image once."
RUN_TIP = "Quick and of this task: variables, folders, refreshing the workspace. Runs at every start."
SINGLE_TIP = "Everything in one script, run at every task start; Auto-split finds out what can be cached."
VARIABLES_TIP = "Set in both scripts and for the agent."
KINDS = (("none", "None"), ("folder", "A folder of this machine"), ("git", "A fresh git clone for each task"))
PULLS = (("missing", "If it is missing"), ("always", "Before every task"), ("never", "Never"))


def _line(name: str, placeholder: str = "", hint: str = "") -> QLineEdit:
    made = QLineEdit()
    made.setObjectName(name)
    made.setPlaceholderText(placeholder)
    made.setToolTip(tip(hint))
    return made


def combo(name: str, entries: Sequence[tuple[str, str]] = ()) -> QComboBox:
    """A list to choose from that is never wider than the place it has."""
    made = QComboBox()
    made.setObjectName(name)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(8)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for value, text in entries:
        made.addItem(text, value)
    return made


def _check(name: str, text: str, hint: str) -> QCheckBox:
    made = QCheckBox(text)
    made.setObjectName(name)
    made.setToolTip(tip(hint))
    return made


class EnvironmentEditors:
    """Only the widgets; the form lays them out and knows what they mean."""

    def __init__(self, parent: QWidget) -> None:
        self.name = _line("env-name", "For example the project's name")
        self.color = combo("env-color", [(color, color.capitalize()) for color in COLORS])
        for number, color in enumerate(COLORS):
            self.color.setItemIcon(number, color_dot(color))
        self.base_image = _line("env-base-image", "debian:bookworm", "What the environment is built on.")
        self.agent = combo("env-agent")
        self.kind = combo("env-workspace-kind", KINDS)
        self.path = _line("env-workspace-path", "/path/to/the/project")
        self.browse = button("&Browse...", "env-workspace-browse")
        self.url = _line("env-workspace-url", "https://host/owner/repository.git")
        self.branch = _line("env-workspace-branch", "Branch (empty: the default)")
        self._checks()
        self._texts()
        self._advanced()
        quiet = QuietWheel(parent)
        for widget in self.combos():
            widget.installEventFilter(quiet)

    def _checks(self) -> None:
        self.cache_container = _check(
            "env-cache-container",
            "&Cache the environment layer",
            "Bake the cached preflight into an image, so that tasks start at once.",
        )
        self.desktop = _check("env-desktop", "Des&ktop", "A screen inside the container for graphical programs.")
        self.cache_desktop = _check(
            "env-cache-desktop",
            "Cache the desktop &layer",
            "Bake the desktop's programs into an image of their own; counts only while the desktop is on.",
        )
        self.package_caches = _check(
            "env-package-caches",
            "&Keep package downloads",
            "Builds keep what apt, pacman, pip, npm and cargo download, so that a rebuild need not fetch it.",
        )
        self.enabled = _check(
            "env-preflight-enabled", "Run pre&flight scripts", "Off: neither script runs; both texts stay."
        )

    def _texts(self) -> None:
        self.cached = ScriptEditor(
            "env-cached-preflight",
            CACHED_TIP,
            "apt-get update && apt-get install -y nodejs npm\n# step: NAME starts a new layer",
        )
        self.run = ScriptEditor("env-run-preflight", RUN_TIP, "export NODE_ENV=development\nmkdir -p ~/cache")
        self.variables = code_editor("env-variables", VARIABLES_TIP, "NAME=value")
        self.mounts = code_editor("env-mounts", "One SOURCE:TARGET or SOURCE:TARGET:ro a line.", "/srv/data:/data:ro")
        self.ports = code_editor("env-ports", "One port a line; published on this machine only.", "3000\n8080:80")
        for small in (self.mounts, self.ports):
            small.setFixedHeight(72)

    def _advanced(self) -> None:
        self.pull = combo("env-pull", PULLS)
        self.timeout = _line(
            "env-build-timeout",
            "1800",
            "Seconds: a build that takes longer is ended, and the task starts without the cache.",
        )
        self.run_limit = _line(
            "env-run-timeout", "No limit", "Seconds: a run preflight that takes longer is ended, and the task fails."
        )
        self.task_limit = _line(
            "env-task-timeout",
            "No limit",
            "Seconds from the container's start: a task that takes longer is ended and fails. Builds do not count.",
        )
        self.cpus = _line("env-cpus", "No limit", "How many processor cores a task may use.")
        self.memory = _line("env-memory", "No limit", "How much memory a task may use, in MiB.")

    def lines(self) -> tuple[QLineEdit, ...]:
        limits = (self.timeout, self.run_limit, self.task_limit, self.cpus, self.memory)
        return (self.name, self.base_image, self.path, self.url, self.branch, *limits)

    def texts(self) -> tuple[QPlainTextEdit, ...]:
        return (self.cached, self.run, self.variables, self.mounts, self.ports)

    def combos(self) -> tuple[QComboBox, ...]:
        return (self.color, self.agent, self.kind, self.pull)

    def checks(self) -> tuple[QCheckBox, ...]:
        return (self.cache_container, self.desktop, self.cache_desktop, self.enabled, self.package_caches)
