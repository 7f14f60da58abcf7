"""Who runs with which rights: nothing with more than whoever could have written it; what the stages leave."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.docker.test_whose_files import with_user
from tests.support import sweep
from tests.support.cli import Cli, Done

ROOT = r'[ "$(id -u)" != 0 ] || { cp /bin/bash /workspace/gift; chmod 4755 /workspace/gift; : >/workspace/was-root; }'


@pytest.fixture
def tool_image(mini_base: str) -> Iterator[str]:
    """A base image with a user of its own, as whom the set-up scripts run."""
    ref = with_user(mini_base, "tool")
    yield ref
    sweep.remove_base(ref)


@pytest.fixture
def work(user_folder: Path, ordinary_user: pwd.struct_passwd) -> Path:
    folder = user_folder / "work"
    folder.mkdir()
    os.chown(folder, ordinary_user.pw_uid, ordinary_user.pw_gid)
    return folder


def gifts(folder: Path) -> list[str]:
    """What should never be there: files of root's, setuid and setgid bits, devices, and signs that root ran."""
    found = []
    for path in folder.rglob("*"):
        seen = path.lstat()
        if seen.st_uid == 0 or (path.is_file() and seen.st_mode & 0o6000) or path.is_block_device():
            found.append(f"{path.name} {seen.st_mode:o} {seen.st_uid}")
        elif path.name == "was-root":
            found.append(path.name)
    return found


SAY = f"R={shlex.quote(ROOT)}\n"
PLANT = (
    SAY
    + """mkdir -p ~/bin
for name in setpriv find chown chmod mkdir cat sh bash env rm sed sudo; do
    printf '%s\\n' '#!/bin/bash -p' 'PATH=/usr/bin:/bin' "$R" 'exec "/usr/bin/${0##*/}" "$@"' >~/bin/$name
    chmod 755 ~/bin/$name
done
"""
)
H1 = {
    "code in the exports": SAY + "trap 'echo \"$R\" >>/run/agents-runner/state/00.after' EXIT\n",
    "code instead of exports": SAY + 'echo "$R" >/run/agents-runner/state/00.after; kill -9 $$\n',
    "code behind a value": SAY + "trap 'echo \"export A=x; $R\" >>/run/agents-runner/state/00.after' EXIT\n",
    "code behind a quote": SAY
    + "trap 'echo \"export A=\\047x\\047; $R\" >>/run/agents-runner/state/00.after' EXIT\n",
    "code in a value": SAY + 'export A="\\$($R)" B="\\`$R\\`"\n',
    "path": PLANT + "export PATH=~/bin:$PATH\n",
    "bash env": SAY + 'echo "$R" >~/env; export BASH_ENV=~/env ENV=~/env\n',
    "function": SAY + 'for one in setpriv find bash; do eval "function $one { $R; }"; export -f $one; done\n',
    "separators": "export IFS=/ PS4='$(id)' CDPATH=/tmp\n",
    "image's exports": PLANT
    + "{ mkdir -p /etc/agents-runner && echo 'touch /workspace/was-root'; } >/etc/agents-runner/exports.sh || :\n"
    "export PATH=~/bin:$PATH\n",
    "links": "ln -s /etc ~/etc; ln -s /etc/passwd ~/p; ln -s / /workspace/all; ln -s /etc/shadow /workspace/s\n",
}
KILLED = ("code instead of exports",)
"""Where the script ends with an error: there is no agent then."""


@pytest.mark.parametrize("kind", sorted(H1))
def test_h1_root_runs_nothing_that_the_images_user_wrote(
    make_environment: MakeEnvironment, user_cli: Cli, work: Path, tool_image: str, kind: str
) -> None:
    name = make_environment(
        run_as=user_cli,
        base_image=tool_image,
        workspace=str(work),
        cached_preflight_script="",
        run_preflight_script=H1[kind] + "true\n",
    )
    user_cli("run", name, "id -u >uid", "--json", check=False)
    assert gifts(work) == []
    if kind not in KILLED:
        assert (work / "uid").read_text().strip() == str(work.stat().st_uid)


def test_h1_not_over_two_tasks_either(
    make_environment: MakeEnvironment, user_cli: Cli, work: Path, tool_image: str
) -> None:
    name = make_environment(
        run_as=user_cli,
        base_image=tool_image,
        workspace=str(work),
        run_preflight_script="export PATH=/workspace/node_modules/.bin:$PATH\n",
    )
    planting = PLANT.replace("~/bin", "node_modules/.bin")
    user_cli("run", name, planting, "--json")
    user_cli("run", name, "true", "--json", check=False)
    assert gifts(work) == []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PATH"])
def test_h1_a_variable_of_the_environment_reaches_no_program_of_roots(
    make_environment: MakeEnvironment, user_cli: Cli, work: Path, tool_image: str, name: str
) -> None:
    (work / "own").mkdir()
    (work / "own" / "setpriv").write_text(f"#!/bin/bash\n{ROOT}\n")
    (work / "own" / "setpriv").chmod(0o755)
    value = "/workspace/own:/usr/bin:/bin" if name in ("PATH", "LD_LIBRARY_PATH") else "/workspace/own/setpriv"
    made = make_environment(
        run_as=user_cli,
        base_image=tool_image,
        workspace=str(work),
        env_vars=f'{{"{name}": "{value}"}}',
        run_preflight_script="true\n",
    )
    done = user_cli("run", made, f'echo "is ${name}"', "--json")
    assert any(line.startswith("is ") and line.endswith(value) for line in done.log)
    assert not (work / "was-root").exists()


