"""The scripts that install and start the desktop: clean for the checker, right on machines that lack something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agents_runner.desktop import families

FOLDER = Path(families.__file__).parent


def checker() -> str:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "shellcheck is among the dev dependencies"
    return program


def test_shellcheck_finds_nothing_in_the_scripts(tmp_path: Path) -> None:
    whole = tmp_path / "install.sh"
    whole.write_text(families.install_script())
    scripts = [FOLDER / name for name in families.SCRIPTS]
    # The table's use of words is the whole script's, where a note for one file does not reach.
    done = subprocess.run([checker(), *map(str, scripts)], capture_output=True, text=True)
    assert done.stdout == ""
    done = subprocess.run([checker(), "--exclude=SC2086", str(whole)], capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("family", [*families.FAMILIES, "other"])
def test_the_table_as_a_shell_reads_it(shell: str, family: str) -> None:
    script = families.table() + f'desktop_parts {family} || exit 5\necho "$DESKTOP_PACKAGES|$DESKTOP_EXTRAS"\n'
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True)
    if family == "other":
        assert done.returncode == 5
    else:
        parts = families.FAMILIES[family]
        assert done.stdout == f"{' '.join(parts.packages)}|{' '.join(parts.extras)}\n"


def test_every_script_is_in_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = families.recipe()
    assert before == families.recipe()
    texts = {name: families.program(name) for name in families.SCRIPTS}
    assert set(families.SCRIPTS) == {path.name for path in FOLDER.glob("*.sh")}
    seen = {before}
    for changed in families.SCRIPTS:
        monkeypatch.setattr(
            families, "program", lambda name, changed=changed: texts[name] + ("#" if name == changed else "")
        )
        seen.add(families.recipe())
    assert len(seen) == 1 + len(families.SCRIPTS)


class Machine:
    """A machine of programs that a test puts there, and nothing else but the shell."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("sh", "id", "printf", "env", "cat", "mktemp", "rm", "sha256sum", "true"):
            found = shutil.which(name)
            assert found
            (self.bin / name).symlink_to(found)

    def program(self, name: str, script: str = "exit 0") -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
        path.chmod(0o755)

    def install(self, script: str = "") -> subprocess.CompletedProcess[str]:
        text = (script or families.install_script()).replace("/etc/os-release", str(self.bin / "os-release"))
        text = text.replace("/usr/share/novnc", str(self.bin / "novnc"))
        return subprocess.run(
            [self.bin / "sh", "-c", text], env={"PATH": str(self.bin)}, capture_output=True, text=True, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_base_of_no_known_family_has_a_status_of_its_own(machine: Machine) -> None:
    machine.program("apk")
    done = machine.install()
    assert done.returncode == families.UNKNOWN_BASE
    assert "no family that the desktop can be installed on (known are Debian, Ubuntu and Arch)" in done.stderr


def as_user(machine: Machine) -> None:
    machine.program("id", '[ "$1" = -un ] && echo person || echo 1000')
    machine.program("apt-get", "exit 0")


@pytest.mark.parametrize(("sudo", "word"), [("", "there is no sudo"), ("exit 1", "without a password")])
def test_who_may_not_install_is_told_why(machine: Machine, sudo: str, word: str) -> None:
    as_user(machine)
    if sudo:
        machine.program("sudo", sudo)
    done = machine.install()
    assert done.returncode == families.NO_RIGHTS
    assert word in done.stderr
    assert "The image's user person" in done.stderr


def test_what_is_there_is_left_alone(machine: Machine) -> None:
    as_user(machine)
    for name in families.PROGRAMS:
        machine.program(name)
    (machine.bin / "novnc" / "core").mkdir(parents=True)
    (machine.bin / "novnc" / "core" / "rfb.js").touch()
    done = machine.install()
    assert (done.returncode, done.stdout) == (0, "desktop: everything is there already\n")


def test_an_install_that_leaves_something_out_is_a_failure(machine: Machine) -> None:
    machine.program("id", "echo 0")
    for name in ("apt-get", "find"):
        machine.program(name)
    (machine.bin / "novnc" / "core").mkdir(parents=True)
    (machine.bin / "novnc" / "core" / "rfb.js").touch()
    done = machine.install()
    assert done.returncode == 1
    assert "still missing: Xvnc fluxbox" in done.stderr


def test_another_novnc_than_the_one_expected_is_refused(machine: Machine) -> None:
    machine.program("id", "echo 0")
    machine.program("apt-get")
    machine.program("find")
    machine.program("curl", 'while [ "$1" != -o ]; do shift; done; echo "something else" >"$2"')
    done = machine.install()
    assert done.returncode == 1
    assert "its checksum is another" in done.stdout
    assert "noVNC could not be installed" in done.stderr


@pytest.mark.parametrize(
    ("release", "managers", "family"),
    [
        ("ID=debian", "apt-get pacman", "debian"),
        ("ID=arch", "apt-get pacman", "arch"),
        ('ID=pop\nID_LIKE="ubuntu debian"', "apt-get", "debian"),
        ("ID=manjaro\nID_LIKE=arch", "pacman", "arch"),
        ("ID=strange", "pacman", "arch"),
        ("", "apt-get", "debian"),
    ],
)
def test_the_family_is_what_the_image_says_then_its_package_manager(
    machine: Machine, release: str, managers: str, family: str
) -> None:
    if release:
        (machine.bin / "os-release").write_text(release + "\n")
    for manager in managers.split():
        machine.program(manager)
    text = families.install_script().rpartition("\nmain\n")[0] + "\nfamily\n"
    assert machine.install(text).stdout == f"{family}\n"
