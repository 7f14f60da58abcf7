"""What a person needs to know before the first run: the engine, git, the agents' logins, our own folders."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.engine.port import EngineFactory
from agents_runner.runner.services import Check, DiagnosticsPort


class FoldersPort(Protocol):
    """The application's own folders."""

    def check(self) -> Path:
        """Make sure that they can be written, and name the one that holds the data. Raises StoreError."""
        ...


def run_doctor(
    *,
    engine: EngineFactory,
    folders: FoldersPort,
    agent_logins: Iterable[tuple[str, bool, str]],
    diagnostics: DiagnosticsPort,
) -> tuple[Check, ...]:
    """Every check of the doctor's report, in its order. Never raises."""
    checks = [_python(), _engine(engine), _folders(folders), *_files(diagnostics), _git()]
    checks += [
        Check(name=f"agent {name}", ok=True if found else None, text=text) for name, found, text in agent_logins
    ]
    return tuple(checks)


def _python() -> Check:
    return Check(name="python", ok=True, text=sys.version.split()[0])


def _engine(engine: EngineFactory) -> Check:
    try:
        info = engine().info()
    except AgentsRunnerError as error:
        return Check(name="engine", ok=False, text=error.message, hint=error.hint)
    where = "this machine" if info.local else "another machine: folders of this one cannot be mounted"
    return Check(
        name="engine",
        ok=True,
        text=f"Docker {info.version} (API {info.api}, {info.platform}) at {info.endpoint}, {where}.",
    )


def _folders(folders: FoldersPort) -> Check:
    try:
        return Check(name="folders", ok=True, text=f"{folders.check()} can be written.")
    except AgentsRunnerError as error:
        return Check(name="folders", ok=False, text=error.message, hint=error.hint)


def _files(diagnostics: DiagnosticsPort) -> list[Check]:
    """What is wrong with our files, one line each; what was set aside; where the logs are."""
    checks = [Check(name="files", ok=False, text=one.message, hint=one.hint) for one in diagnostics.look()] or [
        Check(name="files", ok=True, text="Settings, environments and tasks can be read.")
    ]
    aside = diagnostics.aside()
    if aside:
        names = ", ".join(str(path) for path in aside[-3:])
        checks.append(
            Check(
                name="files set aside",
                ok=None,
                text=f"{len(aside)} that could not be used, the last ones: {names}.",
                hint="Remove them when you do not need them any more.",
            )
        )
    return [
        *checks,
        Check(name="log", ok=True, text=str(diagnostics.log_file)),
        Check(name="background log", ok=True, text=str(diagnostics.background_log)),
    ]


def _git() -> Check:
    path = shutil.which("git")
    if path:
        return Check(name="git", ok=True, text=path)
    return Check(name="git", ok=None, text="not found.", hint="Install git to work on clones.")
