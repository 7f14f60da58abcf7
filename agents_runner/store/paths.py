"""Where the application keeps its files: the platform's places, or one folder named by AGENTS_RUNNER_HOME."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from agents_runner.store.files import DISK, locked, move_aside, sweep, write_atomic
from agents_runner.store.os_errors import HOME_VARIABLE, unwritable

__all__ = ["HOME_VARIABLE", "Paths"]
_APP = "agents-runner"
_INSTANCE = re.compile(r"[0-9a-f]{12}\Z")


@dataclass(frozen=True, kw_only=True)
class Paths:
    """`config` holds what a person made, `data` what the application keeps; one folder with AGENTS_RUNNER_HOME."""

    config: Path
    data: Path
    cache_folder: Path | None = None
    """What can be made again; a folder in `data` where none is named."""

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """The places for this person; `environ` instead of the process's own environment."""
        home = (os.environ if environ is None else environ).get(HOME_VARIABLE, "")
        if home:
            folder = Path(home)
            with contextlib.suppress(RuntimeError):  # `~nobody-here` is a name like any other
                folder = folder.expanduser()
            return cls(config=folder.absolute(), data=folder.absolute())
        dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
        return cls(
            config=Path(dirs.user_config_path),
            data=Path(dirs.user_data_path),
            cache_folder=Path(dirs.user_cache_path),
        )

    @property
    def cache(self) -> Path:
        return self.cache_folder or self.data / "cache"

    @property
    def environments(self) -> Path:
        return self.config / "environments"

    @property
    def trash(self) -> Path:
        return self.config / "trash"

    @property
    def damaged(self) -> Path:
        """Files of `config` that could not be used, each under a name of its own."""
        return self.config / "damaged"

    @property
    def damaged_data(self) -> Path:
        """The same for files of `data`, which may be on another disk."""
        return self.data / "damaged"

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
        """One folder a task: `log`, `prompt`, `config.json`."""
        return self.data / "tasks"

    @property
    def run(self) -> Path:
        """Control folders that are mounted into containers."""
        return self.data / "run"

    @property
    def secrets(self) -> Path:
        """Values of secrets, only where a person chose a file instead of the keyring."""
        return self.data / "secrets"

    @property
    def application_log(self) -> Path:
        """What the application says about itself; older parts of it are beside it, with a number."""
        return self.data / "application.log"

    @property
    def background_log(self) -> Path:
        """What those processes said that work on tasks, build and refresh in the background; older parts beside."""
        return self.data / "background.log"

    @property
    def window_state(self) -> Path:
        """What the window remembers over restarts."""
        return self.data / "window.json"

    @property
    def workspaces(self) -> Path:
        return self.data / "workspaces"

    @property
    def instance_file(self) -> Path:
        return self.data / "instance"

    def ensure(self) -> Paths:
        """Make the folders, private, and sweep what killed processes left. Raises StoreError where that cannot be.

        A full disk is an error only where a folder is still to be made: cleaning up must be possible on it.
        """
        for folder in (self.config, self.data, self.cache):
            _make(folder)
        for folder in (self.environments, self.tasks, self.run, self.workspaces):
            _make(folder)
            _make_private(folder)
        for folder in {self.config, self.data}:
            _try_writing(folder)
        for folder in (self.config, self.data, self.environments, self.tasks, self.backups, self.secrets):
            sweep(folder)
        return self

    def instance_id(self) -> str:
        """A random id of this set of files (12 hex digits): tells our containers from those of another."""
        found = self._read_instance()
        if found:
            return found
        with locked(self.data / "instance.lock", "folder"):
            found = self._read_instance()
            if not found:
                if self.instance_file.exists():
                    move_aside(self.instance_file, self.damaged_data)
                found = uuid.uuid4().hex[:12]
                write_atomic(self.instance_file, found.encode("ascii"))
            return found

    def _read_instance(self) -> str:
        try:
            text = self.instance_file.read_bytes().decode("ascii", "replace").strip()
        except OSError:
            return ""
        return text if _INSTANCE.match(text) else ""


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritable(folder, error) from error


def _make_private(folder: Path) -> None:
    """Prompts, logs and variables are nobody else's business, whatever made the folder."""
    with contextlib.suppress(OSError):
        if folder.stat().st_mode & 0o077 and not folder.is_symlink():
            folder.chmod(0o700)


def _try_writing(folder: Path) -> None:
    try:
        handle, temp = DISK.create(folder)
        os.close(handle)
        temp.unlink()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise unwritable(folder, error) from error
