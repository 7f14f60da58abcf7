"""What each field of an environment is called, what it means and how it is typed: one row a field.

The form, the command line and `docs/environments.md` are made of this table. A new field is a row here and a field of
`core.environment.Environment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, get_args

from agents_runner.core.environment import COLORS, Environment, Resources
from agents_runner.core.setting_rows import Choice

FIXED = ("id", "version", "profile_from_before")
"""Fields that nobody types: they have no row."""
PARTS = {"resources": Resources}
"""Fields that are made of others: each of those has a row with a dotted name, and `--set PART.NAME=value` sets it."""


class Kind(StrEnum):
    """How a value is typed, in the form and behind `--set`."""

    LINE = "line"
    CHOICE = "choice"
    SWITCH = "switch"
    NUMBER = "number"
    SCRIPT = "script"
    LIST = "list"
    """In the form a line each, behind `--set` also with commas between."""
    WORDS = "words"
    """As in a shell's command line."""
    PAIRS = "pairs"
    """NAME=value, a line each."""
    WORKSPACE = "workspace"
    SECRETS = "secrets"
    MAPPING = "mapping"
    """A JSON object; nobody types it in the form."""


class Page(StrEnum):
    """Where in the form a field is."""

    TOP = "above the tabs"
    GENERAL = "General"
    PREFLIGHT = "Preflight"
    VARIABLES = "Variables"
    SECRETS = "Secrets"
    ADVANCED = "Advanced"
    NONE = ""
    """Not in the form: for the command line and the file alone."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentRow:
    """A field as people see it. The form shows the rows of a page in the table's order.

    `name` is the field's, dotted inside a part (`resources.cpus`). `label` holds its access key behind `&`.
    `text` says what it does. `placeholder` is shown in an empty editor, and says what empty means. `widget` is
    the stable name of the form's editor.
    """

    name: str
    kind: Kind
    label: str
    text: str
    page: Page = Page.NONE
    widget: str = ""
    placeholder: str = ""
    unit: str = ""
    choices: tuple[Choice, ...] = ()
    """Of a choice; () where only the application knows them, as with agents."""
    heading: str = ""
    """In front of a switch, which holds its label itself."""
    beside: bool = False
    """On one line with the row before it."""

    @property
    def title(self) -> str:
        """The label without its access key."""
        return self.label.replace("&", "")

    @property
    def meaning(self) -> str:
        """What the field does, and in what it is measured."""
        return f"{self.text} In {self.unit_words}." if self.unit else self.text

    @property
    def unit_words(self) -> str:
        """The unit as it is spoken."""
        return _UNITS.get(self.unit, self.unit)

    @property
    def optional(self) -> bool:
        """Whether the field may have no value."""
        return type(None) in get_args(self._annotation)

    @property
    def number(self) -> type[int] | type[float]:
        """The kind of number that a field of the kind `NUMBER` holds: int or float."""
        return float if float in (self._annotation, *get_args(self._annotation)) else int

    @property
    def default(self) -> Any:
        """What a new environment has."""
        model, name = _place(self.name)
        return model.model_fields[name].get_default(call_default_factory=True)

    @property
    def _annotation(self) -> Any:
        model, name = _place(self.name)
        return model.model_fields[name].annotation


_UNITS = {"s": "seconds"}


def _place(name: str) -> tuple[type[Environment] | type[Resources], str]:
    head, _, key = name.partition(".")
    return (PARTS[head], key) if key else (Environment, head)


def _choices(*rows: tuple[str, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(value=row[0], label=row[1], text="".join(row[2:])) for row in rows)


WORKSPACE_KINDS = _choices(
    ("none", "None"), ("folder", "A folder of this machine"), ("git", "A fresh git clone for each task")
)

PROFILES = _choices(
    (
        "standard",
        "Standard",
        "The scripts may install as root; the agent works as you, without any way to become root.",
    ),
    (
        "sudo",
        "Sudo",
        "The agent too may become root in its container with sudo; your folders are looked through afterwards.",
    ),
    (
        "strict",
        "Strict",
        "As Standard, without sudo in the run preflight, with tighter limits and a network apart, and never on a ",
        "folder of this machine itself.",
    ),
)

ENVIRONMENT_ROWS = (
    EnvironmentRow(
        name="name",
        kind=Kind.LINE,
        label="N&ame",
        text="What the environment is called; a task can name it by this.",
        page=Page.TOP,
        widget="env-name",
        placeholder="For example the project's name",
    ),
    EnvironmentRow(
        name="color",
        kind=Kind.CHOICE,
        label="Colour",
        text="Its dot in the lists.",
        page=Page.TOP,
        widget="env-color",
        choices=_choices(*((color, color.capitalize()) for color in COLORS)),
        beside=True,
    ),
    EnvironmentRow(
        name="base_image",
        kind=Kind.LINE,
        label="Base &image",
        text="What the environment is built on.",
        page=Page.GENERAL,
        widget="env-base-image",
        placeholder="debian:bookworm",
    ),
    EnvironmentRow(
        name="agent",
        kind=Kind.CHOICE,
        label="A&gent",
        text="Who works on a task's prompt.",
        page=Page.GENERAL,
        widget="env-agent",
    ),
    EnvironmentRow(
        name="agent_args", kind=Kind.WORDS, label="Agent's arguments", text="Handed to the agent before the prompt."
    ),
    EnvironmentRow(
        name="workspace",
        kind=Kind.WORKSPACE,
        label="&Workspace",
        text="What the agent works on: nothing, a folder of this machine, or a fresh git clone for each task.",
        page=Page.GENERAL,
        widget="env-workspace-kind",
        choices=WORKSPACE_KINDS,
    ),
    EnvironmentRow(
        name="profile",
        kind=Kind.CHOICE,
        label="Profile",
        text="How much the agent may do in its container; see docs/security.md.",
        page=Page.GENERAL,
        widget="env-profile",
        choices=PROFILES,
    ),
    EnvironmentRow(
        name="cache_container_build",
        kind=Kind.SWITCH,
        label="&Cache the environment layer",
        text="Bake the cached preflight into an image, so that tasks start at once.",
        page=Page.GENERAL,
        widget="env-cache-container",
        heading="Start-up",
    ),
    EnvironmentRow(
        name="preflight_enabled",
        kind=Kind.SWITCH,
        label="Run pre&flight scripts",
        text="Off: neither script runs; both texts stay.",
        page=Page.GENERAL,
        widget="env-preflight-enabled",
    ),
    EnvironmentRow(
        name="headless_desktop_enabled",
        kind=Kind.SWITCH,
        label="Des&ktop",
        text="A screen inside the container for graphical programs.",
        page=Page.GENERAL,
        widget="env-desktop",
    ),
    EnvironmentRow(
        name="cache_desktop_build",
        kind=Kind.SWITCH,
        label="Cache the desktop &layer",
        text="Bake the desktop's programs into an image of their own; counts only while the desktop is on.",
        page=Page.GENERAL,
        widget="env-cache-desktop",
        beside=True,
    ),
    EnvironmentRow(
        name="cached_preflight_script",
        kind=Kind.SCRIPT,
        label="Cached preflight",
        text="Slow and the same for every task: packages, tools, system configuration. Baked into an image once.",
        page=Page.PREFLIGHT,
        widget="env-cached-preflight",
        placeholder="apt-get update && apt-get install -y nodejs npm\n# step: NAME starts a new layer",
    ),
    EnvironmentRow(
        name="run_preflight_script",
        kind=Kind.SCRIPT,
        label="Run preflight",
        text="Quick and of this task: variables, folders, refreshing the workspace. Runs at every start.",
        page=Page.PREFLIGHT,
        widget="env-run-preflight",
        placeholder="export NODE_ENV=development\nmkdir -p ~/cache",
    ),
    EnvironmentRow(
        name="preflight_script",
        kind=Kind.SCRIPT,
        label="Original single script",
        text="The single script as an older version left it: kept, never run.",
    ),
    EnvironmentRow(
        name="cache_inputs",
        kind=Kind.LIST,
        label="Cache inputs",
        text="Files whose contents are part of the environment layer's key (lock files, say); absolute paths.",
    ),
    EnvironmentRow(
        name="env_vars",
        kind=Kind.PAIRS,
        label="Variables",
        text="Set in both scripts and for the agent.",
        page=Page.VARIABLES,
        widget="env-variables",
        placeholder="NAME=value",
    ),
    EnvironmentRow(
        name="secrets",
        kind=Kind.SECRETS,
        label="Secrets",
        text="Names of secrets; their values are never in this file.",
        page=Page.SECRETS,
    ),
    EnvironmentRow(
        name="secret_uses",
        kind=Kind.MAPPING,
        label="Uses of secrets",
        text="Which stages see a secret, and whether as a variable too; see `env secret set`.",
    ),
    EnvironmentRow(
        name="mounts",
        kind=Kind.LIST,
        label="&Mounts",
        text="One SOURCE:TARGET or SOURCE:TARGET:ro a line.",
        page=Page.ADVANCED,
        widget="env-mounts",
        placeholder="/srv/data:/data:ro",
    ),
    EnvironmentRow(
        name="allow_mounts",
        kind=Kind.LIST,
        label="Allo&wed mount sources",
        text="A folder that gives this machine away is mounted only if it is typed here once more, whole.",
        page=Page.ADVANCED,
        widget="env-allow-mounts",
        placeholder="Nothing: such folders are refused",
    ),
    EnvironmentRow(
        name="ports",
        kind=Kind.LIST,
        label="Por&ts",
        text="One port a line; published on this machine only.",
        page=Page.ADVANCED,
        widget="env-ports",
        placeholder="3000\n8080:80",
    ),
    EnvironmentRow(
        name="pull",
        kind=Kind.CHOICE,
        label="P&ull the base image",
        text="When the base image is fetched from its registry.",
        page=Page.ADVANCED,
        widget="env-pull",
        choices=_choices(("missing", "If it is missing"), ("always", "Before every task"), ("never", "Never")),
    ),
    EnvironmentRow(
        name="build_timeout_s",
        kind=Kind.NUMBER,
        label="Build t&imeout",
        text="A build that takes longer is ended, and the task starts without the cache.",
        page=Page.ADVANCED,
        widget="env-build-timeout",
        placeholder="1800",
        unit="s",
    ),
    EnvironmentRow(
        name="package_caches",
        kind=Kind.SWITCH,
        label="&Keep package downloads",
        text="Builds keep what apt, pacman, pip, npm and cargo download, so that a rebuild need not fetch it.",
        page=Page.ADVANCED,
        widget="env-package-caches",
    ),
    EnvironmentRow(
        name="refresh_after_days",
        kind=Kind.NUMBER,
        label="Refresh after",
        text="Layers older than this are built anew in the background.",
        placeholder="Never",
        unit="days",
    ),
    EnvironmentRow(
        name="run_preflight_timeout_s",
        kind=Kind.NUMBER,
        label="Run preflight limit",
        text="A run preflight that takes longer is ended, and the task fails.",
        page=Page.ADVANCED,
        widget="env-run-timeout",
        placeholder="No limit",
        unit="s",
    ),
    EnvironmentRow(
        name="task_timeout_s",
        kind=Kind.NUMBER,
        label="Task limit",
        text="From the container's start: a task that takes longer is ended and fails. Builds do not count.",
        page=Page.ADVANCED,
        widget="env-task-timeout",
        placeholder="No limit",
        unit="s",
    ),
    EnvironmentRow(
        name="resources.cpus",
        kind=Kind.NUMBER,
        label="CPUs",
        text="How many processor cores a task may use.",
        page=Page.ADVANCED,
        widget="env-cpus",
        placeholder="No limit",
    ),
    EnvironmentRow(
        name="resources.memory_mb",
        kind=Kind.NUMBER,
        label="Memory",
        text="How much memory a task may use.",
        page=Page.ADVANCED,
        widget="env-memory",
        placeholder="No limit",
        unit="MiB",
    ),
    EnvironmentRow(
        name="resources.shm_mb",
        kind=Kind.NUMBER,
        label="Shared memory",
        text="Size of /dev/shm; with a desktop 1024 unless it is set.",
        placeholder="The engine's default",
        unit="MiB",
    ),
    EnvironmentRow(
        name="resources.pids",
        kind=Kind.NUMBER,
        label="Processes",
        text="How many processes a container may have at once.",
        placeholder="No limit",
    ),
)

BY_NAME = {row.name: row for row in ENVIRONMENT_ROWS}


def rows_of(page: Page) -> tuple[EnvironmentRow, ...]:
    """The rows that a page of the form shows, in order."""
    return tuple(row for row in ENVIRONMENT_ROWS if row.page is page)


def help_lines() -> tuple[str, ...]:
    """A line a field for the command line's help: name, what it does, its choices or unit."""
    width = max(len(row.name) for row in ENVIRONMENT_ROWS) + 2
    return tuple(f"  {row.name:{width}}{_described(row)}" for row in ENVIRONMENT_ROWS)


