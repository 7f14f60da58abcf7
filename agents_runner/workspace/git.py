"""Fresh clones for tasks, by the `git` program: it knows the person's credentials and proxies."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from agents_runner.core.errors import WorkspaceError
from agents_runner.core.repository_url import check_branch, check_url, protocols, without_credentials

GRACE_S = 1.0
"""How long git may take to end and to remove what it had fetched, in seconds."""


class Clone:
    """One `git clone`; iterate over its lines, `stop` it from any thread."""

    def __init__(self, url: str, branch: str, folder: Path) -> None:
        self._url = url
        command = ["git", "clone", "--no-recurse-submodules"]
        command += ["--branch", check_branch(branch)] if branch else []
        self._folder = folder
        self._command = [*command, "--", check_url(url), str(folder)]
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()

    def lines(self) -> Iterator[str]:
        """Git's own words as they come. Raises WorkspaceError if the clone fails."""
        allowed = protocols(self._url)
        env = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": allowed, "LC_ALL": "C.UTF-8"}
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise WorkspaceError("The git program is missing.", "Install git, or choose a folder instead.") from error
        if self._stopped.is_set():
            self._end()  # asked for while it began
        last = ""
        with self._process as process:
            for line in process.stdout or ():
                last = without_credentials(line.rstrip())
                yield last
        if process.returncode and not self._stopped.is_set():
            raise WorkspaceError(
                f"{without_credentials(self._url)} cannot be cloned: {last or 'git gave no reason'}.",
                "Try the same `git clone` in a terminal: it must work without a question.",
            )

    def stop(self) -> None:
        """End it if it runs; what it had fetched is gone afterwards."""
        self._stopped.set()
        self._end()

    def _end(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        for number, seconds in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                break
        # Git removes it itself when it is asked to end, if it has the time.
        shutil.rmtree(self._folder, ignore_errors=True)
