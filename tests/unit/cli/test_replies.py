"""What each command says at its end: to people, and as one line of JSON to programs, with the same exit status."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents_runner.app import build_services
from agents_runner.cli.main import run_command
from agents_runner.cli.printing import echo
from agents_runner.core.errors import NoDesktop
from agents_runner.core.events import LayerDone, Phase, Progress, TaskState
from agents_runner.core.imageplan import ImagePlan
from agents_runner.core.task import PhaseRecord, Task
from agents_runner.images.leftovers import Leftover
from agents_runner.runner.services import (
    CachedImage,
    Check,
    CleanReport,
    DesktopAddress,
    KeptImage,
    Picture,
    PlannedImage,
    Services,
    StartupFigures,
)

BASE = "sha256:" + "0" * 64
LAYER = LayerDone(kind="env", step="tools", tag="agent-runner-env:one", result="built", seconds=1.25)
TASK = Task(
    id="abcdef012345",
    environment_id="shop-1",
    environment_name="Shop",
    agent="shell",
    prompt="true",
    state=TaskState.SUCCEEDED,
    created=1.0,
    started=2.0,
    finished=3.5,
    exit_code=0,
    image="debian:12",
    phases=(PhaseRecord(phase=Phase.BUILD_ENV, seconds=0.5, ok=True, cache="hit"), PhaseRecord(phase=Phase.AGENT)),
    notices=("It is late.",),
)
IMAGE = CachedImage(
    tag="agent-runner-env:one",
    id=BASE,
    kind="env",
    step="tools",
    key="k" * 64,
    size=2048,
    own_size=1024,
    created=1.0,
    last_used=None,
    environments=("Shop",),
    in_use=True,
    hits=2,
    seconds_saved=12.0,
)
REPORT = CleanReport(
    removed=("agent-runner-env:one",),
    kept=(KeptImage(tag="agent-runner-env:two", why="a container uses it"),),
    freed_bytes=1024,
    dry_run=False,
    leftovers=(Leftover(kind="volume", name="left"),),
)
CHECKS = (Check(name="engine", ok=True, text="is there"), Check(name="disk", ok=False, text="full", hint="Tidy up."))
FIGURES = StartupFigures(
    bare_s=(0.5,), bare_shared_s=(0.4,), bare_apart_s=(0.5,), cached_s=(0.6,), uncached_s=(6.0,), decide_ms=(2.0,)
)


class Images:
    """See `ImagesPort`; one layer, one image, one report."""

    def plan(self, environment: object) -> PlannedImage:
        plan = ImagePlan(base_ref="debian:12", base_id=BASE)
        return PlannedImage(plan=plan, states=(), at_start=("run",), notice="It is old.", desktop="at-start")

    def build(self, environment: object, *, force: bool = False) -> Iterator[object]:
        yield Progress(phase=Phase.BUILD_ENV, text="working")
        yield LAYER

    refresh = build

    def list(self) -> tuple[CachedImage, ...]:
        return (IMAGE,)

    def clean(self, request: Any) -> CleanReport:
        return replace(REPORT, dry_run=request.dry_run)


class Tasks:
    """See `TasksPort`; one task that has ended."""

    def list(self) -> tuple[Task, ...]:
        return (TASK,)

    def get(self, task_id: str) -> Task:
        return TASK

    def log_from(self, task_id: str, position: int = 0) -> tuple[tuple[tuple[str, str], ...], int]:
        return ((), 1) if position else ((("stdout", "a line"), ("stderr", "another")), 1)


class Desktop:
    """See `DesktopPort`."""

    def address(self, task_id: str, *, view_only: bool = False) -> DesktopAddress:
        if task_id == "none":
            raise NoDesktop("This task has no desktop.")
        return DesktopAddress(task=task_id, url="http://127.0.0.1:9/#token=t", view_only=view_only)

    def picture(self, task_id: str) -> Picture:
        return Picture(data=b"png", live=False)


def bench(environment: object, runs: int) -> Iterator[object]:
    yield "run 1"
    return FIGURES


class Shell:
    """Runs command lines in this process, on files of their own and an engine that is made up."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def services(self) -> Services:
        real = build_services()
        runner = SimpleNamespace(
            adopt_orphans=lambda *, here: (),
            detach=lambda request: replace(TASK, state=TaskState.QUEUED),
            stop=lambda task_id: None,
            subscribe=lambda listener: lambda: None,
        )
        system = SimpleNamespace(doctor=lambda: CHECKS, bench_startup=bench, close=real.system.close)
        return replace(real, images=Images(), tasks=Tasks(), desktop=Desktop(), runner=runner, system=system)  # type: ignore[arg-type]

    def __call__(self, *words: str, status: int = 0) -> tuple[str, str]:
        """What came out, and what came by standard error."""
        assert run_command(words, self.services, lambda _environment: 9) == status
        done = self._capsys.readouterr()
        return done.out, done.err

    def json(self, *words: str, status: int = 0) -> Any:
        """The one line that came out, read."""
        out, err = self(*words, "--json", status=status)
        assert err == ""
        assert out.count("\n") == 1
        return json.loads(out)


