"""What each setting is called, what it means and when it counts: one row a setting, for every front end."""

from __future__ import annotations

from dataclasses import dataclass

NEXT_START = "Counts from the next start."


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of a setting that has a few; `text` says what choosing it means, where that is not plain."""

    value: str
    label: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """A setting as people see it. The kind of its editor follows from the field's type in `core.settings`.

    `name` is dotted inside a part (`cache.collect`); `empty` is what an empty value means.
    """

    name: str
    group: str
    label: str
    text: str = ""
    choices: tuple[Choice, ...] = ()
    unit: str = ""
    empty: str = ""
    next_start: bool = False

    @property
    def meaning(self) -> str:
        return f"{self.text} {NEXT_START}".strip() if self.next_start else self.text


def _choices(*rows: tuple[str, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(value=row[0], label=row[1], text="".join(row[2:])) for row in rows)


_THEMES = _choices(("system", "As the desktop has it"), ("light", "Light"), ("dark", "Dark"))
_ON_CLOSE = _choices(
    ("ask", "Ask"),
    ("leave", "Leave them running", "They go on in their containers; the next start shows what happened meanwhile."),
    ("stop", "Stop them"),
)
_STORAGES = _choices(
    ("keyring", "The desktop's keyring", "The keyring encrypts them with your login."),
    (
        "file",
        "A private file, plain text",
        "Values are written unencrypted into a file that only your user may read: every program that runs as you, "
        "and every backup of it, can read them.",
    ),
)
_APPEARANCE, _TASKS, _ENGINE, _IMAGES, _SECRETS = "Appearance", "Tasks", "Engine", "Cached images", "Secrets"

ROWS = (
    SettingRow(name="theme", group=_APPEARANCE, label="Theme", text="The window's colours.", choices=_THEMES),
    SettingRow(
        name="max_running_tasks",
        group=_TASKS,
        label="Tasks at once",
        text="Further tasks wait until one has ended.",
        next_start=True,
    ),
    SettingRow(
        name="max_builds",
        group=_TASKS,
        label="Builds at once",
        text="Layers that are built at the same time; 0 is one for each processor core.",
        next_start=True,
    ),
    SettingRow(
        name="max_log_mb",
        group=_TASKS,
        label="Log of a task",
        text="So much of a task's output is kept on disk; after it only each phase's last lines.",
        unit="MB",
    ),
    SettingRow(
        name="on_close",
        group=_TASKS,
        label="When the window closes",
        text="What becomes of tasks that have not ended.",
        choices=_ON_CLOSE,
    ),
    SettingRow(
        name="isolate_tasks",
        group=_TASKS,
        label="Keep all tasks from each other's ports",
        text="A start takes a little longer. Off: only tasks with a desktop or ports, and those under Strict.",
    ),
    SettingRow(
        name="docker_host",
        group=_ENGINE,
        label="Address",
        text="For example unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host.",
        empty="Empty: DOCKER_HOST, then the current Docker context",
        next_start=True,
    ),
    SettingRow(
        name="cache.collect",
        group=_IMAGES,
        label="Remove old images by themselves",
        text="After a build and when the window opens; off: only Clean cached images removes anything.",
    ),
    SettingRow(
        name="cache.keep_per_environment",
        group=_IMAGES,
        label="States kept",
        text="Of each environment: its cached preflight as it is now and as it was before, to go back quickly.",
    ),
    SettingRow(
        name="cache.max_age_days",
        group=_IMAGES,
        label="Removed after",
        text="Images that no environment needs go after so many days without use.",
        unit="days",
        empty="Never",
    ),
    SettingRow(
        name="cache.max_size_gb",
        group=_IMAGES,
        label="Size limit",
        text="Over it the images unused for longest go, those that no environment needs first.",
        unit="GB",
        empty="No limit",
    ),
    SettingRow(
        name="max_layer_gb",
        group=_IMAGES,
        label="Largest layer",
        text="A build that leaves more is not kept, and its script runs at task start. Holes in files count in full.",
        unit="GB",
        empty="No limit",
    ),
    SettingRow(
        name="cache.prebuild_on_save",
        group=_IMAGES,
        label="Build when an environment is saved",
        text="Missing layers are built in the background, so that the first task does not wait for them.",
    ),
    SettingRow(
        name="secret_storage",
        group=_SECRETS,
        label="Values are kept in",
        text="Counts for values that are set from now on; those set before stay where they are and are still used.",
        choices=_STORAGES,
    ),
)

AGENTS_TEXT = (
    "Commands that tasks can run beside the built-in agents. {prompt_file} becomes the path of the prompt's file; "
    "without it the prompt comes on standard input."
)
