"""The shell scripts of the checkout: clean for the checkers, and right on machines that lack something."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]
TOOLS = (
    "bash cat chmod cp cut dirname env find grep head id ln mkdir mktemp rm sed sleep sort stat tail timeout tr uname"
)

DOCKERD = """#!{python}
import os, socket, sys, time

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("fake engine", sys.argv[1:], flush=True)
if "--broken" in sys.argv:
    sys.exit("failed to start daemon: no luck")
server = socket.socket(socket.AF_UNIX)
server.bind(options["--host"].removeprefix("unix://"))
server.listen()
while True:
    client, _ = server.accept()
    line = client.recv(4096).partition(b"\\r\\n")[0]
    body = b"OK" if b"/_ping" in line else os.environb.get(b"FAKE_CONTAINERS", b"[]")
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    client.close()
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A small machine: a PATH of its own, and a copy of the scripts."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def have(self, *names: str) -> None:
        for name in names:
            found = shutil.which(name)
            if found and not (self.bin / name).exists():
                (self.bin / name).symlink_to(found)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run bash code after sourcing what the scripts share, with nothing but this machine's programs."""
        code = f'source "{self.folder}/scripts/common.sh"; PATH="{self.bin}"; {script}'
        return subprocess.run(
            [str(self.bin / "bash"), "-c", f"set -euo pipefail; {code}", "bash", *args],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(self.bin), "HOME": str(self.folder), "TMPDIR": str(self.folder)} | env,
        )


