"""Where the application keeps its files: the platform's places, or one folder named by AGENTS_RUNNER_HOME."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from agents_runner.core.errors import StoreError

HOME_VARIABLE = "AGENTS_RUNNER_HOME"
_APP = "agents-runner"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """`config` holds what a person made, `data` what the application keeps; one folder with AGENTS_RUNNER_HOME."""

    config: Path
    data: Path

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> Paths:
        home = (os.environ if environ is None else environ).get(HOME_VARIABLE, "")
        if home:
            folder = Path(home).expanduser().absolute()
            return cls(config=folder, data=folder)
        dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
        return cls(config=Path(dirs.user_config_path), data=Path(dirs.user_data_path))

    @property
    def environments(self) -> Path:
        return self.config / "environments"

    @property
    def trash(self) -> Path:
        return self.config / "trash"

    @property
    def damaged(self) -> Path:
        return self.config / "damaged"

    @property
    def backups(self) -> Path:
        return self.config / "backups"

    @property
    def settings(self) -> Path:
        return self.config / "settings.json"

    @property
    def database(self) -> Path:
        return self.data / "tasks.sqlite3"

    @property
    def tasks(self) -> Path:
        return self.data / "tasks"

    @property
    def run(self) -> Path:
        """Control folders that are mounted into containers."""
        return self.data / "run"

    @property
    def workspaces(self) -> Path:
        return self.data / "workspaces"

    def ensure(self) -> Paths:
        """Make the folders, private. Raises StoreError where that cannot be."""
        for folder in (self.config, self.data, self.environments, self.tasks, self.run, self.workspaces):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise unwritable(folder, error) from error
        if not os.access(self.config, os.W_OK) or not os.access(self.data, os.W_OK):
            raise StoreError(
                f"The application's folder {self.config} cannot be written.",
                f"Give yourself the right to write there, or set {HOME_VARIABLE} to another folder.",
            )
        return self

    def instance_id(self) -> str:
        """A random id of this set of files: tells our containers from those of another."""
        path = self.data / "instance"
        try:
            return path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            pass
        value = uuid.uuid4().hex[:12]
        try:
            with path.open("x", encoding="ascii") as file:
                file.write(value)
        except FileExistsError:
            return path.read_text("ascii").strip()
        except OSError as error:
            raise unwritable(path, error) from error
        return value


def unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written: {error.strerror or error}.",
        f"Free some space or give yourself the right to write there; {HOME_VARIABLE} chooses another folder.",
    )
