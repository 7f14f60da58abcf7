"""The command line as a process: standard streams that are closed, full or endless, and files that are no files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import Cli, Done

Shell = Callable[..., Done]
NO_ENGINE = "unix:///nonexistent/engine.sock"


@pytest.fixture
def shell(ar_home: Path, tmp_path: Path) -> Shell:
    """A line of the shell in which `ar` is the program; it has 512 MB of memory and a minute."""

    def run(line: str, *, status: int) -> Done:
        done = subprocess.run(
            ["bash", "-c", f'ulimit -v 4000000; ar() {{ {sys.executable} -m agents_runner "$@"; }}; {line}'],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=tmp_path,
            env=os.environ | {"AGENTS_RUNNER_HOME": str(ar_home), "DOCKER_HOST": NO_ENGINE},
            timeout=60,
            check=False,
        )
        found = Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
        assert "Traceback" not in found.err, found.err
        assert "Exception ignored" not in found.err, found.err
        assert found.code == status, found
        return found

    return run


COMMANDS = (
    "env list",
    "env list --json",
    "settings",
    "settings --json",
    "tasks list",
    "--help",
    "env create other --set base_image=debian:12",
)


@pytest.mark.parametrize("words", COMMANDS)
def test_low_a_full_standard_output_is_one_sentence_and_status_one(shell: Shell, words: str) -> None:
    done = shell(f"ar {words} >/dev/full", status=1)
    assert done.out == ""
    if words != "--help":
        assert "Standard output cannot be written: No space left on device." in done.err
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("words", COMMANDS)
def test_low_a_closed_standard_output_is_one_sentence_and_status_one(shell: Shell, words: str) -> None:
    done = shell(f"ar {words} >&-", status=1)
    if words != "--help":
        assert "Standard output cannot be written" in done.err
        assert len(done.err.splitlines()) == 1


def test_low_a_reader_that_has_gone_is_no_error_to_shout_about(shell: Shell) -> None:
    done = shell("(ar settings; echo status $? >&2) | true", status=0)
    assert done.err in ("status 1\n", "status 0\n")


@pytest.mark.parametrize(
    ("words", "status"), [("env list", 0), ("env show nobody", 1), ("nonsense", 2), ("settings --set x", 2)]
)
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_low_without_a_standard_error_the_status_is_the_same(
    shell: Shell, words: str, status: int, closed: str
) -> None:
    assert shell(f"ar {words} {closed}", status=status).err == ""


def test_low_no_file_of_ours_takes_the_place_of_a_closed_stream(shell: Shell, ar_home: Path) -> None:
    shell("ar env create one --set base_image=debian:12", status=0)
    shell("ar tasks list <&- >&- 2>&-", status=1)
    shell("ar env create two --set base_image=debian:12 <&- >&- 2>&-", status=1)
    # Both were made, and nothing was written into what is not standard output.
    assert {one["name"] for one in json.loads(shell("ar env list --json", status=0).out)} == {"one", "two"}
    for path in (path for path in ar_home.rglob("*") if path.is_file()):
        assert b"cannot be written" not in path.read_bytes(), path


INPUTS = (
    "run one -",
    "env create x --set run_preflight_script=@-",
    "env secret set one TOKEN",
    "preflight check - --stage run",
    "preflight split -",
)


@pytest.mark.parametrize("words", INPUTS)
def test_low_a_closed_standard_input_is_an_error_at_its_field(shell: Shell, words: str) -> None:
    shell("ar env create one --set base_image=debian:12", status=0)
    done = shell(f"ar {words} --json <&-", status=1)
    error = json.loads(done.out)["error"]
    assert error["message"].startswith("Standard input cannot be read")
    assert error["field"]


@pytest.mark.parametrize("words", INPUTS)
def test_low_a_standard_input_without_end_is_an_error_at_its_field(shell: Shell, words: str) -> None:
    shell("ar env create one --set base_image=debian:12", status=0)
    done = shell(f"ar {words} --json </dev/zero", status=1)
    error = json.loads(done.out)["error"]
    assert "holds more than" in error["message"]
    assert error["field"]


FILES = (
    "env create x --set run_preflight_script=@{}",
    "settings --set docker_host=@{}",
    "preflight check {} --stage run",
    "preflight check /dev/null --stage run --before {}",
    "preflight split {}",
    "env import {}",
)


@pytest.mark.parametrize("words", FILES)
@pytest.mark.parametrize("kind", ["/dev/zero", "fifo", "folder", "huge", "socket", "~nobody-here/x"])
def test_low_what_is_no_file_of_a_sensible_size_is_refused_without_waiting(
    shell: Shell, tmp_path: Path, words: str, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(50_000_000_000)
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    name = kind if kind.startswith(("/", "~")) else str(path)
    done = shell(f"ar {words.format(name)} --json", status=1)
    assert json.loads(done.out)["error"]["message"]


def test_low_a_script_of_ten_megabytes_is_still_one(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "large.sh").write_text("# " + "x" * 10_000_000 + "\ntrue\n")
    shell("ar env create large --set base_image=debian:12 --set run_preflight_script=@large.sh", status=0)
    stored = json.loads(shell("ar env show large --json", status=0).out)
    assert stored["run_preflight_script"] == (tmp_path / "large.sh").read_text()


NULS = ("base_image", "workspace", "mounts", "agent", "agent_args", "run_preflight_script", "name", "cache_inputs")


@pytest.mark.parametrize("field", NULS)
@pytest.mark.parametrize("before", ["", "https://host/a", "/tmp/a", "x"])
def test_low_a_nul_is_an_error_at_its_field(shell: Shell, tmp_path: Path, field: str, before: str) -> None:
    (tmp_path / "value").write_bytes(before.encode() + b"\0b")
    done = shell(f"ar env create one --set base_image=debian:12 --set {field}=@value --json", status=1)
    assert json.loads(done.out)["error"]["field"]


def test_low_an_error_that_nobody_foresaw_is_one_sentence_and_the_rest_is_in_the_log(
    shell: Shell, ar_home: Path, tmp_path: Path
) -> None:
    """A module of the program's that breaks when it is needed stands for whatever nobody thought of."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, types\n"
        "broken = types.ModuleType('agents_runner.cli.settings_commands')\n"
        "def settings(services, args): raise RuntimeError('nobody foresaw')\n"
        "broken.settings = settings\n"
        "sys.modules['agents_runner.cli.settings_commands'] = broken\n"
    )
    done = shell(f"PYTHONPATH={tmp_path} ar settings --json", status=1)
    error = json.loads(done.out)["error"]
    log = ar_home / "application.log"
    assert str(log) in error["hint"]
    assert "RuntimeError: nobody foresaw" in log.read_text()


