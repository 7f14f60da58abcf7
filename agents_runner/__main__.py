"""`agents-runner` and `python -m agents_runner`."""

import sys
from functools import partial

from agents_runner.app import build_services, open_window
from agents_runner.cli.main import run_command
from agents_runner.cli.streams import ended, make_sound
from agents_runner.store.application_log import ApplicationLog
from agents_runner.store.paths import Paths


def main() -> int:
    make_sound()
    log = ApplicationLog(Paths.find().application_log)
    with log.attached():
        try:
            status = run_command(
                sys.argv[1:],
                partial(build_services, known=log.secrets),
                partial(open_window, known=log.secrets),
                log_file=str(log.path),
            )
        except SystemExit as end:  # the parser's, after a usage or a mistake in it
            status = end.code if isinstance(end.code, int) else 1
        return ended(status)


if __name__ == "__main__":
    sys.exit(main())
