"""An environment's secrets: their names, who may see them, and how their values reach a container."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from agents_runner.core.errors import InvalidInput
from agents_runner.core.secret_stages import DEFAULT_STAGES, STAGES, SecretStage
from agents_runner.core.variables import OWNED_BY_THE_SHELL, RESERVED_PREFIX

FIELD = "secrets"
SECRETS_PATH = "/run/secrets"
"""Where the files are inside a container: a file system in memory, never part of a layer."""
MAX_VALUE_BYTES = 65_536
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")


class SecretUse(BaseModel):
    """Which stages may see a secret, and whether they also get it as a variable of that name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    stages: tuple[str, ...] = DEFAULT_STAGES
    as_variable: bool = False


class SecretGrant(BaseModel):
    """One secret of a plan: a name and who may see it; never its value."""

    model_config = ConfigDict(frozen=True)

    name: str
    stages: tuple[str, ...] = DEFAULT_STAGES
    as_variable: bool = False

    def seen_by(self, stage: SecretStage) -> bool:
        return stage in self.stages


def _grant_of_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Grant = Annotated[SecretGrant, BeforeValidator(_grant_of_name)]
"""A grant; a bare name, as in older plans, has the default stages."""


class SecretValues(Mapping[str, str]):
    """Values by name. Its text form shows the names only, so that no traceback and no log holds a value."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"SecretValues({', '.join(sorted(self._values))})"


def grants_of(names: Iterable[str], uses: Mapping[str, SecretUse]) -> tuple[SecretGrant, ...]:
    """Each name with its stages in their usual order; a name without a use has the default ones."""
    default = SecretUse()
    found = ((name, uses.get(name, default)) for name in names)
    return tuple(
        SecretGrant(
            name=name, stages=tuple(stage for stage in STAGES if stage in use.stages), as_variable=use.as_variable
        )
        for name, use in found
    )


def check_secret_name(name: str) -> None:
    """Refuse what cannot be a file's and a variable's name alike. Raises InvalidInput."""
    if not _NAME.match(name):
        raise InvalidInput(
            f"{name[:60]!r} is no name for a secret.",
            "Use letters, digits and _, at most 100, and do not start with a digit.",
            field=FIELD,
        )
    if name.startswith(RESERVED_PREFIX) or name in OWNED_BY_THE_SHELL:
        raise InvalidInput(f"A secret cannot be called {name}: that name is taken.", "Choose another.", field=FIELD)


def check_secrets(grants: Iterable[SecretGrant], *, variables: Iterable[str], targets: Iterable[str]) -> None:
    """Refuse names twice, one that is a variable already, and mounts over `SECRETS_PATH`. Raises InvalidInput."""
    seen: set[str] = set()
    taken = set(variables)
    for grant in grants:
        check_secret_name(grant.name)
        if grant.name in seen:
            raise InvalidInput(f"The secret {grant.name} is there twice.", "Keep one of them.", field=FIELD)
        if grant.as_variable and grant.name in taken:
            raise InvalidInput(
                f"{grant.name} is a secret and a variable of the environment.", "Keep one of the two.", field=FIELD
            )
        seen.add(grant.name)
    for target in targets if seen else ():
        if target == SECRETS_PATH or target.startswith(SECRETS_PATH + "/"):
            raise InvalidInput(
                f"Nothing can be mounted at {target}: the environment's secrets are there.",
                "Choose another target.",
                field="mounts",
            )


def check_secret_value(name: str, value: str, *, as_variable: bool = False) -> None:
    """Refuse what cannot arrive byte for byte. Raises InvalidInput; its text never holds the value."""
    if not value:
        raise InvalidInput(f"The value of {name} is empty.", "Give it on standard input or type it.", field=FIELD)
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidInput(
            f"The value of {name} is not valid Unicode.", "Encode it, with base64 for example.", field=FIELD
        ) from None
    if "\0" in value:
        raise InvalidInput(
            f"The value of {name} holds a NUL character.", "Encode it, with base64 for example.", field=FIELD
        )
    if size > MAX_VALUE_BYTES:
        raise InvalidInput(
            f"The value of {name} is over {MAX_VALUE_BYTES // 1024} KiB.", "Mount a file.", field=FIELD
        )


def secret_input(names: Iterable[str], values: Mapping[str, str]) -> bytes:
    """What the launcher reads from its standard input: `=NAME`, the value's lines each behind `|`, and `.`."""
    text = []
    for name in names:
        text.append(f"={name}\n")
        text += [f"|{line}\n" for line in values[name].split("\n")]
        text.append(".\n")
    return "".join(text).encode("utf-8")
