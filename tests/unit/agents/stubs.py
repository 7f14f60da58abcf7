"""Stand-ins for the agents' programs, and the launcher's way to start one: prompt on standard input from a file."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from agents_runner.core.task_plan import AgentLaunch
from agents_runner.launcher.files import IN, agent_argv

STUB = """#!{python} -IS
import json, os, sys
with open({out!r}, "w") as out:
    json.dump({{"argv": sys.argv[1:], "stdin": sys.stdin.buffer.read().hex()}}, out)
"""


@dataclass(frozen=True, kw_only=True)
class Started:
    """A finished program: as subprocess has it."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a container has, as far as an agent sees it: the control folder, a workspace, programs on PATH."""

    folder: Path

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    def make(self) -> Container:
        for folder in (self.workspace, self.programs, self.folder / "in"):
            folder.mkdir()
        return self

    def stub(self, name: str) -> None:
        """A program of that name that writes down what it was given."""
        path = self.programs / name
        path.write_text(STUB.format(python=sys.executable, out=str(self.folder / "given.json")))
        path.chmod(0o755)

    def given(self) -> tuple[list[str], bytes]:
        """The stub's arguments and standard input."""
        value = json.loads((self.folder / "given.json").read_text())
        return value["argv"], bytes.fromhex(value["stdin"])

    def start(self, launch: AgentLaunch, prompt: bytes, variables: dict[str, str] | None = None) -> Started:
        inner = self.folder / "in"
        (inner / "prompt").write_bytes(prompt)
        for name, text in launch.files.items():
            (inner / name).write_text(text)
        argv = [word.replace(IN, str(inner)) for word in agent_argv(launch)]
        path = f"{self.programs}:/usr/bin:/bin"
        with (inner / "prompt").open("rb") as stdin:
            done = subprocess.run(
                argv,
                stdin=stdin,
                cwd=self.workspace,
                env={"PATH": path, **(variables or {})},
                capture_output=True,
                timeout=60,
                check=False,
            )
        return Started(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
