"""The application's own disk fills up while a task runs: 16 MB for all its files."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.store.paths import Paths
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.waiting import until

TASKS = {"io.agents-runner.container.kind": "task"}
WAITS = "touch /workspace/began; until [ -e /workspace/go ]; do sleep 0.1; done; echo last words; exit 7"


@pytest.fixture
def small_disk(ar_home: Path) -> Iterator[Path]:
    """The application's folder on a file system of 16 MB; the tools of containers are on it too."""
    ar_home.mkdir(parents=True)
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=16m,uid={os.geteuid()},mode=0700"
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", options, "none", str(ar_home)], check=True)
    try:
        yield ar_home
    finally:
        subprocess.run([*sudo, "umount", "--lazy", str(ar_home)], check=True)


def fill(home: Path) -> Path:
    """Take every byte that is left; the file whose removal gives them back."""
    path = home / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    probe = home / "probe"
    with pytest.raises(OSError, match="space") as caught:
        probe.write_bytes(b"x" * 4096)
    probe.unlink()
    assert caught.value.errno == errno.ENOSPC
    return path


class Running:
    """`run --json` as a process, its events read as they come."""

    def __init__(self, home: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agents_runner", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"AGENTS_RUNNER_HOME": str(home)},
        )
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def end(self) -> tuple[int, str]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with self.process.stdout, self.process.stderr:
            err = self.process.stderr.read().decode()
            code = self.process.wait(120)
            self._reader.join(60)
        return code, err


@pytest.fixture
def begun(
    small_disk: Path, make_environment: MakeEnvironment, workspace: Path, engine: DockerEngine
) -> Iterator[tuple[Running, Path]]:
    """A task that runs, and the disk that has just become full."""
    name = make_environment(cache_container_build="false")
    running = Running(small_disk, "run", name, WAITS, "--json")
    until(lambda: (workspace / "began").exists() or running.process.poll() is not None)
    assert running.process.poll() is None, (running.events[-1:], running.end())
    filler = fill(small_disk)
    try:
        yield running, filler
    finally:
        (workspace / "go").touch()
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGKILL)
            running.end()
        for one in engine.list_containers(TASKS):
            engine.remove(one.name)


def test_h2_the_result_is_told_with_its_exit_code_and_known_afterwards(
    begun: tuple[Running, Path], workspace: Path, cli: Cli
) -> None:
    running, filler = begun
    (workspace / "go").touch()
    code, err = running.end()
    assert (code, err) == (7, ""), running.events
    result = running.events[-1]
    assert (result["event"], result["state"], result["exit_code"]) == ("result", "failed", 7)
    assert any(one["event"] == "log" and one["line"] == "last words" for one in running.events)
    notices = [one for one in running.events if one["event"] == "notice"]
    assert len([one for one in notices if "No space left on device" in one["message"]]) == 1, notices
    # With the disk still full nothing is lost and nothing hangs ...
    cli("tasks", "list", "--json", check=False)
    filler.unlink()
    # ... and once there is room, the task is what it was.
    (task,) = cli("tasks", "list", "--json").json
    assert (task["state"], task["exit_code"]) == ("failed", 7)
    assert [path for path in Paths.find({"AGENTS_RUNNER_HOME": str(cli.home)}).data.rglob("*") if _empty(path)] == []


def _empty(path: Path) -> bool:
    """A file of no length, where none should be: locks and SQLite's log are."""
    named = path.suffix == ".lock" or path.name.endswith("-wal") or path.parent.name in ("owners", "builds")
    return path.is_file() and path.stat().st_size == 0 and not named and path.name != "log"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_h2_the_first_signal_stops_it(
    begun: tuple[Running, Path], engine: DockerEngine, number: signal.Signals
) -> None:
    running, _ = begun
    running.process.send_signal(number)
    code, err = running.end()
    assert (code, err) == (130, "")
    assert running.events[-1]["state"] == "cancelled"
    assert engine.list_containers(TASKS) == []


def test_h2_tasks_stop_stops_what_another_process_runs(begun: tuple[Running, Path], engine: DockerEngine) -> None:
    running, filler = begun
    (name,) = [one.name for one in engine.list_containers(TASKS)]
    stopper = Running(filler.parent, "tasks", "stop", name.rsplit("-", 1)[-1], "--json")
    code, _ = running.end()
    assert code != 0
    assert engine.list_containers(TASKS) == []
    filler.unlink()
    stopper.end()
    assert stopper.process.returncode == 0
