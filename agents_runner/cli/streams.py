"""Standard streams that are closed, full or gone: the command line ends with a sentence and its own exit status."""

from __future__ import annotations

import contextlib
import os
import sys

from agents_runner.core.errors import AgentsRunnerError


class OutputLost(AgentsRunnerError):
    """Standard output takes nothing of what a command has to say."""

    code = "output"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Standard output cannot be written: {reason}.", "Nobody got to read what was said.")


def make_sound() -> None:
    """Give every closed standard stream a place again. First thing in a process.

    Otherwise the next file that is opened, a database say, would be taken for standard output by every child. A
    closed output refuses what is written to it, a closed input what is read: an error like any other.
    """
    for number, name, flags in ((0, "stdin", os.O_WRONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, flags)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def ended(status: int) -> int:
    """Bring out what standard output still holds; the exit status, 1 where that fails and nothing else did."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        status = status or 1
        give_up(1)
    return status


def give_up(number: int) -> None:
    """Nothing is written to this stream any more: at its end the interpreter would try again, and complain."""
    with contextlib.suppress(OSError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, number)
        os.close(handle)
