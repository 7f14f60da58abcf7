"""Secrets of environments: set, list, delete, and their values for a task; values leave by `values_of` alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from agents_runner.core.checks import FieldProblem
from agents_runner.core.environment import Environment
from agents_runner.core.errors import InvalidInput, NotFound
from agents_runner.core.redaction import MIN_SECRET
from agents_runner.core.secrets import (
    FIELD,
    SecretGrant,
    SecretUse,
    SecretValues,
    check_secret_name,
    check_secret_value,
)
from agents_runner.runner.services import ShownSecret


class ValueStore(Protocol):
    """Where the values are; see `store.secret_values`."""

    def get(self, environment_id: str, name: str) -> str | None: ...
    def set(self, environment_id: str, name: str, value: str) -> None: ...
    def delete(self, environment_id: str, name: str) -> None: ...


class SecretEnvironments(Protocol):
    """What this needs of environments; see `runner.services.EnvironmentsPort`."""

    def get(self, name_or_id: str) -> Environment: ...
    def save(self, environment: Environment, base: Environment | None = None) -> Environment: ...
    def check(self, environment: Environment) -> tuple[FieldProblem, ...]: ...


@dataclass(frozen=True, kw_only=True)
class SecretReader:
    """The only way by which values leave: for a task or a build that is about to begin."""

    values: ValueStore

    def values_of(self, environment_id: str, grants: Iterable[SecretGrant]) -> SecretValues:
        """The values. Raises InvalidInput at `secrets` for the first one that has none."""
        found: dict[str, str] = {}
        for grant in grants:
            value = self.values.get(environment_id, grant.name)
            if value is None:
                raise InvalidInput(
                    f"The secret {grant.name} has no value.",
                    f"Set it in the environment's secrets, or with "
                    f"`agents-runner env secret set {environment_id} {grant.name}`.",
                    field=FIELD,
                )
            found[grant.name] = value
        return SecretValues(found)


@dataclass(frozen=True, kw_only=True)
class SecretService:
    """See `runner.services.SecretsPort`."""

    environments: SecretEnvironments
    values: ValueStore

    def list(self, name_or_id: str) -> tuple[ShownSecret, ...]:
        environment = self.environments.get(name_or_id)
        return tuple(
            ShownSecret(
                name=grant.name,
                stages=grant.stages,
                as_variable=grant.as_variable,
                has_value=self.values.get(environment.id, grant.name) is not None,
            )
            for grant in environment.secret_grants
        )

    def set(self, name_or_id: str, name: str, value: str, use: SecretUse | None = None) -> str:
        check_secret_name(name)
        check_secret_value(name, value)
        environment = self.environments.get(name_or_id)
        there = name in environment.secrets
        changed = _with_use(environment, name, use)
        if changed != environment:
            for problem in self.environments.check(changed):
                if problem.field == FIELD:
                    raise problem.error()
        self.values.set(environment.id, name, value)
        if changed != environment:
            with contextlib.ExitStack() as undo:
                if not there:
                    undo.callback(self.values.delete, environment.id, name)
                self.environments.save(changed, environment)
                undo.pop_all()
        if len(value) < MIN_SECRET:
            return f"The value is shorter than {MIN_SECRET} characters: it is not masked in logs."
        return ""

    def delete(self, name_or_id: str, name: str) -> None:
        environment = self.environments.get(name_or_id)
        if name not in environment.secrets:
            names = ", ".join(environment.secrets) or "none"
            raise NotFound(f"{environment.name} has no secret {name[:60]!r}.", f"Its secrets: {names}.")
        self.values.delete(environment.id, name)
        uses = {key: use for key, use in environment.secret_uses.items() if key != name}
        names_left = tuple(one for one in environment.secrets if one != name)
        changed = environment.model_copy(update={"secrets": names_left, "secret_uses": uses})
        self.environments.save(changed, environment)


def _with_use(environment: Environment, name: str, use: SecretUse | None) -> Environment:
    """With the name, and with the use if one is given; one that is there keeps its own otherwise."""
    names = environment.secrets if name in environment.secrets else (*environment.secrets, name)
    uses = environment.secret_uses if use is None else {**environment.secret_uses, name: use}
    return environment.model_copy(update={"secrets": names, "secret_uses": uses})