@pytest.fixture
def machine() -> Iterator[Machine]:
    # Not pytest's own folder: a socket's path may have 107 bytes only.
    folder = Path(tempfile.mkdtemp(prefix="ar-scripts-"))
    made = Machine(folder=folder)
    made.bin.mkdir()
    made.have(*TOOLS.split())
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    try:
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def setup_script(machine: Machine) -> str:
    """Code that defines setup.sh's functions without running them, so that a test can take things away."""
    text = (machine.folder / "scripts" / "setup.sh").read_text()
    head, found, _ = text.rpartition('main "$@"')
    assert found
    # The usual folders would come back with common.sh, and this machine's own programs with them.
    common = machine.folder / "scripts" / "common.sh"
    common.write_text(common.read_text().replace('PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"', ":"))
    (machine.folder / "scripts" / "functions.sh").write_text(head)
    return f'source "{machine.folder}/scripts/functions.sh"'


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_bash_can_read_it(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_shellcheck_finds_nothing() -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "shellcheck is among the dev dependencies"
    done = subprocess.run(
        [program, "--external-sources", *map(str, SCRIPTS)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_is_to_be_run_stops_at_the_first_error(path: Path) -> None:
    lines = path.read_text().splitlines()
    if lines[0].startswith("#!"):
        assert "set -euo pipefail" in lines
        assert os.access(path, os.X_OK)
    else:
        assert lines[0] == "# shellcheck shell=bash"


def test_an_unknown_option_is_refused() -> None:
    done = subprocess.run(["bash", str(ROOT / "scripts/setup.sh"), "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "--nonsense" in done.stderr


class TestMachinesThatLackThings:
    def test_no_package_manager_names_every_missing_thing(self, machine: Machine) -> None:
        done = machine.run(f"{setup_script(machine)}; main")
        assert done.returncode == 1
        assert "package manager" in done.stderr
        for thing in ("git (on Debian: git)", "Python 3.11 or newer", "libGL.so.1", "libxcb-cursor.so.0"):
            assert thing in done.stderr
        assert "Traceback" not in done.stderr

    def test_no_root_names_the_command(self, machine: Machine) -> None:
        machine.program("apt-get", "#!/bin/sh\necho must not run >&2\nexit 9\n")
        done = machine.run(f"{setup_script(machine)}; is_root() {{ false; }}; main")
        assert done.returncode == 1
        assert "apt-get update && apt-get install -y --no-install-recommends " in done.stderr
        command = next(line for line in done.stderr.splitlines() if "apt-get install" in line)
        assert {"git", "libgl1", "libxcb-cursor0", "python3-venv"} <= set(command.split())
        assert "must not run" not in done.stderr

    def test_test_packages_are_asked_for_only_with_dev(self, machine: Machine) -> None:
        code = f"{setup_script(machine)}; main"
        assert "xdotool" not in machine.run(code).stderr
        assert "xdotool" in machine.run(f"{code} --dev").stderr

    def test_packages_are_installed_with_further_tries(self, machine: Machine) -> None:
        calls = machine.folder / "calls"
        machine.program(
            "apt-get",
            f'#!/bin/sh\necho "$*" >>{calls}\n'
            f'case "$*" in *install*) [ "$(grep -c install {calls})" -ge 2 ];; esac\n',
        )
        done = machine.run(
            f"{setup_script(machine)}; is_root() {{ true; }}; sleep() {{ :; }}; system_packages", DEBIAN_FRONTEND=""
        )
        assert done.returncode == 0, done.stderr
        lines = calls.read_text().splitlines()
        assert [("update" in line, "install" in line) for line in lines] == [
            (True, False),
            (False, True),
            (False, True),
        ]
        assert "--no-install-recommends" in lines[-1]
        assert " git " in lines[-1]

    def test_a_failed_install_shows_its_log(self, machine: Machine) -> None:
        machine.program("apt-get", "#!/bin/sh\necho E: no such package\nexit 100\n")
        done = machine.run(f"{setup_script(machine)}; is_root() {{ true; }}; sleep() {{ :; }}; system_packages")
        assert done.returncode == 1
        assert "| E: no such package" in done.stderr
        assert "could not be installed" in done.stderr

    def test_an_old_python_is_named(self, machine: Machine) -> None:
        machine.program("python3", '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit\nexit 1\n')
        done = machine.run(f"{setup_script(machine)}; system_packages() {{ :; }}; main")
        assert done.returncode == 1
        assert "Python 3.11 or newer is needed; this machine has Python 3.9.2." in done.stderr

    def test_a_fresh_virtual_environment_is_left_alone(self, machine: Machine) -> None:
        machine.have("python3")
        code = (
            f"{setup_script(machine)}; PYTHON='{sys.executable}'; install_package() {{ echo \"got $1\"; }}; "
            f'make_venv() {{ mkdir -p "$VENV/bin"; ln -sfn "$PYTHON" "$VENV/bin/python"; echo made; }}; '
        )
        first = machine.run(f"{code} virtual_environment; virtual_environment")
        assert first.stdout.splitlines()[-3:] == ["made", "got .", "[setup] virtual environment: already there"]
        (machine.folder / "pyproject.toml").write_text("# another one\n")
        assert "got ." in machine.run(f"{code} virtual_environment").stdout
        with (machine.folder / "requirements" / "run.txt").open("a") as lock:
            lock.write("# another one\n")
        assert "got ." in machine.run(f"{code} virtual_environment").stdout
        # What the tests need includes what running needs.
        dev = machine.run(f"{code} DEV=1; virtual_environment; DEV=; virtual_environment")
        assert dev.stdout.splitlines()[-2:] == ["got .[dev,desktop]", "[setup] virtual environment: already there"]

    @pytest.mark.parametrize(("what", "lock"), [(".", "run.txt"), (".[dev,desktop]", "dev.txt")])
    def test_packages_are_those_of_the_lock_and_nothing_else(self, machine: Machine, what: str, lock: str) -> None:
        told = machine.folder / "told"
        code = f'{setup_script(machine)}; VENV="{machine.folder}/venv"; install_package "{what}"'
        (machine.folder / "venv" / "bin").mkdir(parents=True)
        machine.program(
            "../venv/bin/python", f'#!{shutil.which("sh")}\n[ "$1" != - ] || echo old; echo "$*" >>"{told}"\n'
        )
        assert machine.run(code).returncode == 0
        requirements = machine.folder / "requirements"
        pip = "-m pip --disable-pip-version-check"
        assert told.read_text().splitlines() == [
            f"{pip} install --require-hashes -r {requirements}/{lock}",
            f"{pip} install --no-index --no-deps --no-build-isolation -e {machine.folder}",
            f"- {requirements}/dev.txt",
            f"{pip} uninstall --yes old",
            f"{pip} check",
        ]


class TestEngine:
    """Finding, starting and stopping, with a program in dockerd's place."""

    @pytest.fixture
    def engine(self, machine: Machine) -> Machine:
        setup_script(machine)
        machine.have("setsid", "kill")
        machine.program("dockerd", DOCKERD.format(python=sys.executable))
        machine.program("sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\n[ "$1" = -- ] && shift\nexec "$@"\n')
        return machine

    def drive(self, machine: Machine, code: str, **env: str) -> subprocess.CompletedProcess[str]:
        prelude = f'source "{machine.folder}/scripts/engine.sh"; trap engine_down EXIT'
        settings = {
            "AGENTS_RUNNER_PYTHON": sys.executable,
            "AGENTS_RUNNER_ENGINE_SOCKET": str(machine.folder / "s"),
            "AGENTS_RUNNER_ENGINE_WAIT": "20",
        }
        return machine.run(f"{prelude}; {code}", **(settings | env))

    @staticmethod
    def process_of(out: str) -> int:
        return int(out.partition("answers (process ")[2].partition(")")[0])

    def test_one_is_started_and_stopped_again(self, engine: Machine) -> None:
        done = self.drive(engine, 'engine_up; echo "host $DOCKER_HOST"')
        assert done.returncode == 0, done.stderr
        assert f"host unix://{engine.folder}/s" in done.stdout
        assert "stopping the one that was started here" in done.stdout
        assert not Path(f"/proc/{self.process_of(done.stdout)}").exists()
        assert not list(engine.folder.glob("agents-runner-engine.*"))

    def test_one_that_is_there_is_used_and_left(self, engine: Machine) -> None:
        done = self.drive(engine, 'engine_up; (ENGINE_DIR=; engine_up; engine_down); engine_state "$DOCKER_HOST"')
        assert done.returncode == 0, done.stderr
        assert ": already there\nup\n" in done.stdout
        assert done.stdout.count("starting dockerd") == 1
        assert done.stdout.count("stopping") == 1

    def test_it_is_kept_on_request(self, engine: Machine) -> None:
        done = self.drive(engine, "engine_up", AGENTS_RUNNER_KEEP_ENGINE="1")
        process = self.process_of(done.stdout)
        try:
            assert Path(f"/proc/{process}").exists()
            assert f"left running (process {process}" in done.stdout
        finally:
            os.kill(process, signal.SIGKILL)

    def test_it_is_not_stopped_under_a_running_container(self, engine: Machine) -> None:
        code = "trap 'engine_down --unless-busy' EXIT; engine_up"
        done = self.drive(engine, code, FAKE_CONTAINERS='[{"Id": "1"}]')
        process = self.process_of(done.stdout)
        try:
            assert Path(f"/proc/{process}").exists()
            assert f"stop it with: kill {process}" in done.stdout
        finally:
            os.kill(process, signal.SIGKILL)
        idle = self.drive(engine, f"rm -f '{engine.folder}/s'; {code}")
        assert "stopping the one that was started here" in idle.stdout

    def test_one_that_does_not_come_up_shows_its_log(self, engine: Machine) -> None:
        done = self.drive(engine, "engine_up", AGENTS_RUNNER_DOCKERD_ARGS="--broken yes")
        assert done.returncode == 1
        assert "| failed to start daemon: no luck" in done.stderr
        assert "does not come up" in done.stderr

    def test_a_socket_without_an_engine_behind_it_is_no_engine(self, engine: Machine) -> None:
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(engine.folder / "s"))
        left.close()
        assert self.drive(engine, f"engine_state 'unix://{engine.folder}/s'").stdout == "down\n"

    def test_one_that_does_not_answer_is_not_replaced(self, engine: Machine) -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(engine.folder / "s"))
            silent.listen()
            done = self.drive(engine, "engine_up", AGENTS_RUNNER_ENGINE_WAIT="1")
        assert done.returncode == 1
        assert "takes connections but does not answer" in done.stderr
        assert "starting" not in done.stdout

    def test_a_named_engine_that_is_away_is_not_replaced(self, engine: Machine) -> None:
        done = self.drive(engine, "engine_up", AGENTS_RUNNER_ENGINE_SOCKET="", DOCKER_HOST="unix:///nowhere/s")
        assert done.returncode == 1
        assert "unix:///nowhere/s does not answer" in done.stderr
        assert "unset DOCKER_HOST" in done.stderr
        assert "starting" not in done.stdout

    def test_a_stale_pid_file_is_removed_and_a_living_one_kept(self, engine: Machine) -> None:
        stale, living = engine.folder / "stale.pid", engine.folder / "living.pid"
        stale.write_text(f"{os.getpid()}\n")  # alive, but no dockerd
        living.write_text(f"{os.getpid()}\n")
        name = Path("/proc/self/comm").read_text().strip()
        done = self.drive(engine, f"forget_stale_pid '{stale}' dockerd; forget_stale_pid '{living}' '{name}'")
        assert done.returncode == 0, done.stderr
        assert not stale.exists()
        assert living.exists()

    def test_no_engine_and_nothing_to_start_says_what_to_install(self, engine: Machine) -> None:
        (engine.bin / "dockerd").unlink()
        done = self.drive(engine, "engine_up")
        assert done.returncode == 1
        assert "apt-get install docker.io" in done.stderr

    def test_a_closed_socket_explains_the_group(self, engine: Machine) -> None:
        engine.program("usermod", "#!/bin/sh\nexit 9\n")
        (engine.folder / "s").touch()
        done = self.drive(engine, f"id() {{ echo somebody; }}; explain_denied '{engine.folder}/s'")
        assert done.returncode == 1
        assert "sudo usermod -aG" in done.stderr


def test_the_fast_tests_take_the_contract_of_the_fake_engine_and_ask_no_real_one(tmp_path: Path) -> None:
    fast = (ROOT / "scripts" / "test.sh").read_text().partition("run_fast() {")[2].partition("\n}\n")[0]
    assert "tests/contract -k fake" in fast
    # What would be set up, with nothing of it set up.
    plan = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--setup-plan",
            f"--basetemp={tmp_path}/own",
            "tests/contract",
            "-k",
            "fake",
        ],
        cwd=ROOT,
        env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/no-engine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plan.returncode == 0, plan.stdout[-2000:]
    for promises in ("test_engine_contract.py", "test_session_contract.py"):
        assert f"tests/contract/{promises}::" in plan.stdout
    assert re.findall(r"SETUP +\w +(engine|mini_base|real)\b", plan.stdout) == []