@pytest.fixture
def shell(
    ar_home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.chdir(tmp_path)
    made = Shell(capsys)
    made("env", "create", "Shop", "--set", "base_image=debian:12", "--set", "agent=shell", "--set", "profile=sudo")
    return made


TASK_JSON = {
    "id": "abcdef012345",
    "environment": "Shop",
    "environment_id": "shop-1",
    "kind": "task",
    "profile": None,
    "agent": "shell",
    "prompt": "true",
    "state": "succeeded",
    "created": 1.0,
    "started": 2.0,
    "finished": 3.5,
    "exit_code": 0,
    "image": "debian:12",
    "error": "",
    "hint": "",
    "notices": ["It is late."],
    "phases": {"build.env": 0.5, "agent": None},
    "cache": {"build.env": "hit"},
}
TASK_TEXT = """\
id: abcdef012345
environment: Shop
environment_id: shop-1
kind: task
agent: shell
prompt: true
state: succeeded
created: 1.0
started: 2.0
finished: 3.5
exit_code: 0
image: debian:12
notices: ['It is late.']
  build.env         0.50 s (hit)
  agent             running
"""
SAME = (
    ("env secret list Shop", 0, "No secrets yet.\n", []),
    (
        "plan Shop",
        0,
        "base    debian:12 (sha256:000000000000)\ndesktop is installed at task start\nimage   debian:12\n"
        "start   run\n!! It is old.\n",
        {
            "base": {"ref": "debian:12", "id": BASE},
            "layers": [],
            "image": "debian:12",
            "at_start": ["run"],
            "desktop": "at-start",
        },
    ),
    (
        "images",
        0,
        "tag                   kind  size     own      created               last use  used by  in use  hits  saved\n"
        "--------------------  ----  -------  -------  --------------------  --------  -------  ------  ----  -----\n"
        "agent-runner-env:one  env   2.0 KiB  1.0 KiB  1970-01-01T00:00:01Z  never     Shop     yes     2     12 s\n",
        [
            {
                "tag": "agent-runner-env:one",
                "id": BASE,
                "kind": "env",
                "step": "tools",
                "key": "k" * 64,
                "size": 2048,
                "own_size": 1024,
                "shared_size": 1024,
                "created": "1970-01-01T00:00:01Z",
                "last_used": None,
                "environments": ["Shop"],
                "in_use": True,
                "hits": 2,
                "seconds_saved": 12.0,
            }
        ],
    ),
    (
        "clean",
        0,
        "removed  volume left: an ended process left it\nremoved  agent-runner-env:one\n"
        "kept  agent-runner-env:two: a container uses it\n1 images, 1.0 KiB freed\n",
        {
            "removed": ["agent-runner-env:one"],
            "kept": [{"tag": "agent-runner-env:two", "why": "a container uses it"}],
            "leftovers": [{"kind": "volume", "name": "left"}],
            "freed_bytes": 1024,
            "dry_run": False,
        },
    ),
    (
        "doctor",
        1,
        "ok       engine: is there\nPROBLEM  disk: full Tidy up.\n",
        {
            "ok": False,
            "checks": [
                {"name": "engine", "ok": True, "text": "is there", "hint": ""},
                {"name": "disk", "ok": False, "text": "full", "hint": "Tidy up."},
            ],
        },
    ),
    (
        "tasks list",
        0,
        "id            state      environment  agent  prompt\n------------  ---------  -----------  -----  ------\n"
        "abcdef012345  succeeded  Shop         shell  true\n",
        [TASK_JSON],
    ),
    ("tasks show abc", 0, TASK_TEXT, TASK_JSON),
    ("tasks stop abc", 0, "abcdef012345: succeeded\n", TASK_JSON),
    (
        "tasks desktop abc",
        0,
        "http://127.0.0.1:9/#token=t\n",
        {"task": "abc", "url": "http://127.0.0.1:9/#token=t", "view_only": False},
    ),
    (
        "tasks screenshot abc a.png",
        0,
        "a.png: the last picture before the task ended\n",
        {"file": "a.png", "bytes": 3, "live": False},
    ),
    ("run Shop hello --detach", 0, "abcdef012345\n", {"task": "abcdef012345", "state": "queued"}),
)


@pytest.mark.parametrize(("words", "status", "text", "value"), SAME, ids=[one[0] for one in SAME])
def test_a_command_has_one_answer_in_two_forms(shell: Shell, words: str, status: int, text: str, value: Any) -> None:
    assert shell(*words.split(), status=status) == (text, "")
    assert shell.json(*words.split(), status=status) == value


def test_a_build_prints_as_it_goes_and_its_answer_last(shell: Shell) -> None:
    out, err = shell("build", "Shop")
    assert out == "-- working\n-- layer agent-runner-env:one: built\nimage  agent-runner-env:one\n"
    assert err == ""
    layer = {"kind": "env", "step": "tools", "tag": "agent-runner-env:one", "result": "built", "seconds": 1.25}
    assert shell.json("build", "Shop") == {"layers": [layer], "image": "agent-runner-env:one"}


def test_a_bench_tells_its_progress_apart_from_its_figures(shell: Shell) -> None:
    out, err = shell("bench", "startup", "Shop")
    assert out.splitlines()[2:] == [
        "bare container             0.5000  0.5000  0.5000",
        "cached start               0.6000  0.6000  0.6000",
        "uncached start             6.0000  6.0000  6.0000",
        "bare, shared network       0.4000  0.4000  0.4000",
        "bare, network apart        0.5000  0.5000  0.5000",
        "deciding hit or miss       0.0020  0.0020  0.0020",
        "cached / bare: 1.20",
        "network apart / shared: 1.25",
        "uncached / cached: 10.0",
    ]
    assert err == "run 1\n"
    out, err = shell("bench", "startup", "Shop", "--json")
    assert json.loads(out)["ratio_cached_to_bare"] == 1.2
    assert err == "run 1\n"


def test_a_log_is_printed_line_by_line(shell: Shell) -> None:
    assert shell("tasks", "logs", "abc") == ("a line\nanother\n", "")
    out, _err = shell("tasks", "logs", "abc", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "log", "stream": "stdout", "line": "a line"},
        {"event": "log", "stream": "stderr", "line": "another"},
    ]


