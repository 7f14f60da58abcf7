"""Saves an environment in a loop in a child process, kills the child at any moment, looks; N times over.

A program of its own: `python -m tests.unit.store.kill_loop HOME N` prints what it saw as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

from agents_runner.core.environment import Environment
from agents_runner.store.environments import EnvironmentStore
from agents_runner.store.files import TEMP_PREFIX
from agents_runner.store.paths import Paths

SIZE = 20_000
"""Characters of the script: more than one block of a file."""


def main(home: str, count: int) -> None:
    paths = Paths.find({"AGENTS_RUNNER_HOME": home}).ensure()
    store = EnvironmentStore(paths=paths)
    store.save(_numbered(0))
    choose = random.Random(1)
    wrong: list[str] = []
    littered = 0
    for _ in range(count):
        before = _number(store)
        told = _kill_one(store, before, choose)
        littered += any(path.name.startswith(TEMP_PREFIX) for path in paths.environments.iterdir())
        paths.ensure()  # what the next start does
        left = [path.name for path in paths.environments.iterdir() if path.name != "x.json"]
        after = _number(store)
        # Every save that was reported as done is there, and at most the one that was under way.
        if left or not told <= after <= told + 1:
            wrong.append(f"before {before}, told {told}, after {after}, left {left}")
    print(json.dumps({"wrong": wrong, "littered": littered, "last": _number(store)}))


def _numbered(number: int) -> Environment:
    return Environment(id="x", name="X", run_preflight_script=f"{number}\n" * (SIZE // (len(str(number)) + 1)))


def _number(store: EnvironmentStore) -> int:
    """The number of the save that the file holds; -1 for anything but a whole one."""
    listing = store.list()
    if listing.problems or len(listing.environments) != 1:
        return -1
    found = listing.environments[0]
    number = int(found.run_preflight_script.split("\n", 1)[0])
    return number if found == _numbered(number) else -1


def _kill_one(store: EnvironmentStore, start: int, choose: random.Random) -> int:
    """Let a child save and count; kill it after a few saves. The number of the last save that it reported."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        for number in range(start + 1, start + 10_000):
            store.save(_numbered(number))
            os.write(write, b"%d\n" % number)
        os._exit(0)
    os.close(write)
    told, wanted = b"", choose.randrange(1, 4)
    while told.count(b"\n") < wanted:
        told += os.read(read, 64)
    for _ in range(choose.randrange(0, 60_000)):
        pass  # some part of a save later
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 4096):
        told += more
    os.close(read)
    return int(told.rsplit(b"\n", 2)[-2])


if __name__ == "__main__":
    main(str(Path(sys.argv[1])), int(sys.argv[2]))
