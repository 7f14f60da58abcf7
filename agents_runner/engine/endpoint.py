"""Which engine to talk to: the setting, else DOCKER_HOST, else the current Docker context."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import docker.errors
from docker.context import ContextAPI
from docker.tls import TLSConfig

from agents_runner.core.errors import EngineUnreachable
from agents_runner.core.settings import ENGINE_SCHEMES

DEFAULT = "unix:///var/run/docker.sock"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An engine's address; `local` when bind mounts on it name this machine's files."""

    url: str
    tls: TLSConfig | None = None
    source: str = "default"

    @property
    def local(self) -> bool:
        return self.url.startswith(("unix://", "npipe://"))

    @property
    def ssh(self) -> bool:
        return self.url.startswith("ssh://")


def resolve(setting: str = "", environ: Mapping[str, str] | None = None) -> Endpoint:
    """Find the endpoint once; raises EngineUnreachable for an address or context that cannot be read."""
    env = os.environ if environ is None else environ
    if setting:
        return Endpoint(url=_checked(setting, "the setting"), tls=_tls_from(env, setting), source="setting")
    host = env.get("DOCKER_HOST", "")
    if host:
        return Endpoint(url=_checked(host, "DOCKER_HOST"), tls=_tls_from(env, host), source="DOCKER_HOST")
    return _from_context(env.get("DOCKER_CONTEXT", ""))


def _checked(url: str, source: str) -> str:
    if url.startswith(ENGINE_SCHEMES):
        return url
    raise EngineUnreachable(
        f"{source} holds {url!r}, which is no engine's address.",
        f"It starts with one of {', '.join(ENGINE_SCHEMES)}.",
    )


def _tls_from(env: Mapping[str, str], url: str) -> TLSConfig | None:
    verify = env.get("DOCKER_TLS_VERIFY", "")
    folder = env.get("DOCKER_CERT_PATH", "")
    if not url.startswith(("tcp://", "https://")) or not (verify or folder):
        return None
    certs = Path(folder) if folder else Path.home() / ".docker"
    try:
        return TLSConfig(
            client_cert=(str(certs / "cert.pem"), str(certs / "key.pem")),
            ca_cert=str(certs / "ca.pem"),
            verify=bool(verify),
        )
    except docker.errors.TLSParameterError as error:
        raise EngineUnreachable(
            f"The certificates in {certs} cannot be used.", "Put ca.pem, cert.pem and key.pem there."
        ) from error


def _from_context(name: str) -> Endpoint:
    try:
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
        url = str(context.Host) if context is not None else ""
        tls = context.TLSConfig if context is not None else None
    except (docker.errors.DockerException, OSError, ValueError, TypeError, AttributeError) as error:
        raise EngineUnreachable(
            f"The Docker context cannot be read: {error}.", "Look at `docker context ls`, or set DOCKER_HOST."
        ) from error
    if name and context is None:
        raise EngineUnreachable(f"There is no Docker context {name!r}.", "Look at `docker context ls`.")
    url = (url or DEFAULT).replace("http+unix://", "unix://")
    return Endpoint(url=url, tls=tls, source=f"context {name}" if name else "context")
