"""This machine as the use cases see it: the engine that is shared, the person, processes of our own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from agents_runner.engine.port import Engine, EngineFactory
from agents_runner.runner.ports import SettingsSource
from agents_runner.runner.tasks.plan_launch import Host, this_host
from agents_runner.store.application_log import BACKGROUND, MAX_BYTES, put_aside


class EngineSource:
    """One shared engine, connected on first use and again after it was lost; safe from every thread."""

    def __init__(self, settings: SettingsSource, engine: Engine | None = None) -> None:
        """`engine`: one that is connected already, in place of the one that the settings name."""
        self._settings = settings
        self._engine = engine
        self._lock = threading.Lock()

    def __call__(self) -> Engine:
        with self._lock:
            if self._engine is None:
                # Imported here: docker-py costs a third of the start-up of a command that needs no engine.
                from agents_runner.engine.docker_engine import connect

                self._engine = connect(self._settings.load().docker_host)
            return self._engine

    def close(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


@dataclass(frozen=True, kw_only=True)
class HostSource:
    """See `runner.ports.HostsPort`."""

    state_dir: Path
    instance: str
    engine: EngineFactory
    settings: SettingsSource

    def host(self) -> Host:
        settings = self.settings.load()
        return replace(
            this_host(self.state_dir, self.instance, self.engine().info()),
            isolates=settings.isolate_tasks,
            max_layer_bytes=int((settings.max_layer_gb or 0) * 10**9),
        )

    def planning_host(self) -> Host:
        return this_host(self.state_dir, self.instance)


_started: list[subprocess.Popen[bytes]] = []
"""Those that ran when last looked: one that has ended is taken note of by whoever started it, or stays a zombie."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """See `runner.ports.BackgroundPort`; what these processes print goes to `log`, and is held to its size."""

    log: Path

    def start(self, words: tuple[str, ...]) -> None:
        with contextlib.suppress(OSError):
            put_aside(self.log, MAX_BYTES)
        _started[:] = [one for one in _started if one.poll() is None]
        with self.log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "agents_runner", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # What is written past Python's streams, an interpreter's last words say, is in the same file.
                env=os.environ | {BACKGROUND: str(self.log)},
                start_new_session=True,
            )
        _started.append(process)
