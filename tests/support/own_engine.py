"""An engine of a test's own, on a data root of its own: it may be killed, restarted and filled up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.waiting import until


@dataclass(kw_only=True)
class OwnEngine:
    """`size_mb`: put the data root on a file system of that size (a loop mount); None for the machine's own."""

    size_mb: int | None = None
    options: tuple[str, ...] = ()
    """Further words for the engine's own command line."""
    apart: bool = False
    """In a network namespace of its own: what it does to interfaces and filter rules is seen by nobody else, and its
    containers reach nothing outside."""
    folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="agents-runner-engine-", dir="/var/tmp"))
    )
    _process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def bridge(self) -> str:
        return f"artest{os.getpid() % 100_000}"

    @property
    def root(self) -> Path:
        return self.folder / "data"

    def __enter__(self) -> OwnEngine:
        self.root.mkdir()
        if not self.apart:
            for words in (("add", self.bridge, "type", "bridge"), ("set", self.bridge, "up")):
                subprocess.run(["ip", "link", *words], check=True)
            subprocess.run(["ip", "address", "add", "172.29.255.1/24", "dev", self.bridge], check=True)
        if self.size_mb is not None:
            image = self.folder / "disk.img"
            subprocess.run(["truncate", "-s", f"{self.size_mb}M", str(image)], check=True)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(self.root)], check=True)
        self.start()
        return self

    def start(self) -> None:
        command = ["dockerd", "--host", self.host, "--data-root", str(self.root)]
        command += ["--exec-root", str(self.folder / "exec"), "--pidfile", str(self.folder / "pid"), *self.options]
        if self.apart:
            command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        else:
            # A bridge of its own: without one the engine would take the machine's away.
            command += ["--bridge", self.bridge, "--iptables=false"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self.answers, timeout=60)

    def answers(self) -> bool:
        command = ["docker", "--host", self.host, "version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def stop(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(60)
        if number == signal.SIGKILL:
            # Its containerd goes with it; where nobody buries the dead its number would still look taken.
            self._end_helpers()
            (self.folder / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        try:
            if self.answers():
                ids = subprocess.run(
                    ["docker", "--host", self.host, "ps", "-aq"], capture_output=True, text=True, check=False
                ).stdout.split()
                if ids:
                    command = ["docker", "--host", self.host, "rm", "-f", *ids]
                    subprocess.run(command, capture_output=True, check=False)
            self.stop()
        finally:
            for path in sorted(self.folder.rglob("*"), reverse=True):
                if os.path.ismount(path):
                    subprocess.run(["umount", "-l", str(path)], check=False)
            if not self.apart:
                subprocess.run(["ip", "link", "delete", self.bridge], check=False)
            self._end_helpers()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end_helpers(self) -> None:
        """What a killed engine left running: its own containerd, known by the folder in its command line."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"{self.folder}/exec/containerd/containerd.toml".encode() in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)
