"""`agents-runner` and `python -m agents_runner`."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agents_runner.cli.main import run_command
from agents_runner.cli.streams import ended, make_sound
from agents_runner.core.redaction import KnownSecrets
from agents_runner.store.application_log import BACKGROUND, ApplicationLog, said_to
from agents_runner.store.paths import Paths

if TYPE_CHECKING:
    from agents_runner.runner.services import Services


def main() -> int:
    make_sound()
    log = ApplicationLog(Paths.find().application_log)
    background = os.environ.pop(BACKGROUND, "")
    with log.attached(), said_to(Path(background) if background else None):
        try:
            status = run_command(
                sys.argv[1:], partial(_services, log.secrets), partial(_window, log.secrets), log_file=str(log.path)
            )
        except SystemExit as end:  # the parser's, after a usage or a mistake in it
            status = end.code if isinstance(end.code, int) else 1
        return ended(status)


def _services(known: KnownSecrets) -> Services:
    # Imported here, and below: a help text, and a mistake in the words, need none of the application's parts.
    from agents_runner.app import build_services

    return build_services(known=known)


def _window(known: KnownSecrets, environment_id: str) -> int:
    from agents_runner.app import open_window

    return open_window(environment_id, known=known)


if __name__ == "__main__":
    sys.exit(main())
