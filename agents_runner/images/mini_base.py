"""The mini base image: a small file system made of the host's own programs, for the demo and for tests.

It needs no registry and no network: bash, the usual small tools and git where the host has it, with the
libraries that `ldd` names, as one tar stream that an engine imports. The same host gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents_runner.core.container import LABEL
from agents_runner.core.errors import WorkspaceError
from agents_runner.workspace.host_programs import find_programs, libraries_of

BASE_LABEL = LABEL + "base"
"""Says which base image we made; nothing is ever removed because of it."""
REPOSITORY = "agents-runner-mini"
CHANGES = (
    f"LABEL {BASE_LABEL}=mini",
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    'CMD ["/bin/bash"]',
)

_NEEDED = ("bash", "sh")
_WANTED = (
    "awk base64 basename cat chgrp chmod chown chroot cksum cmp comm cp cut date dd df diff dirname du echo env "
    "expr false find getent git grep groups gzip head hostname id install kill ln ls md5sum mkdir mkfifo mktemp "
    "mv nice nl nohup nproc od paste printenv printf pwd readlink realpath rm rmdir sed seq setpriv setsid "
    "sha1sum sha256sum sleep sort split stat stty sync tac tail tar tee test timeout touch tr true truncate tsort "
    "tty uname uniq unlink wc whoami xargs yes"
)
_DEFAULT_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_LOCALE = "/usr/lib/locale/C.utf8"
_MERGED = {"/bin/": "/usr/bin/", "/sbin/": "/usr/sbin/", "/lib/": "/usr/lib/", "/lib64/": "/usr/lib64/"}
_FOLDERS = (
    "dev etc home mnt opt proc run srv sys usr usr/bin usr/lib usr/lib64 usr/local usr/local/bin usr/local/lib "
    "usr/local/sbin usr/sbin usr/share usr/share/git-core usr/share/git-core/templates var var/cache var/lib var/log"
)
_FOLDER_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "etc/mtab": "/proc/mounts",
    "var/run": "/run",
}
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'ID=agents-runner-mini\nPRETTY_NAME="Agents Runner mini base"\n',
    "etc/shells": "/bin/sh\n/bin/bash\n",
    # The engine mounts its own over these; the files are here so that it does not have to make them.
    "etc/hostname": "",
    "etc/hosts": "",
    "etc/resolv.conf": "",
}
_BLOCK = 1 << 20


class BaseEngine(Protocol):
    """The part of the engine's port that importing a base image takes."""

    def find_image(self, ref: str) -> object | None: ...

    def import_image(self, tar: Iterator[bytes], ref: str, changes: Sequence[str] = ()) -> str: ...


@dataclass(frozen=True, kw_only=True)
class MiniBase:
    """The image before it is imported: `ref` is derived from the bytes of `tar`."""

    ref: str
    tar: bytes

    def blocks(self) -> Iterator[bytes]:
        """The tar stream, in pieces of at most 1 MiB."""
        for start in range(0, len(self.tar), _BLOCK):
            yield self.tar[start : start + _BLOCK]


def make_mini_base() -> MiniBase:
    """Read the host's programs and pack them. Raises WorkspaceError where there is no bash to pack."""
    programs = _find_programs()
    files, links = _lay_out_programs(programs)
    libraries = libraries_of(sorted(set(programs.values())))
    for library in libraries:
        files[_inside(library)] = Path(library)
    links.update(_loader_links(libraries))
    files.update(_locale_files())
    tar = _pack(files, {**_LINKS, **links})
    return MiniBase(ref=f"{REPOSITORY}:{hashlib.sha256(tar).hexdigest()[:12]}", tar=tar)


def import_mini_base(engine: BaseEngine) -> str:
    """Have the mini base image in the engine, importing it only if it is not there; returns its tag."""
    base = make_mini_base()
    if engine.find_image(base.ref) is None:
        engine.import_image(base.blocks(), base.ref, CHANGES)
    return base.ref


def _find_programs() -> dict[str, str]:
    """Names to the real files behind them; scripts and what the host lacks are left out."""
    found = find_programs((*_NEEDED, *_WANTED.split()))
    for name in _NEEDED:
        if name not in found:
            raise WorkspaceError(
                f"The mini base image cannot be made: this machine has no {name}.",
                "Install bash, or set another base image in the environment.",
            )
    return found


def _lay_out_programs(programs: Mapping[str, str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Each real file once in /usr/bin, under its own name; other names for it are links (sh to dash)."""
    files: dict[str, Path] = {}
    links: dict[str, str] = {}
    for name, real in programs.items():
        own = Path(real).name
        files[f"usr/bin/{own}"] = Path(real)
        if own != name:
            links[f"usr/bin/{name}"] = own
    return files, {name: target for name, target in links.items() if name not in files}


def _loader_links(libraries: Iterable[str]) -> dict[str, str]:
    """Links for libraries in folders that the loader knows only from a cache file, which the image has not."""
    paths = [Path(library) for library in libraries]
    home = next((path.parent for path in paths if path.name.startswith("libc.so")), None)
    if home is None:
        return {}
    known = {_inside(folder) for folder in (*_DEFAULT_LIBRARIES, str(home))}
    return {
        f"{_inside(str(home))}/{path.name}": f"/{_inside(str(path))}"
        for path in paths
        if _inside(str(path.parent)) not in known
    }


def _locale_files() -> dict[str, Path]:
    """The UTF-8 locale of the C library, where it is a folder of files: scripts commonly ask for it."""
    return {_inside(str(path)): path for path in Path(_LOCALE).rglob("*") if path.is_file()}


def _inside(path: str) -> str:
    """Where a host's path is in the image, relative to its root: /bin, /lib and the like are below /usr there."""
    for old, new in _MERGED.items():
        if f"{path}/".startswith(old):
            path = new + path[len(old) :]
            break
    return path.strip("/")


def _pack(files: Mapping[str, Path], links: Mapping[str, str]) -> bytes:
    """One tar, sorted by name, owned by root, without a time of its own."""
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for name, mode in {**dict.fromkeys(_FOLDERS.split(), 0o755), **_FOLDER_MODES}.items():
        members[name] = _member(name, tarfile.DIRTYPE, mode)
    for name, path in files.items():
        executable = path.stat().st_mode & stat.S_IXUSR
        members[name] = _member(name, tarfile.REGTYPE, 0o755 if executable else 0o644, path.read_bytes())
    for name, text in _TEXTS.items():
        members[name] = _member(name, tarfile.REGTYPE, 0o644, text.encode())
    for name, target in links.items():
        if name not in files:
            members[name] = _member(name, tarfile.SYMTYPE, 0o777, link=target)
    for name in tuple(members):
        for folder in list(Path(name).parents)[:-1]:
            members.setdefault(str(folder), _member(str(folder), tarfile.DIRTYPE, 0o755))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(members):
            info, data = members[name]
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _member(name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    info.uname = info.gname = "root"
    return info, data
