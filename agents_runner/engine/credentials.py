"""The login for one image's registry, from Docker's own configuration; a broken helper costs time, never the pull."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from docker import auth
from docker.errors import DockerException
from docker.utils import parse_repository_tag

HELPER_S = 8.0
"""How long a credential helper may take, in seconds; then the registry is asked without a login."""
_TOKEN = "<token>"


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a registry is told; no `values` is nobody. `trouble` says what is wrong with a helper, "" if nothing."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    trouble: str = ""

    def headers(self) -> dict[str, str]:
        return {"X-Registry-Auth": auth.encode_header(dict(self.values)).decode()} if self.values else {}


def login_for(ref: str, helper_s: float = HELPER_S) -> Login:
    """Ask the helper of this image's registry only, for at most `helper_s` seconds; else the written login."""
    registry, _ = auth.resolve_repository_name(parse_repository_tag(ref)[0])
    try:
        config = auth.load_config()
        helper = config.get_credential_store(registry)
        written = auth.AuthConfig({"auths": config.auths}).resolve_authconfig(registry) or {}
    except (DockerException, OSError, ValueError, TypeError, AttributeError) as error:
        return Login(trouble=f"Docker's configuration cannot be read ({error}); pulling without a login.")
    trouble = ""
    if helper:
        try:
            found = _asked(str(helper), auth.INDEX_URL if registry == auth.INDEX_NAME else registry, helper_s)
        except _HelperError as error:
            trouble = f"The credential helper docker-credential-{helper} {error}; pulling without its login."
        else:
            if found:
                return Login(values=found)
    return Login(values={name: str(value) for name, value in written.items() if value}, trouble=trouble)


class _HelperError(Exception):
    pass


def _asked(helper: str, server: str, timeout: float) -> dict[str, str]:
    """What the helper holds for the server, {} for nothing."""
    program = shutil.which(f"docker-credential-{helper}")
    if program is None:
        raise _HelperError("is not there")
    try:
        process = subprocess.Popen(
            [program, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise _HelperError(f"cannot be started ({error.strerror})") from error
    try:
        out, _ = process.communicate(server.encode(), timeout)
    except subprocess.TimeoutExpired:
        raise _HelperError(f"did not answer within {timeout:g} s") from None
    finally:
        _end(process)
    if b"credentials not found" in out:
        return {}
    if process.returncode:
        raise _HelperError(f"failed (exit code {process.returncode})")
    try:
        said = json.loads(out)
        user, secret = str(said["Username"]), str(said["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise _HelperError("gave an answer that cannot be read") from error
    if user == _TOKEN:
        return {"ServerAddress": server, "IdentityToken": secret}
    return {"ServerAddress": server, "Username": user, "Password": secret}


def _end(process: subprocess.Popen[bytes]) -> None:
    """With its children: one that sleeps on must not hold a pipe, nor us."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()
