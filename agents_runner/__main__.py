"""`agents-runner` and `python -m agents_runner`."""

import sys

from agents_runner.app import build_services, open_window
from agents_runner.cli.main import run_command


def main() -> int:
    return run_command(sys.argv[1:], build_services, open_window)


if __name__ == "__main__":
    sys.exit(main())