def test_doctor_names_the_log(shell: Shell, ar_home: Path) -> None:
    checks = json.loads(shell("ar doctor --json", status=1).out)["checks"]
    assert [one["text"] for one in checks if one["name"] == "log"] == [str(ar_home / "application.log")]


DAMAGES: dict[str, bytes] = {
    "text": b"not json at all",
    "nul": b"\0" * 300,
    "list": b"[1, 2]",
    "torn": b'{"version": 1',
}


@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("words", ["env list", "settings", "tasks list"])
def test_f18_damaged_settings_are_named_on_standard_error(shell: Shell, ar_home: Path, what: str, words: str) -> None:
    ar_home.mkdir()
    (ar_home / "settings.json").write_bytes(DAMAGES[what])
    done = shell(f"ar {words}", status=0)
    (line,) = [line for line in done.err.splitlines() if line.startswith("!!")]
    (aside,) = (ar_home / "damaged").iterdir()
    assert str(aside) in line
    assert aside.read_bytes() == DAMAGES[what]
    # It is told once; that it is there is still said by the doctor.
    assert shell(f"ar {words}", status=0).err == ""
    checks = json.loads(shell("ar doctor --json", status=1).out)["checks"]
    assert [str(aside) in one["text"] for one in checks if one["name"] == "files set aside"] == [True]


def test_f18_damaged_files_are_named_as_json_where_json_was_asked_for(shell: Shell, ar_home: Path) -> None:
    ar_home.mkdir()
    (ar_home / "settings.json").write_bytes(b"no")
    (ar_home / "tasks.sqlite3").write_bytes(b"no database at all" * 100)
    (ar_home / "environments").mkdir()
    (ar_home / "environments" / "bad.json").write_bytes(b"no environment")
    done = shell("ar run nobody x --json", status=1)
    problems = [json.loads(line)["problem"] for line in done.err.splitlines()]
    assert all(Path(one["path"]).exists() for one in problems)
    names = {Path(one["path"]).name.split("-")[0] for one in problems}
    assert names >= {"settings", "bad"}, "whatever the command was about"
    done = shell("ar tasks list --json", status=0)
    assert "tasks-" in json.loads(done.err)["problem"]["path"]


def test_low_f18_which_field_of_an_environment_was_dropped_is_said_and_its_value_kept(
    shell: Shell, ar_home: Path
) -> None:
    folder = ar_home / "environments"
    folder.mkdir(parents=True)
    wrong = {
        "id": "e",
        "name": "E",
        "version": 2,
        "base_image": 5,
        "env_vars": {"GOOD": "1", "BAD": 7},
        "ports": "80",
    }
    (folder / "e.json").write_text(json.dumps(wrong))
    err = shell("ar env list", status=0).err
    for field in ("base_image", "env_vars", "ports"):
        assert any(field in line for line in err.splitlines()), (field, err)
    shell("ar env edit e --set agent=shell", status=0)
    kept = json.loads((folder / "e.json").read_text())
    assert kept["invalid_values"]["base_image"] == 5
    assert kept["invalid_values"]["env_vars"] == wrong["env_vars"]
    assert kept["env_vars"] == {"GOOD": "1"}


def test_low_an_environment_file_of_ninety_megabytes_is_set_aside_before_it_is_parsed(
    shell: Shell, ar_home: Path
) -> None:
    folder = ar_home / "environments"
    folder.mkdir(parents=True)
    with (folder / "large.json").open("wb") as file:
        file.write(b'{"id": "large", "name": "large", "x": "' + b"x" * 90_000_000 + b'"}')
    done = shell("ulimit -v 600000; ar env list --json", status=0)
    assert json.loads(done.out) == []
    problem = json.loads(done.err)["problem"]
    assert "MB" in problem["message"]
    assert Path(problem["path"]).stat().st_size > 90_000_000


def test_two_processes_with_fifteen_edits_each_lose_none(cli: Cli) -> None:
    cli("env", "create", "one", "--set", "base_image=debian:12")
    loop = (
        "for i in $(seq 15); do {} -m agents_runner env edit one --set env_vars.{}_$i=$i >/dev/null || exit 1; done"
    )
    both = [
        subprocess.Popen(
            ["bash", "-c", loop.format(sys.executable, name)],
            env=os.environ | {"AGENTS_RUNNER_HOME": str(cli.home)},
        )
        for name in ("A", "B")
    ]
    assert [one.wait(300) for one in both] == [0, 0]
    variables = cli("env", "show", "one", "--json").json["env_vars"]
    assert variables == {f"{name}_{number}": str(number) for name in "AB" for number in range(1, 16)}
