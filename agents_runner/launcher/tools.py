"""The few programs that come into every container from a read-only mount of ours, and how they are started.

Whatever root starts in a container is one of these: nothing is looked up by PATH, nothing of the image or of a
script is loaded. They are the host's own programs with their libraries, started through their own loader, so that
they work on any image, with another C library or with none.
"""

from __future__ import annotations

import functools
from importlib import resources

from agents_runner.core.container import ImageInfo
from agents_runner.core.task_plan import CONTROL_PATH

TOOLS = CONTROL_PATH + "/in/tools"
"""Inside the control folder's read-only part: a mount point there is never left behind in a layer."""
LOADER = "ld.so"
HIDDEN_LOADER = "ld-hidden.so"
"""The same loader, which may be run and not read: the kernel keeps the memory of a process that was started through
it, its variables and its open files from everybody but the machine's root, from processes of its own user too."""
PROGRAMS = (
    "bash",
    "setpriv",
    "find",
    "chown",
    "chmod",
    "mkdir",
    "rm",
    "rmdir",
    "ln",
    "cp",
    "mv",
    "sed",
    "cat",
    "sleep",
)
MODE = 0o755
HIDDEN_MODE = 0o111
SHIMS = {
    "sudo": ("sudo",),
    "debian": ("apt", "apt-get"),
    "alpine": ("apk",),
    "arch": ("pacman",),
    "fedora": ("dnf",),
}
"""Folders that may stand first on the agent's PATH, each with programs of ours under these names."""
_UNSAFE_BEGINNINGS = ("LD_", "GLIBC_", "BASH_", "MALLOC_")
_UNSAFE = frozenset({"LOCPATH", "NLSPATH", "GCONV_PATH", "SHELLOPTS", "BASHOPTS", "ENV", "PS4", "FUNCNEST", "TMOUT"})
"""Variables that make a loader, a C library or a shell run something else."""


def through_loader(program: str) -> tuple[str, ...]:
    """The words that start one of our programs in a container."""
    return (f"{TOOLS}/{LOADER}", "--library-path", f"{TOOLS}/lib", f"{TOOLS}/bin/{program}")


LAUNCH = (*through_loader("bash"), "-p", CONTROL_PATH + "/in/launcher.sh")
"""What a container starts with."""


@functools.cache
def shim_files() -> dict[str, bytes]:
    """The programs that stand before the image's own, by path below the tools."""
    folder = resources.files("agents_runner.launcher").joinpath("shims")
    return {
        f"shims/{group}/{name}": folder.joinpath("sudo" if name == "sudo" else "package-manager").read_bytes()
        for group, names in SHIMS.items()
        for name in names
    }


def is_unsafe(name: str) -> bool:
    """True for a variable that root's programs must not be started with."""
    return name.startswith(_UNSAFE_BEGINNINGS) or name in _UNSAFE


def unsafe_variables(image: ImageInfo) -> dict[str, str]:
    """The variables of an image's configuration that its containers must not start with, and their values.

    What they name may have been written by the image's user: they are for those who run behind stage.sh.
    """
    found = (entry.partition("=") for entry in image.environment)
    return {name: value for name, _, value in found if is_unsafe(name)}


def home_of(image: ImageInfo) -> str:
    """The home folder that an image's configuration names, "" where it names none."""
    return dict(entry.partition("=")[::2] for entry in image.environment).get("HOME", "")
