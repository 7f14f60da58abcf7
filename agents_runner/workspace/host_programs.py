"""The host's own programs and the libraries that they need: for the mini base image and for the launcher's tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from agents_runner.core.errors import WorkspaceError

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where the host's own programs are looked for first: a person's own versions may be scripts."""
EXTRA_LIBRARIES = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
"""The C library loads these by name, so `ldd` does not know them; newer ones have them built in."""
_LDD_LINE = re.compile(r"^\s+(?:(?P<wanted>\S+) => )?(?P<found>/.*?) \(0x[0-9a-f]+\)$", re.MULTILINE)
_ELF = b"\x7fELF"


def find_programs(names: Iterable[str]) -> dict[str, str]:
    """Names to the real files behind them; scripts and what the host lacks are left out."""
    found: dict[str, str] = {}
    for name in names:
        path = shutil.which(name, path=PATH) or shutil.which(name)
        if path is None:
            continue
        real = Path(path).resolve()
        if is_elf(real):
            found[name] = str(real)
    return found


def is_elf(path: Path) -> bool:
    """True for a program or library of the kernel's own format."""
    try:
        with path.open("rb") as file:
            return file.read(len(_ELF)) == _ELF
    except OSError:
        return False


def libraries_of(programs: Sequence[str]) -> list[str]:
    """The paths, as the loader looks for them, of all libraries that these programs need, and the loader's own.

    Raises WorkspaceError where the host has no `ldd` to name them.
    """
    text = _ldd(programs)
    if text.count(":\n") < len(programs):  # a C library whose ldd takes one program at a time
        text = "".join(_ldd([program]) for program in programs)
    found = {path for match in _LDD_LINE.finditer(text) for path in match.groups() if path and path.startswith("/")}
    beside = {Path(path).parent for path in found if Path(path).name.startswith("libc.so")}
    found.update(str(folder / name) for folder in beside for name in EXTRA_LIBRARIES)
    return sorted(path for path in found if Path(path).is_file())


def _ldd(programs: Sequence[str]) -> str:
    program = shutil.which("ldd", path=PATH) or shutil.which("ldd")
    if program is None:
        raise WorkspaceError(
            "This machine has no ldd to name the libraries of its programs, which every container needs.",
            "Install it (it comes with the C library).",
        )
    # Not `check`: a statically linked program makes ldd fail, and needs nothing.
    done = subprocess.run(
        [program, *programs],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
        env={"LC_ALL": "C", "PATH": PATH},
    )
    return done.stdout
