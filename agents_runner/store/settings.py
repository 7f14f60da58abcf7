"""The settings file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agents_runner.core.errors import InvalidInput, StoreError
from agents_runner.core.listing import Problem
from agents_runner.core.settings import SCHEMA, Settings
from agents_runner.store.environments import parse_json
from agents_runner.store.files import move_aside, write_atomic
from agents_runner.store.paths import Paths


@dataclass(frozen=True, kw_only=True)
class SettingsStore:
    """Loads leniently, saves whole."""

    paths: Paths

    def load(self) -> tuple[Settings, tuple[Problem, ...]]:
        """The settings, and what was wrong with their file; without one the defaults."""
        path = self.paths.settings
        try:
            data = _object(path.read_bytes())
        except FileNotFoundError:
            return Settings(), ()
        except OSError as error:
            return Settings(), (Problem(path=str(path), message=f"The settings cannot be read: {error.strerror}."),)
        except InvalidInput as error:
            aside = move_aside(path, self.paths.damaged)
            message = f"The settings could not be used and were moved to {aside}. {error.message}"
            return Settings(), (Problem(path=str(aside), message=message, hint="The defaults are used."),)
        return self._validated(data)

    def _validated(self, data: dict[str, Any]) -> tuple[Settings, tuple[Problem, ...]]:
        problems: list[Problem] = []
        kept: dict[str, Any] = dict(data.get("invalid_values") or {}) if isinstance(data, dict) else {}
        while True:
            try:
                return Settings.model_validate(data | ({"invalid_values": kept} if kept else {})), tuple(problems)
            except ValidationError as error:
                name = str(error.errors()[0]["loc"][0])
                kept[name] = data.pop(name)
                message = f"The setting {name} cannot be used ({error.errors()[0]['msg']}); the default is used."
                problems.append(Problem(path=str(self.paths.settings), message=message))

    def save(self, settings: Settings) -> None:
        """Raises StoreError for settings of a newer version and where the disk refuses."""
        if settings.version > SCHEMA:
            raise StoreError(
                "The settings were written by a newer version of Agents Runner.", "Install the newer version."
            )
        text = json.dumps(settings.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        write_atomic(self.paths.settings, text.encode("utf-8"))


def _object(data: bytes) -> dict[str, Any]:
    value = parse_json(data)
    if not isinstance(value, dict):
        raise InvalidInput("It is no JSON object.")
    return value