def test_an_environment_from_its_making_to_its_end(shell: Shell) -> None:
    out, err = shell("env", "create", "Other", "--set", "base_image=debian:12", "--set", "env_vars.LD_PRELOAD=/x.so")
    assert out.startswith("Other (other-")
    assert out.splitlines()[1].startswith("!! LD_PRELOAD makes the loader change")
    assert err == ""
    assert shell.json("env", "edit", "Other", "--set", "color=rose")["color"] == "rose"
    assert [one["name"] for one in shell.json("env", "list")] == ["Other", "Shop"]
    shown = shell.json("env", "show", "Other")
    assert shown["env_vars"] == {"LD_PRELOAD": "/x.so"}
    out, _err = shell("env", "export", "Other")
    assert json.loads(out)["id"] == shown["id"]
    assert out.count("\n") > 10
    assert shell("env", "export", "Other", "--json")[0] == out
    assert shell.json("env", "delete", "Other") == {"deleted": shown["id"]}
    assert shell("env", "delete", "Shop") == ("Shop is in the trash.\n", "")
    assert shell("env", "list") == ("No environments yet.\n", "")


def test_an_import_that_brought_nothing_says_why_on_standard_error(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('[{"name": "Old", "environments": 3}]')
    words = ("env", "import", "old.json", "--dry-run")
    assert shell(*words, status=1) == ("", "!! Entry 1 of old.json is no environment. It was left out.\n")
    found = shell.json(*words, status=1)
    assert found["environments"] == []
    assert found["problems"] == [
        {"path": "old.json", "message": "Entry 1 of old.json is no environment.", "hint": "It was left out."}
    ]


def test_an_import_shows_what_it_proposes(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:12\nENV A=b\nEXPOSE 3000\nHEALTHCHECK CMD true\n")
    out, err = shell("env", "import", "Dockerfile", "--name", "New", "--dry-run")
    lines = out.splitlines()
    assert lines[0].endswith(", not saved")
    assert lines[1:4] == ["base image: debian:12", "variables: A=b", "ports: 0:3000"]
    assert lines[-4:] == [
        "",
        "Not carried over as it was:",
        "- HEALTHCHECK CMD true (line 4)",
        "    Environments have nothing of this kind.",
    ]
    assert err == ""
    found = shell.json("env", "import", "Dockerfile", "--name", "New", "--dry-run")
    assert found["kind"] == "dockerfile"
    assert found["dry_run"] is True


def test_a_script_is_split_and_checked(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "script.sh").write_text("apt-get update\napt-get install -y git\nnpm ci\n")
    out, err = shell("preflight", "split", "script.sh")
    assert "\n===== cached preflight\napt-get update\n" in out
    assert "\n\n===== run preflight\nnpm ci\n" in out
    assert err == ""
    found = shell.json("preflight", "split", "script.sh")
    assert found["run"] == "npm ci\n"
    assert [one["stage"] for one in found["statements"]] == ["cached", "cached", "run"]
    assert shell("preflight", "check", "script.sh") == ("0 warnings.\n", "")
    assert shell.json("preflight", "check", "script.sh") == {"warnings": []}


def test_what_a_script_installs_too_early_is_a_line_each(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "script.sh").write_text("apt-get install -y git\n")
    out, _err = shell("preflight", "check", "script.sh")
    assert out.splitlines()[0].startswith("script.sh:1: apt-update: ")
    assert out.endswith("\n1 warning.\n")
    [warning] = shell.json("preflight", "check", "script.sh")["warnings"]
    assert (warning["line"], warning["rule"]) == (1, "apt-update")


def test_a_profile_that_nobody_chose_is_a_remark_beside_the_answer(
    shell: Shell, ar_home: Path, tmp_path: Path
) -> None:
    old = {"version": 1, "id": "old-one", "name": "Old", "base_image": "debian:12"}
    (tmp_path / "old.json").write_text(json.dumps(old))
    shell("env", "import", "old.json")
    out, err = shell("env", "show", "Old")
    assert "!!" not in out
    assert err.startswith("!! Old: Its agent may become root")
    assert err.count("\n") == 1
    assert shell.json("env", "show", "Old")["profile"] == "sudo"  # and nothing on standard error


def test_a5_a_live_folder_of_another_owner_is_named_before_any_start(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment is made, changed and shown; programs find the answer alone on standard output."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    sentence = f"!! The workspace {folder} belongs to "
    words = ("--set", "base_image=debian:12", "--set", f"workspace={folder}")
    assert sentence not in shell("env", "create", "Mine", *words)[0]
    assert shell("env", "show", "Mine")[1] == ""
    monkeypatch.setattr(os, "getuid", lambda: 3_999_998)
    out, _err = shell("env", "edit", "Mine", "--set", "color=rose")
    assert out.splitlines()[1].startswith(sentence)
    assert "chown" in out
    assert shell("env", "show", "Mine")[1].startswith(sentence)
    assert shell.json("env", "show", "Mine")["color"] == "rose"


def test_what_the_screen_cannot_show_is_a_question_mark_and_the_rest_stays() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1", newline="\n")
    echo("caf\u00e9 \u6f22", to=stream)
    assert raw.getvalue() == "caf\u00e9 ?\n".encode("latin-1")
