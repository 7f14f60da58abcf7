"""Keyrings for tests: one in a file, for processes of their own, and ones that fail in the ways of real ones."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

FILE = "AGENTS_RUNNER_TEST_KEYRING"


def ring_environment(folder: Path) -> dict[str, str]:
    """Variables with which a process keeps its secrets in a file of that folder."""
    return {
        "PYTHON_KEYRING_BACKEND": "tests.support.rings.FileRing",
        FILE: str(folder / "test-keyring.json"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


class MemoryRing(KeyringBackend):
    priority = -1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get(f"{service}\n{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[f"{service}\n{username}"] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop(f"{service}\n{username}", None) is None:
            raise PasswordDeleteError("not there")


class FileRing(MemoryRing):
    def __init__(self) -> None:
        super().__init__()
        self._path = Path(os.environ.get(FILE, os.devnull))
        if self._path.is_file():
            self.kept = json.loads(self._path.read_text())

    def set_password(self, service: str, username: str, password: str) -> None:
        super().set_password(service, username, password)
        self._path.write_text(json.dumps(self.kept))

    def delete_password(self, service: str, username: str) -> None:
        super().delete_password(service, username)
        self._path.write_text(json.dumps(self.kept))


class LockedRing(MemoryRing):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("not unlocked: the-value-itself")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked(f"not unlocked: {password}")


class HungRing(MemoryRing):
    """Answers once `answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        assert self.answer.wait(60)
        return super().get_password(service, username)


class ForgetfulRing(MemoryRing):
    def set_password(self, service: str, username: str, password: str) -> None:
        pass
