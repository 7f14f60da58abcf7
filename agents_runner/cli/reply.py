"""What a command says when it is done; it is printed in one place, as text or as JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from agents_runner.cli.printing import echo, echo_json

if TYPE_CHECKING:
    from agents_runner.runner.services import Services


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer in two forms: a value for programs, and the same as text for people."""

    json: object
    """What `--json` prints, as one line."""
    text: str
    """What is printed otherwise, without its last line's end; nothing is printed for ""."""
    remarks: tuple[str, ...] = ()
    """Lines for people that are not part of the answer; they go to standard error, after the text."""
    status: int = 0
    """The exit status."""

    def show(self, *, as_json: bool) -> int:
        """Print it and return the exit status. Raises OutputLost where standard output takes nothing."""
        if as_json:
            echo_json(self.json)
            return self.status
        if self.text:
            echo(self.text)
        for remark in self.remarks:
            echo(remark, to=sys.stderr)
        return self.status


Command: TypeAlias = "Callable[[Services, argparse.Namespace], Reply | int]"
"""A use case behind words of the command line. One that prints while it works returns its exit status alone."""
