"""Environments on disk: one JSON file each, read leniently, written whole."""

from __future__ import annotations

import builtins
import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from agents_runner.core.environment import SCHEMA, Environment, new_environment_id
from agents_runner.core.errors import InvalidInput, NotFound, StoreError
from agents_runner.core.launch import WORKSPACE_PATH
from agents_runner.core.listing import ImportReport, Listing, Problem
from agents_runner.core.migrate import Migrated, read_environment
from agents_runner.core.mounts import check_mounts, parse_mount
from agents_runner.core.ports import parse_ports
from agents_runner.core.scripts import check_script
from agents_runner.core.variables import check_variables
from agents_runner.store.files import move_aside, sweep, write_atomic
from agents_runner.store.paths import Paths, unwritable

_LOCK_S = 10


def environment_to_json(environment: Environment) -> str:
    """The one serialiser: fields in their order, then what we do not know."""
    try:
        return json.dumps(environment.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    except (ValueError, UnicodeEncodeError) as error:
        raise InvalidInput("The environment holds text that is not valid Unicode.", "Type it again.") from error


def parse_json(data: bytes) -> Any:
    """JSON of any kind. Raises InvalidInput with the line."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"It is not UTF-8 text (line {line}).", "Choose a JSON file.") from error
    except json.JSONDecodeError as error:
        raise InvalidInput(f"It is not JSON (line {error.lineno}: {error.msg}).", "Choose a JSON file.") from error
    except RecursionError as error:
        raise InvalidInput("It is nested too deeply.", "Choose another file.") from error


@dataclass(frozen=True, kw_only=True)
class EnvironmentStore:
    """See `runner.services.EnvironmentsPort`."""

    paths: Paths

    def list(self) -> Listing:
        found: list[Migrated] = []
        problems: list[Problem] = []
        sweep(self.paths.environments)
        for path in sorted(self.paths.environments.glob("*.json")):
            try:
                found.append(self._read(path))
            except InvalidInput as error:
                problems.append(self._set_aside(path, error))
            except OSError as error:
                message = f"{path.name} cannot be read: {error.strerror}."
                problems.append(Problem(path=str(path), message=message, hint="Check its rights."))
        found.sort(key=lambda one: (one.environment.name.casefold(), one.environment.id))
        return Listing(
            environments=tuple(one.environment for one in found),
            problems=tuple(problems),
            notes=tuple(note for one in found for note in one.notes),
            read_only=frozenset(one.environment.id for one in found if one.newer),
        )

    def get(self, name_or_id: str) -> Environment:
        environments = self.list().environments
        for environment in environments:
            if environment.id == name_or_id:
                return environment
        named = [environment for environment in environments if environment.name == name_or_id]
        if len(named) > 1:
            ids = ", ".join(environment.id for environment in named)
            raise NotFound(f"{len(named)} environments are called {name_or_id!r}.", f"Name one by its id: {ids}.")
        if named:
            return named[0]
        names = [environment.name for environment in environments]
        near = difflib.get_close_matches(name_or_id, names, 3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`agents-runner env list` shows all."
        raise NotFound(f"There is no environment {name_or_id!r}.", hint)

    def save(self, environment: Environment) -> Environment:
        check_environment(environment)
        path = self._path(environment.id)
        with self._locked():
            self._refuse_newer(path, environment)
            write_atomic(path, environment_to_json(environment).encode("utf-8"))
        return environment

    def delete(self, environment_id: str) -> None:
        path = self._path(environment_id)
        if not path.exists():
            raise NotFound(f"There is no environment {environment_id!r}.")
        move_aside(path, self.paths.trash)

    def export(self, name_or_id: str) -> str:
        return environment_to_json(self.get(name_or_id))

    def import_file(self, path: Path) -> ImportReport:
        """One environment, a list of them, or an object with the list `environments`."""
        try:
            data = parse_json(path.read_bytes())
        except OSError as error:
            raise NotFound(f"{path} cannot be read: {error.strerror}.", "Check its name and rights.") from error
        except InvalidInput as error:
            raise InvalidInput(f"{path.name} cannot be imported. {error.message}", error.hint) from error
        entries = _entries(data)
        if not entries:
            raise InvalidInput(f"{path.name} holds no environment.", "Choose a file that `env export` wrote.")
        taken = {environment.id for environment in self.list().environments}
        saved: list[Environment] = []
        notes: list[str] = []
        problems: list[Problem] = []
        for number, entry in enumerate(entries, start=1):
            try:
                saved.append(self._import_one(entry, taken, notes))
            except InvalidInput as error:
                problems.append(Problem(path=str(path), message=f"Entry {number}: {error.message}", hint=error.hint))
        return ImportReport(environments=tuple(saved), notes=tuple(notes), problems=tuple(problems))

    # -- helpers -----------------------------------------------------------------------------------

    def _path(self, environment_id: str) -> Path:
        return self.paths.environments / f"{environment_id}.json"

    def _locked(self) -> FileLock:
        lock = FileLock(self.paths.config / "environments.lock", timeout=_LOCK_S)
        try:
            lock.acquire()
        except Timeout as error:
            raise StoreError("Another process holds the environments for too long.", "Try again.") from error
        except OSError as error:
            raise unwritable(self.paths.config, error) from error
        return lock

    def _read(self, path: Path) -> Migrated:
        data = path.read_bytes()
        parsed = parse_json(data)
        if not isinstance(parsed, dict) or not (parsed.keys() & {"id", "env_id", "name", "preflight_script"}):
            raise InvalidInput("It is no environment.", "Import it, if it holds several.")
        migrated = read_environment(parsed)
        if migrated.changed:
            self._rewrite(path, data, migrated)
        return migrated

    def _rewrite(self, path: Path, data: bytes, migrated: Migrated) -> None:
        """Today's form, after a backup; what cannot be written stays as it is and is read leniently again."""
        text = environment_to_json(migrated.environment).encode("utf-8")
        write_atomic(self.paths.backups / path.name, data)
        write_atomic(self._path(migrated.environment.id), text)
        if self._path(migrated.environment.id) != path:
            move_aside(path, self.paths.backups)

    def _set_aside(self, path: Path, error: InvalidInput) -> Problem:
        target = move_aside(path, self.paths.damaged)
        return Problem(
            path=str(target),
            message=f"{path.name} cannot be used and was moved to {target}. {error.message}",
            hint="Mend it and import it again.",
        )

    def _refuse_newer(self, path: Path, environment: Environment) -> None:
        newer = environment.version > SCHEMA
        if path.exists() and not newer:
            try:
                on_disk = parse_json(path.read_bytes())
            except (OSError, InvalidInput):
                on_disk = None
            version = on_disk.get("version") if isinstance(on_disk, dict) else None
            newer = isinstance(version, int) and version > SCHEMA
        if newer:
            raise StoreError(
                f"{environment.name} was written by a newer version of Agents Runner; this one cannot change it.",
                "Install the newer version, or make a copy of it.",
            )

    def _import_one(self, entry: object, taken: set[str], notes: builtins.list[str]) -> Environment:
        if not isinstance(entry, dict):
            raise InvalidInput("is no environment.", "Each entry is a JSON object.")
        migrated = read_environment(entry)
        environment = migrated.environment
        notes.extend(migrated.notes)
        if migrated.newer:
            notes.append(f"{environment.name}: written by a newer version; only what this one knows is used.")
            environment = environment.model_copy(update={"version": SCHEMA})
        if environment.id in taken:
            old = environment.id
            environment = environment.model_copy(update={"id": new_environment_id(environment.name)})
            notes.append(f"{environment.name}: there is an environment {old} already; this one is {environment.id}.")
        # What would stop a task is said when it is run or edited: an import takes everything over.
        write_atomic(self._path(environment.id), environment_to_json(environment).encode("utf-8"))
        taken.add(environment.id)
        return environment


def _entries(data: object) -> list[object]:
    if isinstance(data, list):
        return data
    if isinstance(data, dict):
        inner = data.get("environments")
        if isinstance(inner, list):
            return inner
        if isinstance(inner, dict):
            return list(inner.values())
        return [data] if data.keys() & {"id", "env_id", "name", "preflight_script"} else []
    return []


def check_environment(environment: Environment) -> None:
    """What no file should hold. Raises InvalidInput at the first field that is wrong."""
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_variables(environment.env_vars),
        lambda: check_script(environment.cached_preflight_script, "cached_preflight_script"),
        lambda: check_script(environment.run_preflight_script, "run_preflight_script"),
        lambda: check_mounts([parse_mount(text) for text in environment.mounts], WORKSPACE_PATH),
        lambda: parse_ports(environment.ports),
    )
    for check in checks:
        check()
