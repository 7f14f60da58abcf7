"""Registry logins from Docker's own configuration: a helper that is missing, fails or hangs costs at most seconds."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import Any

import docker
from docker import auth
from docker.credentials import Store
from docker.credentials.constants import PROGRAM_PREFIX
from docker.credentials.errors import StoreError, process_store_error

HELPER_S = 10.0
"""Seconds that a credential helper may take; one may be asking a person for a password behind other windows."""


class PatientStore(Store):
    """A credential helper with an end: docker-py waits for it for ever."""

    def __init__(self, program: str, environment: dict[str, str] | None, seconds: float) -> None:
        # Not by the parent's own: for a program that is missing it prints a warning.
        self.program = PROGRAM_PREFIX + program
        self.exe = shutil.which(self.program)
        self.environment = environment
        self._seconds = seconds

    def _execute(self, subcmd: str, data_input: bytes | None) -> bytes:
        if self.exe is None:
            raise StoreError(f"{self.program} is not installed")
        env = {**os.environ, **(self.environment or {})}
        # A session of its own: what the helper started ends with it, and so lets go of its output.
        with subprocess.Popen(
            [self.exe, subcmd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        ) as helper:
            try:
                output, _ = helper.communicate(data_input, timeout=self._seconds)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(OSError):
                    os.killpg(helper.pid, signal.SIGKILL)
                raise StoreError(f"{self.program} did not answer within {self._seconds:g} s") from None
        if helper.returncode:
            failed = subprocess.CalledProcessError(helper.returncode, subcmd, output)
            raise process_store_error(failed, self.program)
        return output


class Logins(auth.AuthConfig):
    """Docker's logins; a helper's failure is kept in `trouble`, and the registry is asked without a login."""

    def __init__(self, found: Any, seconds: float = HELPER_S) -> None:
        self._environment: dict[str, str] | None = getattr(found, "_credstore_env", None)
        super().__init__(dict(found), self._environment)
        self._seconds = seconds
        self.trouble = ""

    def _get_store_instance(self, name: str) -> PatientStore:
        return PatientStore(name, self._environment, self._seconds)

    def _resolve_authconfig_credstore(self, registry: str, credstore_name: str) -> Any:
        self.trouble = ""
        try:
            parent: Any = super()  # its types leave this method out
            return parent._resolve_authconfig_credstore(registry, credstore_name)
        except (docker.errors.DockerException, OSError, ValueError, KeyError, TypeError) as error:
            cause = error.__cause__ or error
            self.trouble = f"docker-credential-{credstore_name} gave no login: {cause}"
            return None


def with_patience(client: Any, seconds: float = HELPER_S) -> Logins:
    """Have this docker.APIClient ask helpers for no longer than `seconds`."""
    logins = Logins(client._auth_configs, seconds)
    client._auth_configs = logins
    return logins


def login_header(client: Any, ref: str) -> tuple[dict[str, str], str]:
    """The header for the registry of an image's name (none without a login), and what was wrong with the helper."""
    registry, _ = auth.resolve_repository_name(ref)
    header = auth.get_config_header(client, registry)
    trouble = getattr(client._auth_configs, "trouble", "")
    return ({"X-Registry-Auth": header.decode() if isinstance(header, bytes) else header} if header else {}), trouble
