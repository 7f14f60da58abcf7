"""Runs the command line as a person does: a process of its own with its own files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    @property
    def result(self) -> dict[str, Any]:
        return self.events[-1]

    def phase(self, name: str) -> dict[str, Any]:
        """The event that ended a phase; {} if it did not run."""
        found = [
            one
            for one in self.events
            if one["event"] == "phase" and one["phase"] == name and one["state"] != "started"
        ]
        return found[-1] if found else {}

    @property
    def log(self) -> list[str]:
        return [one["line"] for one in self.events if one["event"] == "log"]


@dataclass(frozen=True, kw_only=True)
class Cli:
    home: Path
    prefix: tuple[str, ...] = ()
    env: dict[str, str] | None = None

    def __call__(self, *args: str, input: bytes | str | None = None, check: bool = True) -> Done:  # noqa: A002
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [*self.prefix, sys.executable, "-m", "agents_runner", *args],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=os.environ | {"AGENTS_RUNNER_HOME": str(self.home)} | (self.env or {}),
            check=False,
            timeout=500,
        )
        result = Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
        if check and result.code:
            raise AssertionError(f"{args}: exit {result.code}\n{result.out[-3000:]}\n{result.err[-3000:]}")
        return result
