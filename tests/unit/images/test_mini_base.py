"""The mini base image is made of the host's programs, the same bytes each time, and imported once."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agents_runner.core.errors import WorkspaceError
from agents_runner.images import mini_base
from agents_runner.workspace import host_programs


class OneImage:
    """An engine that holds at most one image, and counts imports."""

    def __init__(self) -> None:
        self.ref = ""
        self.data = b""
        self.changes: Sequence[str] = ()
        self.imports = 0

    def find_image(self, ref: str) -> object | None:
        return self if ref == self.ref else None

    def import_image(self, tar: Iterator[bytes], ref: str, changes: Sequence[str] = ()) -> str:
        self.ref, self.data, self.changes = ref, b"".join(tar), changes
        self.imports += 1
        return "sha256:0"


@pytest.fixture(scope="module")
def base() -> mini_base.MiniBase:
    return mini_base.make_mini_base()


@pytest.fixture(scope="module")
def members(base: mini_base.MiniBase) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(base.tar)) as tar:
        return {member.name: member for member in tar}


def test_the_same_host_gives_the_same_bytes_and_tag(base: mini_base.MiniBase) -> None:
    again = mini_base.make_mini_base()
    assert (again.ref, again.tar) == (base.ref, base.tar)
    assert base.ref.startswith("agents-runner-mini:")


def test_members_are_sorted_roots_and_without_a_time(members: dict[str, tarfile.TarInfo]) -> None:
    assert list(members) == sorted(members)
    assert {(one.uid, one.gid, one.mtime) for one in members.values()} == {(0, 0, 0)}
    assert not any(one.mode & 0o6000 for one in members.values())  # no set-user-id program comes along


def test_every_member_lies_in_a_folder_that_is_there(members: dict[str, tarfile.TarInfo]) -> None:
    for name in members:
        parent = str(Path(name).parent)
        assert parent == "." or members[parent].isdir(), name


@pytest.mark.parametrize("name", ["bash", "sh", "cat", "ls", "mkdir", "chown", "sleep", "sed", "grep", "find", "tr"])
def test_the_programs_that_scripts_use_are_there(members: dict[str, tarfile.TarInfo], name: str) -> None:
    member = members[f"usr/bin/{name}"]
    target = members[f"usr/bin/{member.linkname}"] if member.issym() else member
    assert target.isreg()
    assert target.mode == 0o755


def test_the_folders_that_scripts_use_are_there(members: dict[str, tarfile.TarInfo]) -> None:
    assert members["tmp"].mode == 0o1777
    assert members["root"].mode == 0o700
    assert members["home"].isdir()
    assert {"etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/os-release"} <= members.keys()


def test_it_is_small(base: mini_base.MiniBase) -> None:
    assert len(base.tar) < 60_000_000
    assert max(len(block) for block in base.blocks()) <= 1 << 20


def test_its_programs_run_with_nothing_but_itself(
    base: mini_base.MiniBase, members: dict[str, tarfile.TarInfo], tmp_path: Path
) -> None:
    with tarfile.open(fileobj=io.BytesIO(base.tar)) as tar:
        tar.extractall(tmp_path, filter="tar")
    script = (
        'set -e; x=$(printf \'b\\na\\n\' | sort | head -n 1); [ "$x" = a ]; . /etc/os-release; echo "$PRETTY_NAME"'
    )
    inside = ["chroot", str(tmp_path), "/bin/sh", "-c", script]
    # Without root, a user namespace gives the right to change the root folder, where the kernel allows it.
    for command in (inside, ["unshare", "--user", "--map-root-user", *inside]):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/usr/sbin"}
        )
        if done.returncode == 0:
            assert done.stdout == "Agents Runner mini base\n"
            return
    # Neither is allowed here: at least everything that bash's own ldd names is packed.
    needed = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True).stdout
    for line in needed.splitlines():
        if "=> /" in line:
            assert any(name.endswith(line.split()[0]) for name in members), line


def test_it_is_imported_once(base: mini_base.MiniBase) -> None:
    engine = OneImage()
    assert mini_base.import_mini_base(engine) == base.ref
    assert mini_base.import_mini_base(engine) == base.ref
    assert engine.imports == 1
    assert engine.data == base.tar
    assert "LABEL io.agents-runner.base=mini" in engine.changes


def test_libraries_as_any_ldd_writes_them() -> None:
    text = (
        "/bin/a:\n\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f01)\n"
        "\t/lib64/ld-linux-x86-64.so.2 => /usr/lib64/ld-linux-x86-64.so.2 (0x00007f02)\n\tlibgone.so => not found\n"
        "/bin/b:\n\t/lib/ld-musl-x86_64.so.1 (0x7f03)\n\tnot a dynamic executable\n"
    )
    found = {
        path for match in host_programs._LDD_LINE.finditer(text) for path in match.groups() if path and path[0] == "/"
    }
    assert found == {
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-musl-x86_64.so.1",
    }


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/bin/bash", "usr/bin/bash"),
        ("/lib/x/libc.so.6", "usr/lib/x/libc.so.6"),
        ("/lib64", "usr/lib64"),
        ("/usr/lib/x", "usr/lib/x"),
        ("/nix/store/a/lib/b.so", "nix/store/a/lib/b.so"),
        ("/library/x", "library/x"),
    ],
)
def test_old_folders_lie_below_usr(path: str, inside: str) -> None:
    assert mini_base._inside(path) == inside


def test_a_library_outside_the_usual_folders_is_linked_into_one() -> None:
    links = mini_base._loader_links(["/lib/x/libc.so.6", "/lib/x/libz.so.1", "/opt/own/libown.so.1"])
    assert links == {"usr/lib/x/libown.so.1": "/opt/own/libown.so.1"}


def test_a_host_without_bash_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(name: str, path: str = "") -> str | None:
        return None if name == "bash" else f"{path.partition(':')[0] or '/bin'}/{name}"

    monkeypatch.setattr(host_programs.shutil, "which", which)
    with pytest.raises(WorkspaceError, match="no bash") as caught:
        mini_base.make_mini_base()
    assert caught.value.hint
