"""What would stop a task of an environment, each at its field: the checks that need no file, engine or network.

What can only be known on this machine (whether a folder may be mounted, say) is checked in
`runner.tasks.plan_launch`, in the same form.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents_runner.core.environment import Environment, FolderWorkspace, GitWorkspace
from agents_runner.core.errors import InvalidInput
from agents_runner.core.mounts import check_mounts, parse_mount
from agents_runner.core.ports import parse_ports
from agents_runner.core.repository_url import check_url
from agents_runner.core.scripts import check_script
from agents_runner.core.secrets import check_secrets
from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.core.variables import check_variables

IMAGE_REF_HINT = "For example debian:bookworm or lunamidori5/pixelarch:emerald."
_LAYERS = ("agent-runner-env:", "agent-runner-desktop:")
Check = Callable[[Environment], object]
"""Looks at one thing. Raises InvalidInput at its field."""


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field, as a value: `field` is dotted inside a part, "" where no field is meant."""

    field: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: InvalidInput) -> FieldProblem:
        """An error about a field as a value, without raising it."""
        return cls(field=error.field, message=error.message, hint=error.hint)

    @property
    def text(self) -> str:
        """The sentence and what to do about it."""
        return f"{self.message} {self.hint}".strip()

    def error(self) -> InvalidInput:
        """The problem as an error, for whoever stops at it."""
        return InvalidInput(self.message, self.hint, field=self.field)


def problems_found(environment: Environment, checks: Iterable[Check]) -> tuple[FieldProblem, ...]:
    """The problems that the checks find, in their order; of several at one field only the first is given."""
    found: dict[str, FieldProblem] = {}
    for check in checks:
        try:
            check(environment)
        except InvalidInput as error:
            found.setdefault(error.field, FieldProblem.of(error))
    return tuple(found.values())


def check_file(environment: Environment) -> None:
    """Refuse what no file should hold. Raises InvalidInput at the first field that is wrong."""
    for check in FILE_CHECKS:
        check(environment)


# -- one check a field ------------------------------------------------------------------------------


def check_image(environment: Environment) -> None:
    """Refuse what is no image's name, and our own layers, which a clean-up may remove."""
    ref = environment.base_image.strip()
    if not ref:
        raise InvalidInput("The environment has no base image.", IMAGE_REF_HINT, field="base_image")
    if ref.startswith("-") or any(char.isspace() or not char.isprintable() for char in ref):
        raise InvalidInput(f"{ref!r} is no image's name.", IMAGE_REF_HINT, field="base_image")
    if ref.startswith(_LAYERS):
        raise InvalidInput(f"{ref} is a cached layer, which may be cleaned away.", IMAGE_REF_HINT, field="base_image")
    name = ref.rsplit("/", 1)[-1].split(":", 1)[0].split("@", 1)[0]
    if not name or name != name.lower():
        raise InvalidInput(f"{ref!r} is no image's name: it has capitals.", IMAGE_REF_HINT, field="base_image")


def _cached_script(environment: Environment) -> None:
    check_script(environment.cached_preflight_script, "cached_preflight_script")


def _run_script(environment: Environment) -> None:
    check_script(environment.run_preflight_script, "run_preflight_script")


def _variables(environment: Environment) -> None:
    check_variables(environment.env_vars)


def _secrets(environment: Environment) -> None:
    check_secrets(environment.secret_grants, variables=environment.env_vars, targets=())


def _secrets_and_mounts(environment: Environment) -> None:
    check_secrets(environment.secret_grants, variables=environment.env_vars, targets=_targets(environment))


def _targets(environment: Environment) -> tuple[str, ...]:
    """Where the mounts go, of those that can be read; the others have an error of their own."""
    found = []
    for text in environment.mounts:
        with contextlib.suppress(InvalidInput):
            found.append(parse_mount(text).target)
    return tuple(found)


def _mounts(environment: Environment) -> None:
    check_mounts([parse_mount(text) for text in environment.mounts], WORKSPACE_PATH)


def _ports(environment: Environment) -> None:
    parse_ports(environment.ports)


def _repository(environment: Environment) -> None:
    if isinstance(environment.workspace, GitWorkspace):
        check_url(environment.workspace.url)


def check_profile(environment: Environment) -> None:
    """Under Strict nothing that the agent writes may be this machine's own folder."""
    if environment.profile == "strict" and isinstance(environment.workspace, FolderWorkspace):
        raise InvalidInput(
            "The profile Strict does not work on a folder of this machine itself.",
            "Choose a fresh git clone as its workspace, or the profile Standard.",
            field="workspace",
        )


def check_texts(environment: Environment) -> None:
    """No engine and no program takes a NUL or half a character."""
    workspace = environment.workspace.model_dump()
    texts: dict[str, tuple[str, ...]] = {
        "base_image": (environment.base_image,),
        "agent": (environment.agent,),
        "agent_args": environment.agent_args,
        "cache_inputs": environment.cache_inputs,
        "secrets": environment.secrets,
        "mounts": environment.mounts,
        "allow_mounts": environment.allow_mounts,
        "workspace": tuple(str(value) for value in workspace.values()),
    }
    for name, values in texts.items():
        for value in values:
            if "\0" in value or not _is_unicode(value):
                raise InvalidInput(
                    f"{name} holds a character that no program can read.", "Type it again as plain text.", field=name
                )


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


FILE_CHECKS: tuple[Check, ...] = (
    _variables,
    _secrets,
    _cached_script,
    _run_script,
    _mounts,
    _ports,
    _repository,
    check_texts,
)
"""What no file should hold: a save is refused."""
TASK_CHECKS: tuple[Check, ...] = (
    check_image,
    _cached_script,
    _run_script,
    _variables,
    _secrets_and_mounts,
    _mounts,
    _ports,
    check_profile,
)
"""What would stop a task on every machine, beside the texts."""
