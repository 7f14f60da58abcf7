"""What a container prints in order to command the person's terminal, through the whole program."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli

SEQUENCES = (
    r"\033]0;title\007",
    r"\033]52;c;cm0=\007",
    r"\033]8;;file:///etc/passwd\033\\here\033]8;;\033\\",
    r"\033P$q q\033\\",
    r"\033_Gf=100\033\\",
    r"\033^hidden\033\\",
    r"\033[2J\033[10;10H\033[?1049h\033[6n",
    r"\302\2330;0H",
    r"all is well\rrm -rf",
    r"a\342\200\256b",
    r"\033",
)
PROGRAM = "".join(f"printf '{one}\\n'; " for one in SEQUENCES) + r"printf '\033[31mred\033[0m\n'"


def on_a_terminal(home: Path, *args: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    env = os.environ | {"AGENTS_RUNNER_HOME": str(home)}
    command = [sys.executable, "-m", "agents_runner", *args]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        found = bytearray()
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the terminal's last writer has gone
                break
            if not part:
                break
            found += part
        os.close(ours)
    assert process.returncode == 0
    return found.decode().replace("\r\n", "\n")


def test_m6_nothing_of_a_container_commands_the_terminal(
    cli: Cli, make_environment: MakeEnvironment, ar_home: Path
) -> None:
    make_environment(cache_container_build="false", run_preflight_script=PROGRAM)
    task = on_a_terminal(ar_home, "run", "test", PROGRAM)
    identity = cli("tasks", "list", "--json").json[0]["id"]
    logs = on_a_terminal(ar_home, "tasks", "logs", identity)
    for shown in (task, logs):
        assert shown.count("\x1b[31mred\x1b[0m\x1b[0m\n") == 2
        bare = shown.replace("\x1b[31m", "").replace("\x1b[0m", "")
        assert not set(bare) & {*map(chr, range(0x0A)), *map(chr, range(0x0B, 0x20)), *map(chr, range(0x7F, 0xA0))}
        assert "\u202e" not in bare
        for text in ("^[]0;title^G", "^[]52;c;cm0=^G", "^[P$q q^[\\", "all is well^Mrm -rf", "a<U+202E>b"):
            assert bare.count(text) >= 2
    assert "\x1b" not in on_a_terminal(ar_home, "tasks", "list")
    # A file has the bytes as they came.
    kept = cli("tasks", "logs", identity).out
    assert kept.count("\x1b]52;c;cm0=\x07\n") == 2
    assert kept.count("\x1b[2J\x1b[10;10H\x1b[?1049h\x1b[6n\n") == 2
