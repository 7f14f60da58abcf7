"""Environments on disk: one JSON file each, read leniently, written whole."""

from __future__ import annotations

import builtins
import contextlib
import difflib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents_runner.core.checks import check_file
from agents_runner.core.environment import SCHEMA, Environment, GitWorkspace, new_environment_id
from agents_runner.core.errors import AgentsRunnerError, InvalidInput, NotFound, StoreError
from agents_runner.core.field_values import checked_environment
from agents_runner.core.merging import rebased
from agents_runner.core.migrate import (
    Migrated,
    environment_to_json,
    looks_like_environment,
    model_data,
    read_environment,
)
from agents_runner.core.profile import OFFER
from agents_runner.core.repository_url import holds_credentials, shown_fields
from agents_runner.core.results import ImportReport, Listing, Problem
from agents_runner.store.files import DISK, Disk, back_up, locked, move_aside, write_atomic
from agents_runner.store.found_problems import FoundProblems
from agents_runner.store.jsonfile import parse_json, read_regular
from agents_runner.store.os_errors import unreadable
from agents_runner.store.paths import Paths

__all__ = ["EnvironmentStore", "environment_to_json"]
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class _Scan:
    """What a look at the folder found: the environments with their files, and what was wrong."""

    files: list[tuple[Path, Migrated]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def place(self, environment_id: str) -> tuple[Path, Migrated] | None:
        """The file of an id; of two with the same, the one that is called so."""
        found = [one for one in self.files if one[1].environment.id == environment_id]
        return next((one for one in found if one[0].stem == environment_id), found[0] if found else None)

    def chosen(self) -> Iterator[Migrated]:
        """One for each id; the others' files become problems."""
        for path, migrated in self.files:
            kept = self.place(migrated.environment.id)
            if kept is None or kept[0] == path:
                yield migrated
                continue
            message = f"{path.name} has the same id as {kept[0].name} ({migrated.environment.id}) and is not used."
            hint = "Import it to have it as an environment of its own, or remove it."
            self.problems.append(Problem(path=str(path), message=message, hint=hint))


@dataclass(frozen=True, kw_only=True)
class EnvironmentStore:
    """See `runner.services.EnvironmentsPort`. Safe from every thread and with other processes."""

    paths: Paths
    disk: Disk = DISK
    problems: FoundProblems = field(default_factory=FoundProblems)
    """What any look at the folder found wrong."""

    def list(self) -> Listing:
        """All that can be used, by name. Older files are written anew after a backup, damaged ones moved aside."""
        scan = self._scan()
        found = sorted(scan.chosen(), key=lambda one: (one.environment.name.casefold(), one.environment.id))
        self.problems.add(scan.problems)
        return Listing(
            environments=tuple(one.environment for one in found),
            problems=tuple(scan.problems),
            notes=tuple(note for one in found for note in (*one.notes, *_credentials(one.environment))),
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
        raise _not_found(name_or_id, environments)

    def save(self, environment: Environment, base: Environment | None = None) -> Environment:
        """Write it whole; returns what was written. Raises InvalidInput at its field, StoreError.

        `base` is what it was made from: what another process or window changed since then is kept.
        """
        environment = checked_environment(model_data(environment))
        check_file(environment)
        text = environment_to_json(environment)
        with self._lock():
            scan = self._scan(holding=True)
            old = scan.place(environment.id)
            if environment.version > SCHEMA or (old is not None and old[1].newer):
                raise StoreError(
                    f"{environment.name} was written by a newer version of Agents Runner; this one cannot change it.",
                    "Install the newer version, or import its file to have a copy.",
                )
            if base is not None and old is not None and old[1].environment != base:
                environment = checked_environment(model_data(rebased(environment, base, old[1].environment)))
                check_file(environment)
                text = environment_to_json(environment)
            self._write(old[0] if old else self._new_place(environment.id, scan), text)
        return environment

    def delete(self, environment_id: str) -> None:
        with self._lock():
            scan = self._scan(holding=True)
            found = scan.place(environment_id)
            if found is None:
                raise _not_found(environment_id, tuple(one.environment for _, one in scan.files))
            move_aside(found[0], self.paths.trash)

    def export(self, name_or_id: str) -> str:
        """An environment's file as text, by id or name, without credentials in an address. Raises NotFound."""
        environment = self.get(name_or_id)
        shown = shown_fields(model_data(environment))
        return environment_to_json(environment.model_copy(update={"workspace": checked_environment(shown).workspace}))

    def import_file(self, path: Path, *, name: str = "", dry_run: bool = False) -> ImportReport:
        """One environment, a list of them, or an object with the list `environments`.

        `name` is for a file of one; a dry run reports the same and writes nothing.

        Nothing is overwritten: one whose id is taken gets a new id, and a note says so. Entries that cannot be read
        are problems of the report. Raises NotFound, InvalidInput with the line, StoreError.
        """
        try:
            data = parse_json(read_regular(path))
        except OSError as error:
            raise NotFound(f"{path} cannot be read: {error.strerror}.", "Check its name and rights.") from error
        except InvalidInput as error:
            raise InvalidInput(f"{path.name} cannot be imported. {error.message}", error.hint) from error
        entries = [data] if looks_like_environment(data) else _entries(data)
        if not entries:
            raise InvalidInput(f"{path.name} holds no environment.", "Choose a file that `env export` wrote.")
        if name:
            if len(entries) != 1 or not looks_like_environment(entries[0]):
                raise InvalidInput(f"{path.name} does not hold one environment.", "Import it without a new name.")
            entries = [{**entries[0], "name": name}]
        with self._lock():
            return self._import(entries, path, self._scan(holding=True), dry_run=dry_run)

    # -- reading -----------------------------------------------------------------------------------

    def _scan(self, *, holding: bool = False) -> _Scan:
        """Look at every file; `holding` says that the caller has the lock."""
        scan = _Scan()
        try:
            paths = sorted(path for path in self.paths.environments.iterdir() if path.name.endswith(".json"))
        except FileNotFoundError:
            return scan
        except OSError as error:
            raise unreadable(self.paths.environments, error) from error
        odd: list[tuple[Path, Migrated | None]] = []
        for path in paths:
            try:
                migrated = _read(path)[1]
                if migrated.changed:
                    odd.append((path, migrated))
                else:
                    scan.files.append((path, migrated))
            except InvalidInput:
                odd.append((path, None))
            except FileNotFoundError:
                continue  # another process was quicker
            except OSError as error:
                scan.problems.append(_problem(path, unreadable(path, error)))
        # Those that are no environment come last: one may hold several, whose ids must not be taken by then.
        for path, first in sorted(odd, key=lambda one: one[1] is None):
            self._repair(path, first, scan, holding=holding)
        self.problems.add(scan.problems)
        return scan

    def _repair(self, path: Path, first: Migrated | None, scan: _Scan, *, holding: bool) -> None:
        """Under the lock, and after a second look: bring an older file up to date, move a damaged one aside.

        `first` is what the first look made of it: on a disk that cannot be written, it is used as it is.
        """
        try:
            with contextlib.nullcontext() if holding else self._lock():
                try:
                    data, migrated = _read(path)
                except InvalidInput as error:
                    first = None
                    self._split_or_set_aside(path, error, scan)
                    return
                first = migrated
                if migrated.changed:
                    backup = back_up(path, self.paths.backups, data)
                    self._write(path, environment_to_json(migrated.environment))
                    log.info("%s was of an older form and is written anew; %s is as it was", path, backup)
        except FileNotFoundError:
            return
        except (StoreError, InvalidInput) as error:
            scan.problems.append(_problem(path, error))
        except OSError as error:
            scan.problems.append(_problem(path, unreadable(path, error)))
        if first is not None:
            scan.files.append((path, first))

    def _split_or_set_aside(self, path: Path, error: InvalidInput, scan: _Scan) -> None:
        """A file of several environments becomes several files; anything else that is none is moved aside."""
        with contextlib.suppress(InvalidInput):
            data = read_regular(path)
            entries = _entries(parse_json(data))
            if any(looks_like_environment(entry) for entry in entries):
                backup = back_up(path, self.paths.backups, data)
                report = self._import(entries, path, scan)
                path.unlink()
                log.info("%s held %s environments; %s is as it was", path, len(report.environments), backup)
                scan.problems.extend(report.problems)
                return
        target = move_aside(path, self.paths.damaged)
        message = f"{path.name} cannot be used and was moved to {target}. {error.message}"
        scan.problems.append(Problem(path=str(target), message=message, hint="Mend it and import it again."))

    # -- writing -----------------------------------------------------------------------------------

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return locked(self.paths.config / "environments.lock", "environments")

    def _write(self, path: Path, text: str) -> None:
        write_atomic(path, text.encode("utf-8"), self.disk)

    def _new_place(self, environment_id: str, scan: _Scan) -> Path:
        """A file name that is free. One that is taken by a file nobody can read or move stays as it is."""
        path = self.paths.environments / f"{environment_id}.json"
        if not os.path.lexists(path):
            return path
        if all(path != taken for taken, _ in scan.files):
            raise StoreError(
                f"{path} is there, but cannot be read; it is not overwritten.", "Check its rights, or move it away."
            )
        return self.paths.environments / f"{new_environment_id(environment_id)}.json"

    def _import(self, entries: builtins.list[Any], path: Path, scan: _Scan, *, dry_run: bool = False) -> ImportReport:
        """All entries that are environments, or none if the disk refuses one."""
        before, problems = len(scan.files), []
        try:
            for number, entry in enumerate(entries, start=1):
                if looks_like_environment(entry):
                    self._import_one(entry, path, scan, dry_run=dry_run)
                else:
                    message = f"Entry {number} of {path.name} is no environment."
                    problems.append(Problem(path=str(path), message=message, hint="It was left out."))
        except AgentsRunnerError:
            for written, _ in [] if dry_run else scan.files[before:]:
                written.unlink(missing_ok=True)
            del scan.files[before:]
            raise
        made = [migrated for _, migrated in scan.files[before:]]
        return ImportReport(
            environments=tuple(one.environment for one in made),
            notes=tuple(note for one in made for note in one.notes),
            problems=tuple(problems),
        )

    def _import_one(self, entry: Mapping[str, Any], path: Path, scan: _Scan, *, dry_run: bool = False) -> None:
        migrated = read_environment(entry)
        environment, notes = migrated.environment, list(migrated.notes)
        if migrated.newer:
            notes.append(f"{environment.name}: written by a newer version; only what this one knows is used.")
            environment = environment.model_copy(update={"version": SCHEMA})
        # Without case: two such files would be one on some file systems.
        taken = {one.environment.id.casefold() for file, one in scan.files if file != path}
        if environment.id.casefold() in taken:
            old = environment.id
            environment = environment.model_copy(update={"id": new_environment_id(environment.name)})
            notes.append(f"{environment.name}: there is an environment {old} already; this one is {environment.id}.")
        if environment.profile_from_before:
            notes.append(f"{environment.name}: {OFFER}")
        if environment.allow_mounts:
            # Somebody else's file must not say what this person allows.
            allowed = ", ".join(environment.allow_mounts)
            environment = environment.model_copy(update={"allow_mounts": ()})
            notes.append(f"{environment.name}: the allowed mount sources are not taken over ({allowed}).")
        # Taken over as it is: what would stop a task is said now, and again when it is edited or run.
        try:
            check_file(environment)
        except InvalidInput as error:
            notes.append(f"{environment.name}: {error.message} {error.hint}".rstrip())
        place = self._new_place(environment.id, scan)
        if not dry_run:
            self._write(place, environment_to_json(environment))
        scan.files.append((place, Migrated(environment=environment, notes=tuple(notes))))


def _read(path: Path) -> tuple[bytes, Migrated]:
    """One file's bytes and its environment. Raises InvalidInput where it is none, OSError."""
    data = read_regular(path)
    parsed = parse_json(data)
    if not looks_like_environment(parsed):
        raise InvalidInput("It is no environment.", "Import it, if it holds several.")
    return data, read_environment(parsed, fallback_id=path.stem)


def _problem(path: Path, error: AgentsRunnerError) -> Problem:
    return Problem(path=str(path), message=error.message, hint=error.hint)


def _entries(data: object) -> list[Any]:
    inner = data.get("environments") if isinstance(data, dict) else data
    if isinstance(inner, dict):
        return list(inner.values())
    return inner if isinstance(inner, list) else []


def _not_found(wanted: str, environments: tuple[Environment, ...]) -> NotFound:
    names = {text.casefold(): one.name for one in environments for text in (one.id, one.name)}
    close = difflib.get_close_matches(wanted.casefold()[:300], names, 3)
    near = list(dict.fromkeys(repr(names[text]) for text in close))
    hint = f"Did you mean {' or '.join(near)}?" if near else "`agents-runner env list` shows all."
    return NotFound(f"There is no environment {wanted!r}.", hint)


def _credentials(environment: Environment) -> Iterator[str]:
    """Said of a file that holds what no file should: it was written by hand, or before that was refused."""
    workspace = environment.workspace
    if isinstance(workspace, GitWorkspace) and holds_credentials(workspace.url):
        yield f"{environment.name}: its repository's address holds a password or token. Take it out of there."
