"""Environments as use cases: saved with what belongs to them, checked, imported, exported, found in a folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.core.checks import FieldProblem
from agents_runner.core.environment import Environment, FolderWorkspace
from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.results import ImportReport, Listing
from agents_runner.core.variables import remarks_on
from agents_runner.runner.ports import AgentsPort, HostsPort, SaveListener
from agents_runner.runner.secret_service import ValueStore
from agents_runner.runner.services import ImportOffer
from agents_runner.runner.tasks.plan_launch import problems_of
from agents_runner.workspace.owner import foreign_owner

log = logging.getLogger(__name__)


class EnvironmentFiles(Protocol):
    """Where environments are kept; see `store.environments.EnvironmentStore`."""

    def list(self) -> Listing: ...
    def get(self, name_or_id: str) -> Environment: ...
    def save(self, environment: Environment, base: Environment | None = None) -> Environment: ...
    def delete(self, environment_id: str) -> None: ...
    def export(self, name_or_id: str) -> str: ...
    def import_file(self, path: Path, *, name: str = "", dry_run: bool = False) -> ImportReport: ...


@dataclass(frozen=True, kw_only=True)
class EnvironmentService:
    """See `runner.services.EnvironmentsPort`. Secrets whose names or environments go lose their values with them."""

    files: EnvironmentFiles
    values: ValueStore
    hosts: HostsPort
    agents: AgentsPort
    listener: SaveListener

    def list(self) -> Listing:
        return self.files.list()

    def get(self, name_or_id: str) -> Environment:
        return self.files.get(name_or_id)

    def save(self, environment: Environment, base: Environment | None = None) -> Environment:
        before = self._secrets(environment.id)
        saved = self.files.save(environment, base)
        for name in before - set(saved.secrets):
            self._forget(saved.id, name)
        self.listener.saved(saved)
        return saved

    def delete(self, environment_id: str) -> None:
        names = self._secrets(environment_id)
        self.files.delete(environment_id)
        for name in names:
            self._forget(environment_id, name)

    def check(self, environment: Environment) -> tuple[FieldProblem, ...]:
        found = problems_of(environment, self.hosts.planning_host())
        try:
            self.agents.check(environment.agent)
        except InvalidInput as error:
            if all(error.field != one.field for one in found):
                return (*found, FieldProblem.of(error))
        return found

    def remarks(self, environment: Environment) -> tuple[str, ...]:
        found = list(remarks_on(environment.env_vars))
        if isinstance(environment.workspace, FolderWorkspace):
            notice = foreign_owner(environment.workspace.path)
            found += [notice.text] if notice is not None else []
        return tuple(found)

    def export(self, name_or_id: str) -> str:
        return self.files.export(name_or_id)

    def import_file(self, path: Path, *, name: str = "", dry_run: bool = False) -> ImportReport:
        return self.files.import_file(path, name=name, dry_run=dry_run)

    def discover(self, folder: Path) -> Sequence[ImportOffer]:
        # Imported here: the importers are a third of what a start would load.
        from agents_runner.runner import importing

        return importing.read_offers(folder)

    def _secrets(self, environment_id: str) -> set[str]:
        try:
            found = self.files.get(environment_id)
        except NotFound:
            return set()
        return set(found.secrets) if found.id == environment_id else set()

    def _forget(self, environment_id: str, name: str) -> None:
        try:
            self.values.delete(environment_id, name)
        except StoreError as error:
            # The environment is saved or gone; what is left is a value that nothing refers to.
            log.warning("the value of %s of %s could not be removed: %s", name, environment_id, error)
