"""Taking back a login that an agent refreshed, where its rule allows it: the old token may be void by then."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from agents_runner.agents.refresh import accept_refresh

log = logging.getLogger(__name__)


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
