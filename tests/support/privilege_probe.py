"""Runs inside a container, with an interpreter of its own: who it is, and what it may do. Prints one line of JSON.

Nothing that it tries changes this machine: what the kernel would allow is undone at once.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WANTED = ("Uid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


def status(text: str) -> dict[str, str]:
    found = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    return {name: found[name].split()[1] if name == "Uid" else found[name] for name in WANTED if name in found}


def checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "refused")


def as_root(*command: str) -> None:
    """A program that is to come out as root, with at least one capability; it prints its own status."""
    done = subprocess.run([*command, "/proc/self/status"], capture_output=True, text=True, check=False)
    seen = status(done.stdout)
    if done.returncode or seen.get("Uid") != "0" or not int(seen.get("CapEff", "0"), 16):
        raise OSError(errno.EPERM, "not root")


def in_a_child(call: Callable[[], None]) -> None:
    """What changes the process itself."""
    child = os.fork()
    if child == 0:
        try:
            call()
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise OSError(errno.EPERM, "refused")


def ours() -> list[int]:
    """The launcher, the agent's parent and the relays."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cmdline").read_bytes().startswith(b"/run/agents-runner/in/tools/"):
                found.append(int(path.name))
        except OSError:
            continue
    if not found:
        raise RuntimeError("no process of the launcher's was found")
    return found


def allowed_for_any(pids: list[int], call: Callable[[int], None]) -> None:
    refused = OSError(errno.EPERM, "refused")
    for pid in pids:
        try:
            call(pid)
        except OSError as error:
            refused = error
        else:
            return
    raise refused


def trace(pid: int) -> None:
    checked(LIBC.ptrace(PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0x40000000)
    LIBC.ptrace(PTRACE_DETACH, pid, None, None)


def look_into(pid: int) -> None:
    for name in ("mem", "environ", "fd/0", "fd/1"):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_NONBLOCK))
        except OSError as error:
            refused = error
        else:
            return
    raise refused


def device() -> None:
    path = Path("/tmp/probe-device")
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    path.unlink()


def raw() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def docker() -> None:
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"):
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(path)
            except OSError as error:
                refused = error
            else:
                return
    raise refused


def system() -> None:
    for path in ("/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/uevent_helper", "/proc/sysrq-trigger"):
        try:
            os.close(os.open(path, os.O_WRONLY))
        except OSError as error:
            refused = error
        else:
            return
    raise refused


def give_away() -> None:
    path = Path("/tmp/probe-file")
    path.touch()
    try:
        os.chown(path, 4242, 4242)
    finally:
        path.unlink()


TRIED: dict[str, Callable[[], None]] = {
    "setuid program": lambda: as_root("/usr/local/bin/setuid-cat"),
    "sudo": lambda: as_root("sudo", "/bin/cat"),
    "chown": give_away,
    "mount": lambda: in_a_child(lambda: checked(LIBC.mount(b"none", b"/mnt", b"tmpfs", 0, None))),
    "unshare": lambda: in_a_child(lambda: checked(LIBC.unshare(CLONE_NEWUSER))),
    "unshare mounts": lambda: in_a_child(lambda: checked(LIBC.unshare(CLONE_NEWNS))),
    "ptrace of the launcher": lambda: allowed_for_any(ours(), trace),
    "the launcher's memory and output": lambda: allowed_for_any(ours(), look_into),
    "ptrace of process 1": lambda: trace(1),
    "mknod": device,
    "raw socket": raw,
    "docker.sock": docker,
    "write to /sys": system,
}


def main() -> None:
    allowed = []
    for name, call in TRIED.items():
        try:
            call()
        except OSError:
            continue
        allowed.append(name)
    seen = status(Path("/proc/self/status").read_text(encoding="utf-8"))
    told = {"stage": sys.argv[1], **seen, "allowed": allowed, "tried": list(TRIED)}
    print("PROBE " + json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
