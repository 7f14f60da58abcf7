"""What each family of base images calls the desktop's parts: one table, and the script that is made of it."""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass
from importlib import resources

from agents_runner.core.imageplan import sha256

UNKNOWN_BASE = 96
"""Exit status of the install on a base image of no family below."""
NO_RIGHTS = 97
"""Exit status of the install where the image's user may not install packages."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """`packages` are needed; `extras` are installed where the image's package sources have them."""

    packages: tuple[str, ...]
    extras: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
    "debian": Family(
        packages=(
            "tigervnc-standalone-server", "fluxbox", "xterm", "novnc", "websockify", "xdotool", "wmctrl",
            "imagemagick", "socat", "fonts-dejavu-core",
        )
    ),
    "arch": Family(
        packages=("tigervnc", "fluxbox", "xterm", "xdotool", "wmctrl", "imagemagick", "socat", "ttf-dejavu"),
        extras=("novnc", "websockify"),  # not in the distribution's own sources: yay has them
    ),
}  # fmt: skip
PROGRAMS = ("Xvnc", "fluxbox", "xterm", "xdotool", "wmctrl", "import", "socat", "timeout", "mkfifo")
"""What must be there after the install, by the programs' names."""
NOVNC_FOLDERS = ("/usr/share/novnc", "/usr/share/webapps/novnc", "/opt/agents-runner/novnc")
"""Where noVNC's `core` may be; into the last one it is fetched where no package has it."""
NOVNC_URL = "https://registry.npmjs.org/@novnc/novnc/-/novnc-1.3.0.tgz"
NOVNC_SHA256 = "75a14e4d9eaf7b03cfc800ca242303afebaf8d4d4694c8cc9f09dacf9dc49efb"
SCRIPTS = ("install.sh", "start.sh", "picture.sh")


@functools.cache
def program(name: str) -> str:
    """The text of one of the desktop's shell programs that we ship."""
    return resources.files("agents_runner.desktop").joinpath(name).read_text("utf-8")


def recipe() -> str:
    """Hash over all scripts of the desktop: another one makes another layer."""
    return sha256("\0".join((table(), *map(program, SCRIPTS))).encode("utf-8"))


def table() -> str:
    """The table as a shell function: `desktop_parts FAMILY` sets the variables, or fails for an unknown family."""
    lines = ["desktop_parts() {", "    case $1 in"]
    for name, family in FAMILIES.items():
        lines.append(f"        {name})")
        lines.append(f"            DESKTOP_PACKAGES={shlex.quote(' '.join(family.packages))}")
        lines.append(f"            DESKTOP_EXTRAS={shlex.quote(' '.join(family.extras))}")
        lines.append("            ;;")
    lines += ["        *) return 1 ;;", "    esac", "}"]
    constants = {
        "DESKTOP_PROGRAMS": " ".join(PROGRAMS),
        "DESKTOP_NOVNC": " ".join(NOVNC_FOLDERS),
        "DESKTOP_NOVNC_URL": NOVNC_URL,
        "DESKTOP_NOVNC_SHA256": NOVNC_SHA256,
    }
    lines += [f"{name}={shlex.quote(value)}" for name, value in constants.items()]
    return "\n".join(lines) + "\n"


def install_script() -> str:
    """The whole install as it runs, in a build and at task start alike."""
    return "#!/bin/sh\n" + table() + program("install.sh")


def start_files() -> dict[str, str]:
    """The files of ours that a container needs to start a desktop, by name: their texts."""
    return {name: program(name) for name in ("start.sh", "picture.sh")}