def _described(row: EnvironmentRow) -> str:
    if row.kind is Kind.CHOICE and row.choices:
        return f"{row.meaning} One of {', '.join(choice.value for choice in row.choices)}."
    return row.meaning


_TYPED = {
    Kind.LINE: "text",
    Kind.SCRIPT: "text or `@FILE`",
    Kind.SWITCH: "`true`, `false`",
    Kind.LIST: "`A,B` or a JSON list",
    Kind.WORDS: "`A 'B C'` or a JSON list",
    Kind.PAIRS: "`@FILE` of NAME=value lines; one alone: `env_vars.NAME=value`",
    Kind.WORKSPACE: "`none`, `/FOLDER`, `git+URL#BRANCH`",
    Kind.SECRETS: "`A,B`",
    Kind.MAPPING: "a JSON object",
}


def table_lines() -> tuple[str, ...]:
    """The table of `docs/environments.md`, a line each."""
    lines = ["| field | in the window | behind `--set` | default | what it does |", "|---|---|---|---|---|"]
    for row in ENVIRONMENT_ROWS:
        place = f"{row.page}: {row.title}" if row.page else ""
        cells = (f"`{row.name}`", place, _typed(row), _default(row), row.meaning)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return tuple(lines)


def _typed(row: EnvironmentRow) -> str:
    if row.kind is Kind.CHOICE:
        return ", ".join(f"`{choice.value}`" for choice in row.choices) or "a name"
    if row.kind is Kind.NUMBER:
        number = "a whole number" if row.number is int else "a number"
        return f"{number}{', `none`' if row.optional else ''}"
    return _TYPED[row.kind]


def _default(row: EnvironmentRow) -> str:
    value = None if row.name == "name" else row.default
    if value is None or (isinstance(value, str | tuple | dict) and not value):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`" if isinstance(value, str | int | float) else "`none`"