def test_h1_no_script_reads_the_launchers_memory_or_its_output(make_environment: MakeEnvironment, cli: Cli) -> None:
    """Root's own script: it sees no file, no memory and no variable of a process of ours."""
    look = r"""
for pid in 1 $PPID $(cd /proc; echo [0-9]*); do
    case $(tr '\0' ' ' </proc/$pid/cmdline 2>/dev/null) in */tools/*|*docker-init*) ;; *) continue ;; esac
    for file in environ mem maps fd/0 fd/1 fd/2; do
        [ ! -e /proc/$pid/cmdline ] || echo "tried $file"
        if (exec 9</proc/$pid/$file) 2>/dev/null; then echo "open $file of $pid"; fi
    done
done
"""
    name = make_environment(run_preflight_script=look, cached_preflight_script=look)
    done = cli("run", name, "true", "--json")
    assert done.log.count("tried mem") >= 4
    assert [line for line in done.log if line.startswith("open ")] == []


def test_h3_what_the_cached_preflight_left_running_ends_with_it(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    leave = "(trap '' HUP TERM; while :; do sleep 0.1; done) & (setsid sleep 1000 &) ; echo $! >/left\n"
    name = make_environment(
        cache_container_build="false",
        cached_preflight_script=leave,
        run_preflight_script="sleep 1234 &\ncat /proc/[0-9]*/cmdline | tr '\\0' ' ' >/workspace/at-run\n",
    )
    cli("run", name, "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' >/workspace/at-agent", "--json")
    assert "sleep 1000" not in (workspace / "at-run").read_text()
    # What the run preflight started stays: people start databases there.
    assert "sleep 1234" in (workspace / "at-agent").read_text()


def test_h3_setuid_files_and_foreign_names_of_roots_scripts(
    make_environment: MakeEnvironment, user_cli: Cli, work: Path, mini_base: str, ordinary_user: pwd.struct_passwd
) -> None:
    (work / "roots").write_text("root's own\n")
    leave = """cd /workspace
cp /bin/bash suid; chmod 4755 suid
cp /bin/bash sgid; chmod 2755 sgid
cp /bin/bash foreign; chown 4242 foreign; chmod 4755 foreign
mkdir folder; chmod 2775 folder; cp /bin/bash folder/deep; chmod 6755 folder/deep
mknod device b 7 0 2>/dev/null || echo refused >device-refused
ln roots second
ln -s /etc/passwd link
mkfifo pipe
"""
    name = make_environment(run_as=user_cli, base_image=mini_base, workspace=str(work), run_preflight_script=leave)
    done = user_cli("run", name, "stat -c '%u' /etc/passwd", "--json")
    assert done.log[-1] == "0"
    assert (work / "device-refused").exists()
    assert not (work / "device").exists()
    for one in ("suid", "sgid", "foreign", "folder/deep"):
        assert not (work / one).stat().st_mode & 0o6000, one
    assert (work / "folder").stat().st_uid == ordinary_user.pw_uid
    assert (work / "roots").stat().st_uid == 0
    assert "hard links" in done.out


def status(done: Done) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in done.log if ":\t" in line)


NOTHING = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0000000000000000")


def test_s6_roots_agent_has_no_capability(make_environment: MakeEnvironment, cli: Cli) -> None:
    done = cli("run", make_environment(), "cat /proc/self/status", "--json")
    seen = status(done)
    assert {name: seen[name] for name in NOTHING} == NOTHING
    assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")
    assert seen["Uid"].split() == ["0"] * 4


def test_s6_no_process_of_ours_can_be_looked_into_by_the_agent(
    make_environment: MakeEnvironment, user_cli: Cli, work: Path, mini_base: str
) -> None:
    look = r"""
for pid in 1 $PPID; do for file in environ mem maps fd/0 fd/1; do
    if head -c 1 /proc/$pid/$file >/dev/null 2>&1; then echo "open $pid $file"; fi
done; done
echo looked
"""
    name = make_environment(
        run_as=user_cli, base_image=mini_base, workspace=str(work), run_preflight_script="sleep 1000 &\n"
    )
    assert user_cli("run", name, look, "--json").log == ["looked"]


def test_low_a_program_that_needs_root_is_named_once(make_environment: MakeEnvironment, cli: Cli) -> None:
    agent = "sudo true; sudo true; printf '\\036- needs-root rm -rf\\n'; printf '\\036- needs-root apt\\n'; true"
    done = cli("run", make_environment(), agent, "--json")
    told = [one["message"] for one in done.events if one["event"] == "notice"]
    assert told == ["The agent's apt needs root, which the agent does not have.",
                    "The agent's sudo needs root, which the agent does not have."]  # fmt: skip
    assert any("choose the profile Sudo" in line for line in done.log)


def test_low_a_loader_that_can_be_run_and_not_read(
    ar_home: Path, cli: Cli, make_environment: MakeEnvironment
) -> None:
    cli("run", make_environment(), "true", "--json")
    (folder,) = (path for path in (ar_home / "tools").iterdir() if path.is_dir())
    assert (folder / "ld-hidden.so").stat().st_mode & 0o777 == 0o111
    assert subprocess.run([folder / "ld.so", "--version"], capture_output=True, check=True).stdout
