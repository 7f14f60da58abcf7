"""An engine behind ssh, reached through a private unix socket that the `ssh` program forwards."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from agents_runner.core.errors import EngineUnreachable

_WAIT_S = 20.0
REMOTE_SOCKET = "/var/run/docker.sock"


class SshTunnel:
    """`ssh -NT -L` to the engine's socket; ends with `close`. Keys and hosts are the user's own ssh configuration."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise EngineUnreachable(f"{url!r} names no host.", "Write ssh://user@host.")
        self._folder = Path(tempfile.mkdtemp(prefix="agents-runner-ssh-"))
        self._socket = self._folder / "docker.sock"
        target = f"{parts.username}@{parts.hostname}" if parts.username else parts.hostname
        command = [
            "ssh",
            "-NT",
            "-o",
            "BatchMode=yes",
            "-o",
            "ExitOnForwardFailure=yes",
            "-o",
            "ServerAliveInterval=15",
        ]
        command += ["-p", str(parts.port)] if parts.port else []
        command += ["-L", f"{self._socket}:{parts.path or REMOTE_SOCKET}", "--", target]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        except FileNotFoundError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise EngineUnreachable("The ssh program is missing.", "Install OpenSSH's client.") from error
        self._await(url)

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def _await(self, url: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not self._socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                _, errors = self._process.communicate()
                self.close()
                said = errors.decode("utf-8", "replace").strip().splitlines()
                raise EngineUnreachable(
                    f"No Docker engine can be reached at {url}: {said[-1] if said else 'ssh gave no reason'}.",
                    "Try `ssh` to that host by hand; a key without a question is needed.",
                )
            time.sleep(0.02)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=2)
        shutil.rmtree(self._folder, ignore_errors=True)
