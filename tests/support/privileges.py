"""The table "stage and profile: rights, what is refused": how it is measured, what is expected, how it is written."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents_runner.workspace.host_programs import libraries_of
from tests.support import privilege_probe
from tests.support.docker_program import docker, docker_export

PAGE = Path(__file__).resolve().parents[2] / "docs" / "privileges-table.md"
STAGES = ("cached preflight", "run preflight", "agent")
PROFILES = ("standard", "sudo", "strict")
IMAGES = {"root": "", "tool": "tool", "4321": "4321"}
"""The image's user in the table to what its configuration says: root, one with a name, a number without a name."""
PERSON = ("plain", "root")
BASES = ("mini", "Debian", "Arch")
"""Families of base images: the tests' own small one, and those with a real apt and a real pacman."""
TRIED = tuple(privilege_probe.TRIED)

_COLUMNS = ("base", "stage", "profile", "image", "person", "uid", "CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb",
            "NNP", "seccomp", "allowed", "refused")  # fmt: skip
_DEFAULT = 0xA80425FB
"""The capabilities that an engine gives a container that asks for none."""
_BIT = {"SETPCAP": 8, "NET_RAW": 13, "MKNOD": 27, "SETFCAP": 31}
CONTAINER = _DEFAULT & ~sum(1 << _BIT[name] for name in ("NET_RAW", "MKNOD", "SETFCAP"))
SCRIPT = CONTAINER & ~(1 << _BIT["SETPCAP"])
_ROOT_MAY = ("setuid program", "sudo", "chown")
_LEFT_OUT = {"test", "idlelib", "lib2to3", "site-packages", "ensurepip", "tkinter", "turtledemo", "pydoc_data"}
SETUID = (
    "cp /usr/bin/cat /usr/local/bin/setuid-cat && chmod 4755 /usr/local/bin/setuid-cat && "
    "cp /usr/bin/env /usr/bin/sudo && chmod 4755 /usr/bin/sudo\n"
    "printf 'tool:x:1000:1000:Tool:/home/tool:/bin/bash\\n' >>/etc/passwd\n"
    "printf 'tool:x:1000:\\n' >>/etc/group\n"
    "mkdir -p /home/tool && chown -R 1000:1000 /home/tool\n"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one stage of one container has; capabilities as the kernel prints them, without their leading zeros."""

    base: str
    stage: str
    profile: str
    image: str
    person: str
    uid: str
    effective: str
    permitted: str
    bounding: str
    inheritable: str
    ambient: str
    no_new_privileges: str
    seccomp: str
    allowed: tuple[str, ...]

    @property
    def line(self) -> str:
        """The row as the page has it."""
        refused = [name for name in TRIED if name not in self.allowed]
        cells = (self.base, self.stage, f"`{self.profile}`", self.image, self.person, self.uid, self.effective,
                 self.permitted, self.bounding, self.inheritable, self.ambient, self.no_new_privileges, self.seccomp,
                 ", ".join(self.allowed) or "nothing", _all_or(refused))  # fmt: skip
        return f"| {' | '.join(cells)} |"


def _all_or(refused: Sequence[str]) -> str:
    if len(refused) == len(TRIED):
        return "all"
    return f"all but {len(TRIED) - len(refused)}"


def combinations(base: str) -> list[tuple[str, str, str]]:
    """The images, persons and profiles that are measured on a base: all of them on the small one."""
    if base == BASES[0]:
        return list(itertools.product(IMAGES, PERSON, PROFILES))
    usual = list(itertools.product(IMAGES, PERSON, ("standard",)))
    return [*usual, ("tool", "plain", "sudo"), ("tool", "plain", "strict")]


def expected(*, stage: str, profile: str, image: str, person: str, person_uid: int, base: str = "mini") -> Row:
    """What docs/security.md and docs/architecture.md promise, as a row. `person_uid` as seen inside."""
    scripts_uid = 0 if person == "root" or image == "root" else person_uid
    uid, held, bounding, kept = person_uid, 0, 0, True
    if stage != "agent":
        uid, held, bounding = scripts_uid, SCRIPT if scripts_uid == 0 else 0, SCRIPT
        kept = profile == "strict" and stage == "run preflight" and scripts_uid != 0
    elif profile == "sudo":
        held, bounding, kept = CONTAINER if person == "root" else 0, CONTAINER, False
    if held:
        allowed: tuple[str, ...] = _ROOT_MAY
    else:
        allowed = () if kept else ("setuid program", "sudo")
    if stage == "agent" and held:
        # By then none of our processes holds a token, or a secret that is not the agent's.
        allowed = (*allowed, "ptrace of the launcher", "the launcher's memory and output", "ptrace of process 1")
    return Row(
        base=base,
        stage=stage,
        profile=profile,
        image=image,
        person=person,
        uid="0" if uid == 0 else "the person's",
        effective=f"{held:x}",
        permitted=f"{held:x}",
        bounding=f"{bounding:x}",
        inheritable="0",
        ambient="0",
        no_new_privileges="1" if kept else "0",
        seccomp="2",
        allowed=allowed,
    )


def measured(
    found: dict[str, Any], *, profile: str, image: str, person: str, person_uid: int, base: str = "mini"
) -> Row:
    """The probe's own words as a row."""
    uid = found["Uid"]
    if uid == str(person_uid) and uid != "0":
        uid = "the person's"
    assert tuple(found["tried"]) == TRIED
    return Row(
        base=base,
        stage=found["stage"],
        profile=profile,
        image=image,
        person=person,
        uid=uid,
        effective=_hex(found["CapEff"]),
        permitted=_hex(found["CapPrm"]),
        bounding=_hex(found["CapBnd"]),
        inheritable=_hex(found["CapInh"]),
        ambient=_hex(found["CapAmb"]),
        no_new_privileges=found["NoNewPrivs"],
        seccomp=found["Seccomp"],
        allowed=tuple(found["allowed"]),
    )


def _hex(text: str) -> str:
    return f"{int(text, 16):x}"


def probed(log: Iterable[str]) -> list[dict[str, Any]]:
    """What the probes of a task printed, in order."""
    return [json.loads(line.removeprefix("PROBE ")) for line in log if line.startswith("PROBE ")]


def probe_call(stage: str) -> str:
    """A line of shell that runs the probe."""
    return f"/probe/run '{stage}' || exit 7\n"


def make_probe(folder: Path) -> None:
    """An interpreter with the probe, to be mounted at /probe: images have none."""
    base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    stdlib = Path(sysconfig.get_path("stdlib"))
    inside = folder / "lib" / stdlib.name
    shutil.copytree(
        stdlib,
        inside,
        ignore=lambda _folder, names: [
            name for name in names if name in _LEFT_OUT or name.startswith(("config-", "__pycache__"))
        ],
    )
    (folder / "bin").mkdir()
    shutil.copy(base, folder / "bin" / "python")
    modules = [
        str(path) for path in (inside / "lib-dynload").glob("*.so") if path.name.startswith(("_ctypes.", "_so"))
    ]
    libraries = libraries_of([str(base), *modules])
    (folder / "libraries").mkdir()
    for path in libraries:
        shutil.copy(path, folder / "libraries" / Path(path).name)
    loader = next(Path(path).name for path in libraries if Path(path).name.startswith("ld"))
    shutil.copy(privilege_probe.__file__, folder / "probe.py")
    (folder / "run").write_text(
        f"#!/bin/sh\nPYTHONHOME=/probe PYTHONDONTWRITEBYTECODE=1 exec /probe/libraries/{loader} "
        '--library-path /probe/libraries /probe/bin/python -s -S /probe/probe.py "$@"\n'
    )
    for path in (folder, *folder.rglob("*")):
        program = path.name == "run" or path.parent.name in ("bin", "libraries")
        path.chmod(0o755 if program or path.is_dir() else 0o644)


def make_image(mini_base: str, user: str) -> str:
    """The mini base with setuid programs (one stands in for sudo), a user, and `user` as the image's own."""
    ref = f"agents-runner-test-privileges:{user or 'root'}"
    docker("import", "-", "agents-runner-test-privileges:part", data=docker_export(mini_base))
    made = docker("create", "agents-runner-test-privileges:part", "/bin/bash", "-c", SETUID).strip()
    docker("start", "-a", made)
    exported = subprocess.run(["docker", "export", made], capture_output=True, check=True, env=os.environ).stdout
    docker("import", *(["--change", f"USER {user}"] if user else []), "-", ref, data=exported)
    docker("rm", made)
    docker("rmi", "agents-runner-test-privileges:part")
    return ref


HEAD = f"""# Rights by stage and profile

Measured from inside containers, by a program that tries what is named below, on an image with a setuid program of
root's and a `sudo`. `scripts/privileges_table.py` writes this page, and the tests hold each row against what is
promised in [security.md](security.md) (`tests/docker/test_privileges_table.py`,
`tests/e2e/test_privileges_of_families.py`).

- *Base*: the family of the base image; `mini` is the tests' own, a shell and the core utilities. *Arch* is one
  with the real pacman on the userland of Debian; the distribution's own could not be had.
- *Image*: the image's own user; `tool` has a line in `/etc/passwd`, `4321` has none.
- *Person*: who runs the application; on a rootless engine that is `root`.
- Capabilities are the kernel's numbers: `{CONTAINER:x}` is all that a container has, `{SCRIPT:x}` the same without
  SETPCAP, which keeps the launcher from scripts of root's.
- *NNP* is `no-new-privileges`; *seccomp* 2 is a filter.
- *The launcher*: what is left of it beside the agent is the agent's parent, which holds no token and no secret but
  the agent's own; *process 1* is the engine's own small `init`, which holds nothing. An agent that is root under
  `sudo` may look into both.

Tried each time: {", ".join(TRIED)}.

| {" | ".join(_COLUMNS)} |
|{"---|" * len(_COLUMNS)}
"""


def page(rows: Iterable[Row]) -> str:
    """The whole page, rows in the order of bases, stages, profiles, images and persons."""
    names = tuple(IMAGES)
    ordered = sorted(
        rows,
        key=lambda row: (
            BASES.index(row.base),
            STAGES.index(row.stage),
            PROFILES.index(row.profile),
            names.index(row.image),
            row.person,
        ),
    )
    return HEAD + "".join(f"{row.line}\n" for row in ordered)
