"""The settings file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from agents_runner.core.errors import InvalidInput, StoreError
from agents_runner.core.field_values import invalid_field
from agents_runner.core.merging import rebased
from agents_runner.core.migrate import file_version, model_data, model_to_json, read_settings
from agents_runner.core.results import Problem
from agents_runner.core.settings import SCHEMA, Settings
from agents_runner.store.files import DISK, Disk, locked, move_aside, write_atomic
from agents_runner.store.found_problems import FoundProblems
from agents_runner.store.jsonfile import parse_json, read_regular
from agents_runner.store.os_errors import unreadable
from agents_runner.store.paths import Paths


@dataclass(frozen=True, kw_only=True)
class SettingsStore:
    """Loads leniently, saves whole."""

    paths: Paths
    disk: Disk = DISK
    problems: FoundProblems = field(default_factory=FoundProblems)
    """What `current` found wrong."""

    def current(self) -> Settings:
        """The settings as they stand. What is wrong with their file is remembered in `problems`. Never raises."""
        settings, problems = self.load()
        self.problems.add(problems)
        return settings

    def load(self) -> tuple[Settings, tuple[Problem, ...]]:
        """The settings, and what was wrong with their file; without one the defaults. Never raises."""
        path = self.paths.settings
        try:
            data = _object(read_regular(path))
        except FileNotFoundError:
            return Settings(), ()
        except OSError as error:
            fault = unreadable(path, error)
            return Settings(), (Problem(path=str(path), message=fault.message, hint=fault.hint),)
        except InvalidInput:
            problems = self._set_aside()
            return (Settings(), problems) if problems else self.load()
        settings, notes = read_settings(data)
        return settings, tuple(Problem(path=str(path), message=note) for note in notes)

    def save(self, settings: Settings, base: Settings | None = None) -> None:
        """Write the settings, all or nothing.

        Raises InvalidInput at its field, StoreError over a newer version's file and where the disk refuses.

        `base` is what they were made from: what another process or window changed since then is kept.
        """
        try:
            settings = Settings.model_validate(model_data(settings))
        except ValidationError as error:
            raise invalid_field(error) from error
        text = model_to_json(settings)
        with self._lock():
            if settings.version > SCHEMA or self._version_there() > SCHEMA:
                raise StoreError(
                    "The settings were written by a newer version of Agents Runner; this one cannot change them.",
                    "Install the newer version.",
                )
            if base is not None and self.paths.settings.exists():
                text = model_to_json(rebased(settings, base, self._there()))
            write_atomic(self.paths.settings, text.encode("utf-8"), self.disk)

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self.paths.config / "settings.lock", "settings")

    def _version_there(self) -> int:
        """The file's version, 0 without one; one that nobody can read is moved aside, never overwritten."""
        path = self.paths.settings
        try:
            return file_version(_object(read_regular(path)))
        except FileNotFoundError:
            return 0
        except InvalidInput:
            move_aside(path, self.paths.damaged)
            return 0
        except OSError as error:
            raise unreadable(path, error) from error

    def _there(self) -> Settings:
        """What the file holds, for who has the lock and knows that it can be read."""
        return read_settings(_object(read_regular(self.paths.settings)))[0]

    def _set_aside(self) -> tuple[Problem, ...]:
        """Under the lock, and after a second look: nothing if another process has written it meanwhile."""
        path = self.paths.settings
        try:
            with self._lock():
                try:
                    _object(read_regular(path))
                except InvalidInput as error:
                    aside = move_aside(path, self.paths.damaged)
                    message = f"The settings could not be used and were moved to {aside}. {error.message}"
                    return (Problem(path=str(aside), message=message, hint="The defaults are used."),)
        except FileNotFoundError:
            return ()
        except StoreError as error:
            return (Problem(path=str(path), message=error.message, hint=error.hint),)
        except OSError as error:
            fault = unreadable(path, error)
            return (Problem(path=str(path), message=fault.message, hint=fault.hint),)
        return ()


def _object(data: bytes) -> dict[str, Any]:
    value = parse_json(data)
    if not isinstance(value, dict):
        raise InvalidInput("It is no JSON object.")
    return value
