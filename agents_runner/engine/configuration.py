"""docker-py's client; Docker's own configuration in disorder is named, not taken for an engine that is away."""

from __future__ import annotations

from typing import Any, cast

import docker
import docker.utils.config
from docker.errors import InvalidConfigFile

from agents_runner.core.errors import EngineUnreachable

_STUMBLES = (InvalidConfigFile, AttributeError, KeyError, TypeError, ValueError)
"""What docker-py raises for a configuration that is not as it thinks, and for some addresses too."""
_NO_ADDRESS = "unix:///"


def api_client(base_url: str, version: str, **options: Any) -> docker.APIClient:
    """A client that has not asked anything yet. Raises EngineUnreachable if the configuration is at fault."""
    try:
        return _made(base_url, version, **options)
    except _STUMBLES:
        _check(version)
        raise


def _check(version: str) -> None:
    """The same once more for an address that is surely none of the trouble."""
    try:
        _made(_NO_ADDRESS, version).close()
    except _STUMBLES as error:
        known = isinstance(error, InvalidConfigFile)
        what = str(error).strip().rstrip(".") if known else "it does not have the form that Docker writes"
        raise EngineUnreachable(
            f"Docker's configuration cannot be read ({docker.utils.config.find_config_file()!s}): {what}.",
            "Mend this file or move it away; `docker login` writes a new one.",
        ) from error


def _made(base_url: str, version: str, **options: Any) -> docker.APIClient:
    client = docker.APIClient(base_url=base_url, version=version, **options)
    # Sent with every call, which would stumble where no sentence is.
    headers = cast("Any", client)._general_configs.get("HttpHeaders") or {}
    if not all(isinstance(value, str) for value in headers.values()):
        raise TypeError("a header is no text")
    return client
