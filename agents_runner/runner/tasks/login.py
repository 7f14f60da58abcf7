"""Taking back a login that an agent refreshed, where its rule allows it: the old token may be void by then."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents_runner.agents.refresh import accept_refresh
from agents_runner.containers.session import Session
from agents_runner.core.errors import EngineError
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.runner.ports import LoginPort

log = logging.getLogger(__name__)


class HostLogins:
    """See `runner.ports.LoginPort`."""

    def read(self, path: str) -> bytes | None:
        try:
            return Path(path).read_bytes()
        except OSError:
            return None

    def refreshed(self, agent: str, target: str, path: str, old: bytes, new: bytes) -> None:
        write_refreshed(agent, target, path, old, new)


@dataclass(kw_only=True)
class LoginCopies:
    """The login files of one task's agent: what it is given, and what it has at its end."""

    logins: LoginPort
    agent: AgentLaunch | None
    _given: dict[str, bytes] = field(default_factory=dict)

    def read(self) -> Mapping[str, bytes]:
        """The login files that the agent is to be given as they stand now, by their place below the home folder."""
        paths = self.agent.login if self.agent else {}
        found = {target: self.logins.read(path) for target, path in paths.items()}
        self._given = {target: data for target, data in found.items() if data is not None}
        return self._given

    def take_back(self, session: Session, home: str) -> None:
        """Hand over what the agent made of them, once its container has ended. Never fails a task."""
        for target, old in self._given.items() if self.agent else ():
            new = None
            with contextlib.suppress(EngineError):
                new = session.read(f"{home}/{target}")
            if new is not None and new != old and self.agent:
                self.logins.refreshed(self.agent.name, target, self.agent.login[target], old, new)


def write_refreshed(agent: str, target_path: str, host_path: str, old: bytes, new: bytes) -> None:
    """Replace the host's login file, whole and with its mode, if it still is what the container was given.

    `target_path` is the file's place below the home folder: the rule goes by it, wherever the host keeps the file.
    """
    if not accept_refresh(target_path, old, new):
        return
    target = Path(host_path)
    try:
        if target.read_bytes() != old:
            return  # refreshed by somebody else meanwhile: theirs counts
        mode = target.stat().st_mode & 0o777
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except OSError as error:
        log.warning("the refreshed login of %s could not be kept: %s", agent, error)
