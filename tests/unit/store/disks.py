"""Disks for tests: one that notes the steps of a save, one that refuses one of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from agents_runner.store.files import Disk

STEPS = ("create", "write", "sync", "rename", "sync_folder")


class NotingDisk(Disk):
    """Does everything, and notes in which order; `fails_at` names the step that is refused with `error`."""

    def __init__(self, fails_at: str = "", error: int = errno.ENOSPC) -> None:
        self.steps: list[tuple[str, str]] = []
        self._fails_at = fails_at
        self._error = error

    def _step(self, name: str, about: str = "") -> None:
        self.steps.append((name, about))
        if name == self._fails_at:
            raise OSError(self._error, os.strerror(self._error))

    def create(self, folder: Path) -> tuple[int, Path]:
        self._step("create", str(folder))
        return super().create(folder)

    def write(self, handle: int, data: bytes) -> None:
        if self._fails_at == "write":
            super().write(handle, data[: len(data) // 2])  # a full disk takes the first half
        self._step("write")
        super().write(handle, data)

    def sync(self, handle: int) -> None:
        self._step("sync")
        super().sync(handle)

    def rename(self, temp: Path, path: Path) -> None:
        self._step("rename", f"{temp.parent} {path}")
        super().rename(temp, path)

    def sync_folder(self, folder: Path) -> None:
        self._step("sync_folder", str(folder))
        super().sync_folder(folder)
