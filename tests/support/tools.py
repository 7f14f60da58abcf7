"""What a task works with where a test starts it by itself: files below one folder, and nobody's logins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents_runner.containers.cancellation import Cancellation, NeverCancelled
from agents_runner.containers.control_folder import ControlFolders
from agents_runner.engine.port import Engine
from agents_runner.runner.tasks.tools import Tools


class NoLogins:
    """A `LoginPort` of somebody who is logged in nowhere."""

    def read(self, _path: str) -> bytes | None:
        return None

    def refreshed(self, _agent: str, _target: str, _path: str, _old: bytes, _new: bytes) -> None:
        raise AssertionError("nothing was given that could come back")


class NoUses:
    """An `ImageUsePort` that forgets."""

    def started(self, _tag: str, _environment_id: str) -> None:
        return


def plain_tools(engine: Engine, folder: Path, cancel: Cancellation | None = None, **more: Any) -> Tools:
    """`more` are further fields of `Tools`."""
    return Tools(
        engine=engine,
        control=ControlFolders(root=folder / "run", local=True),
        cancel=cancel or NeverCancelled(),
        workspaces=folder / "work",
        **({"logins": NoLogins(), "uses": NoUses()} | more),
    )
