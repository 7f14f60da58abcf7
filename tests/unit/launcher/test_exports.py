"""Exported variables: written by a shell, read by us, written for the next shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents_runner.containers.tools import HostTools
from agents_runner.launcher.exports import difference, parse_exports, render_exports, without_secret_values
from agents_runner.launcher.files import program

names = st.from_regex(r"X_[A-Z0-9_]{1,8}", fullmatch=True)  # no name that a shell knows
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(st.dictionaries(names, values | st.none(), max_size=6))
def test_what_is_written_is_read_back(exports: dict[str, str | None]) -> None:
    assert parse_exports(render_exports(exports)) == exports


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, values, max_size=4))
def test_every_shell_reads_it_the_same(exports: dict[str, str]) -> None:
    text = render_exports(exports).decode() + "cat /proc/self/environ"
    for shell in ("bash", "sh"):
        done = subprocess.run([shell, "-c", text], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
        found = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
        assert {name: found[name] for name in exports} == exports


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(names, values, max_size=4))
@pytest.mark.parametrize(
    "command", [["bash", "-c", "export -p"], ["sh", "-c", "export -p"], ["bash", "--posix", "-c", "export -p"]]
)
def test_every_shells_own_spelling_is_read(command: list[str], exports: dict[str, str]) -> None:
    for locale in ("C.UTF-8", "C"):
        env = {"PATH": os.environ["PATH"], "LC_ALL": locale} | exports
        found = parse_exports(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
        assert {name: found[name] for name in exports} == exports


def test_difference() -> None:
    before = {"A": "1", "B": "2", "C": "3", "N": None}
    assert difference(before, {"A": "1", "B": "two", "D": "4"}) == {"B": "two", "C": None, "D": "4"}


def test_secret_values_are_left_out() -> None:
    kept, dropped = without_secret_values(
        {"A": "fine", "MY_TOKEN": "some-value", "B": "xx hidden-value yy", "GONE_TOKEN": None}, {"S": "hidden-value"}
    )
    assert kept == {"A": "fine", "GONE_TOKEN": None}
    assert dropped == ["B", "MY_TOKEN"]


@pytest.fixture
def control(tmp_path: Path) -> Path:
    for name in ("prelude.bash", "prelude.sh", "dump.bash"):
        (tmp_path / name).write_bytes(program(name))
    return tmp_path


def run_script(control: Path, script: str, **env: str) -> tuple[int, dict[str, str | None], str]:
    """Run a script as the launcher does: its status, what it changed, its output."""
    path = control / "script"
    path.write_text(script)
    full = {"PATH": os.environ["PATH"], "HOME": str(control)} | env
    full |= {"BASH_ENV": str(control / "prelude.bash"), "AGENTS_RUNNER_DUMP": str(control / "00")}
    done = subprocess.run(["bash", str(path)], env=full, capture_output=True, text=True, check=False)
    after = control / "00.after"
    if not after.exists():
        return done.returncode, {}, done.stdout + done.stderr
    changed = difference(parse_exports((control / "00.before").read_bytes()), parse_exports(after.read_bytes()))
    return done.returncode, changed, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("script", "status", "changed"),
    [
        ("export A=1\n", 0, {"A": "1"}),
        ("export A=1\nexit 3\n", 3, {"A": "1"}),
        ("set -e\nexport A=1\nfalse\nexport B=2\n", 1, {"A": "1"}),
        ("set -euo pipefail\nexport A=1\ntrap 'echo out' EXIT\n", 0, {"A": "1"}),
        ("trap 'echo st=$?' EXIT INT\nexport A=1\nexit 4\n", 4, {"A": "1"}),
        ("trap 'exit 9' EXIT\nexport A=1\n", 9, {"A": "1"}),
        ("trap 'echo x' EXIT\ntrap - EXIT\nexport A=1\n", 0, {"A": "1"}),
        ("(trap 'echo inner' EXIT; export B=1)\nexport A=1\n", 0, {"A": "1"}),
        ("set -f -C -u; IFS=:; export A='x * y'; cd /; umask 777\n", 0, {"A": "x * y"}),
        ("export A=$'line\\nline\\ttab'\n", 0, {"A": "line\nline\ttab"}),
        ("export KNOWN=other\n", 0, {"KNOWN": "other"}),
        ("unset KNOWN\n", 0, {"KNOWN": None}),
        ("B=1\ndeclare -x A=2\n", 0, {"A": "2"}),
        ("export PATH=/opt/x:$PATH\nhash -r\n", 0, {"PATH": f"/opt/x:{os.environ['PATH']}"}),
        ("return_it() { return 5; }\nexport A=1\nreturn_it\n", 5, {"A": "1"}),
        ("export A=1\nif then\n", 2, {"A": "1"}),
    ],
)
def test_what_a_script_exports_is_known_however_it_ends(
    control: Path, script: str, status: int, changed: dict[str, str | None]
) -> None:
    code, found, _ = run_script(control, script, KNOWN="before")
    assert code == status
    assert found == changed


def test_a_scripts_own_exit_trap_runs_with_its_own_status(control: Path) -> None:
    code, changed, output = run_script(control, "set -e\ntrap 'echo \"status $?\"' EXIT\nexport A=1\nfalse\n")
    assert (code, changed) == (1, {"A": "1"})
    assert "status 1" in output


def test_exec_loses_the_exports_and_nothing_else(control: Path) -> None:
    code, changed, output = run_script(control, "export A=1\nexec echo replaced\n")
    assert (code, changed) == (0, {})
    assert "replaced" in output


def test_the_script_sees_itself_alone(control: Path) -> None:
    script = 'echo "$0 $LINENO $#"; env | grep -c AGENTS_RUNNER_DUMP; echo "${BASH_ENV-none}"\n'
    _, _, output = run_script(control, script)
    assert output.split() == [str(control / "script"), "1", "0", "0", "none"]


def test_a_bash_env_of_the_image_is_honoured(control: Path) -> None:
    (control / "own").write_text("FROM_OWN=yes\n")
    _, _, output = run_script(control, 'echo "$FROM_OWN $BASH_ENV"\n', AGENTS_RUNNER_BASH_ENV=str(control / "own"))
    assert output.split() == ["yes", str(control / "own")]


def test_exported_functions_are_kept_aside(control: Path) -> None:
    run_script(control, 'greet() { echo "hi $1"; }\nexport -f greet\n')
    _, _, output = run_script(control, "greet you\n")
    assert output == "hi you\n"


def test_plain_sh(control: Path) -> None:
    script = control / "script"
    script.write_text("export A='it''s'\nB=2\nexit 3\n")
    # What writes the variables down is a shell of ours, and nothing that the script lets its own programs load.
    (control / "tools").symlink_to(HostTools(root=control / "host").folder())
    for shell in (shell for shell in ("dash", "busybox") if shutil.which(shell)):
        command = [shell, "sh"] if shell == "busybox" else [shell]
        env = {"PATH": os.environ["PATH"], "AGENTS_RUNNER_DUMP": str(control / "01")}
        done = subprocess.run(
            [*command, "-c", '. "$1"', str(script), str(control / "prelude.sh")], env=env, check=False
        )
        assert done.returncode == 3
        after = parse_exports((control / "01.after").read_bytes())
        assert difference(parse_exports((control / "01.before").read_bytes()), after) == {"A": "its"}
