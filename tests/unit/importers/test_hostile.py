"""Folders and files made to do harm: nothing is run, nothing outside is read, every fault is one sentence."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents_runner.core.errors import AgentsRunnerError, InvalidInput, NotFound
from agents_runner.runner.importing import draft_of, offers, recognise
from tests.unit.importers.support import DATA, ENVIRON, checked, devcontainer, draft, kinds, run, write


def test_everything_in_a_folder_is_found_the_best_first(tmp_path: Path) -> None:
    names = [
        ".devcontainer/devcontainer.json",
        ".devcontainer.json",
        "devcontainer.json",
        ".devcontainer/b/devcontainer.json",
        ".devcontainer/a/devcontainer.json",
        ".cursor/environment.json",
        ".github/workflows/copilot-setup-steps.yml",
        ".codex/setup.sh",
        ".codex/maintenance.sh",
        "Dockerfile",
        "Containerfile",
        ".devcontainer/Dockerfile",
    ]
    write(tmp_path, dict.fromkeys(names, "{}"))
    found = offers(tmp_path)
    assert kinds(found) == [
        ("devcontainer", ".devcontainer/devcontainer.json"),
        ("devcontainer", ".devcontainer.json"),
        ("devcontainer", "devcontainer.json"),
        ("devcontainer", ".devcontainer/a/devcontainer.json"),
        ("devcontainer", ".devcontainer/b/devcontainer.json"),
        ("cursor", ".cursor/environment.json"),
        ("copilot", ".github/workflows/copilot-setup-steps.yml"),
        ("scripts", ".codex/setup.sh"),
        ("dockerfile", "Dockerfile"),
        ("dockerfile", "Containerfile"),
    ]
    assert found[7].partner == tmp_path / ".codex/maintenance.sh"
    assert found[0].describe == ".devcontainer/devcontainer.json (dev container)"


def test_folders_without_anything(tmp_path: Path) -> None:
    assert offers(tmp_path) == ()
    assert offers(tmp_path / "missing") == ()
    assert offers("~nobody-of-this-name/x") == ()
    assert offers("a\0b") == ()


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = write(
        tmp_path / "outside", {"devcontainer.json": "{}", "Dockerfile": "FROM a\n", "d/devcontainer.json": "{}"}
    )
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / ".devcontainer").symlink_to(outside)
    (inside / "Dockerfile").symlink_to(outside / "Dockerfile")
    (inside / ".devcontainer.json").symlink_to("/etc/passwd")
    assert offers(inside) == ()
    # A link that stays inside is as good as the file.
    write(inside, {"real.json": '{"image": "debian:12"}'})
    (inside / "devcontainer.json").symlink_to("real.json")
    assert draft(inside).fields["base_image"] == "debian:12"


def test_files_outside_that_a_file_names_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"secret/Dockerfile": "FROM hunter2\n", "s.sh": "echo hunter2\n"})
    project = tmp_path / "project"
    for name in (
        "../secret/Dockerfile",
        "../../secret/Dockerfile",
        str(tmp_path / "secret" / "Dockerfile"),
        "/etc/passwd",
    ):
        found = devcontainer(project, {"build": {"dockerfile": name}, "postCreateCommand": "bash ../s.sh"})
        assert "base_image" not in found.fields
        assert any(gap.what.endswith(("Dockerfile", "passwd")) for gap in found.report)
    (project / "link").symlink_to(tmp_path / "secret")
    found = devcontainer(project, {"build": {"dockerfile": "../link/Dockerfile"}})
    assert "base_image" not in found.fields


def test_what_is_no_ordinary_file_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")
    (tmp_path / "devcontainer.json").mkdir()
    assert offers(tmp_path) == ()
    with pytest.raises(NotFound):
        recognise(tmp_path / "Dockerfile")


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"{", "line 1"),
        (b'{\n"a": 1,\n"b": oops\n}', "line 3"),
        (b'{"a": 1,\n\n "b" 2}', "line 3"),
        (b'{"a": "x\ny"}', "line 1"),
        (b"", "line 1"),
        (b"[1]", "no JSON object"),
        (b'{"a": "\xff"}', "line 1"),
        (b'{\n"a": "\x00"}', "line 2"),
        (b'{"a":' * 5_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "line 1"),
        (b" " * 300_000, "more than 256 KiB"),
        (b'{"a": [' + b"1," * 110_000 + b"]}", "too many values"),
    ],
)
def test_damaged_json_is_one_sentence_with_its_line(tmp_path: Path, data: bytes, part: str) -> None:
    write(tmp_path, {"devcontainer.json": data})
    with pytest.raises(InvalidInput) as error:
        draft_of(offers(tmp_path)[0])
    assert part in error.value.message
    assert "devcontainer.json" in error.value.message
    assert "\n" not in error.value.message


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    evil = f"$(touch {mark}) `touch {mark}`; touch {mark}"
    project = tmp_path / "p"
    devcontainer(
        project,
        {
            "name": evil,
            "image": "debian:12",
            "initializeCommand": f"touch {mark}",
            "postCreateCommand": {evil: f"touch {mark}"},
            "containerEnv": {"A": evil, evil: "x"},
            "remoteEnv": {"B": "${containerEnv:PATH}" + evil},
        },
    )
    write(
        project,
        {"setup.sh": f"touch {mark}\n", "maintenance.sh": f"touch {mark}\n", "Dockerfile": f"FROM a\nRUN {evil}\n"},
    )
    for number in range(len(offers(project))):
        draft(project, number)
    assert not mark.exists()


def test_a_name_cannot_write_code_into_a_script(tmp_path: Path) -> None:
    name = "x\nrm -rf /\n# step: y"
    found = devcontainer(
        tmp_path,
        {
            "image": "debian:12",
            "postCreateCommand": {name: "npm install -g a", "b\\": "npm ci"},
            "postStartCommand": {name: "ls"},
        },
    )
    script = run(found) + str(found.fields["cached_preflight_script"])
    assert all(line.startswith("#") for line in script.split("\n") if "rm -rf" in line)


@pytest.mark.parametrize(
    "files",
    [
        {"Dockerfile": "FROM a\nRUN " + "<<A " * 60_000},
        {"Dockerfile": "FROM a\nENV " + "A=${B:-" * 30_000},
        {"Dockerfile": "FROM a\n" + "ENV A=1\n" * 1_900},
        {"Dockerfile": "FROM a\nEXPOSE " + " ".join(str(port) for port in range(1, 40_000))},
        {"Dockerfile": "FROM a\nRUN echo " + "a && " * 10_000 + "b"},
        {"devcontainer.json": json.dumps({"postCreateCommand": "bash a" + " " * 200_000 + "x"})},
        {"devcontainer.json": json.dumps({"postStartCommand": "docker compose " + "-a b " * 40_000})},
        {"devcontainer.json": json.dumps({"containerEnv": {"A": "${" * 100_000}})},
        {".github/workflows/copilot-setup-steps.yml": "jobs: {a: {steps: [{run: '" + "${{" * 80_000 + "'}]}}"},
        {".codex/setup.sh": "x='" + "a" * 200_000 + "\n"},
        {".codex/setup.sh": "(" * 20_000},
    ],
    ids=[f"file-{number}" for number in range(11)],
)
def test_no_file_takes_long(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    began = time.process_time()
    try:
        checked(draft_of(offers(tmp_path)[0], ENVIRON))
    except AgentsRunnerError as error:
        assert "\n" not in error.message  # noqa: PT017 - either way is right
    assert time.process_time() - began < 20


def test_discovery_is_quick(tmp_path: Path) -> None:
    for number in range(3_000):
        (tmp_path / f"folder-{number}").mkdir()
    (tmp_path / ".devcontainer").mkdir()
    for number in range(500):
        (tmp_path / ".devcontainer" / f"x{number}").mkdir()
    began = time.process_time()
    assert offers(tmp_path) == ()
    assert time.process_time() - began < 0.25


def test_recognising_files_by_hand(tmp_path: Path) -> None:
    files = {
        "devcontainer.json": "{}",
        "other.jsonc": '{"image": "x", "postCreateCommand": "y"}',
        "cursor.json": '{"install": "x", "start": "y"}',
        "environment.json": json.dumps({"version": 2, "id": "a", "name": "b", "base_image": "c"}),
        "x.yml": "jobs: {}",
        "web.Dockerfile": "FROM a",
        "Dockerfile.dev": "FROM a",
        "codex-setup.sh": "echo",
        "codex-maintenance.sh": "echo",
        "bootstrap": "#!/bin/sh\necho",
        "notes.txt": "hello",
        "broken.json": "{oops",
    }
    write(tmp_path, files)
    found = {name: recognise(tmp_path / name) for name in files}
    assert {name: one.kind if one else None for name, one in found.items()} == {
        "devcontainer.json": "devcontainer",
        "other.jsonc": "devcontainer",
        "cursor.json": "cursor",
        "environment.json": None,
        "x.yml": "copilot",
        "web.Dockerfile": "dockerfile",
        "Dockerfile.dev": "dockerfile",
        "codex-setup.sh": "scripts",
        "codex-maintenance.sh": "scripts",
        "bootstrap": "scripts",
        "notes.txt": None,
        "broken.json": None,
    }
    pair = found["codex-setup.sh"]
    assert pair is not None
    assert pair.partner == tmp_path / "codex-maintenance.sh"
    one = recognise(DATA / "copilot/.github/workflows/copilot-setup-steps.yml")
    assert one is not None
    assert one.folder == DATA / "copilot"


# -- anything at all --------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    [
        *"""apt-get install -y jq;;npm ci;;a && b;;cd x;;exit 1;;if x; then;;';;";;<<EOF;;$(;;};;#;;${localEnv:HOME}
        ${containerEnv:PATH};;${{ secrets.A }};;${{ matrix.a }};;set -euo pipefail;;echo $X;;X=1;;export X=2
        f() { :; };;f;;trap 'x' EXIT;;true &;;! false;;é""".replace("\n        ", ";;").split(";;"),
        *("\\", "cat <<A\nb\nA", "\n", "\u2028"),
    ]
)
_TEXT = st.lists(_WORDS, min_size=1, max_size=4).map(" ".join) | st.lists(_WORDS, max_size=4).map("\n".join)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT | st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_KEYS = [
    "name",
    "image",
    "build",
    "dockerFile",
    "dockerComposeFile",
    "service",
    "features",
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
    "containerEnv",
    "remoteEnv",
    "mounts",
    "forwardPorts",
    "appPort",
    "runArgs",
    "remoteUser",
    "containerUser",
    "workspaceFolder",
    "workspaceMount",
    "secrets",
    "customizations",
    "hostRequirements",
    "privileged",
]
_QUIET = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_QUIET
@given(data=st.dictionaries(st.sampled_from(_KEYS), _VALUE, max_size=6))
def test_any_devcontainer(tmp_path: Path, data: dict[str, Any]) -> None:
    write(tmp_path, {"devcontainer.json": json.dumps(data)})
    checked(draft_of(offers(tmp_path)[0], ENVIRON))


@_QUIET
@given(
    data=st.dictionaries(
        st.sampled_from(["name", "build", "install", "start", "terminals", "snapshot", "ports", "user"]),
        _VALUE,
        max_size=5,
    )
)
def test_any_cursor_file(tmp_path: Path, data: dict[str, Any]) -> None:
    write(tmp_path, {".cursor/environment.json": json.dumps(data)})
    checked(draft_of(offers(tmp_path)[0], ENVIRON))


_STEP = st.dictionaries(
    st.sampled_from(["name", "if", "uses", "run", "with", "env", "shell", "working-directory", "continue-on-error"]),
    _VALUE | st.sampled_from(["actions/setup-node@v4", "pnpm/action-setup@v4", "bash", "sh", "true"]),
    max_size=5,
)
_JOB = st.dictionaries(
    st.sampled_from(["runs-on", "container", "services", "env", "defaults", "strategy"]), _VALUE, max_size=3
)


@_QUIET
@given(job=_JOB, steps=st.lists(_STEP, max_size=4), env=_VALUE)
def test_any_workflow(tmp_path: Path, job: dict[str, Any], steps: list[Any], env: Any) -> None:
    # JSON is YAML, but for a few odd signs between lines.
    text = json.dumps({"env": env, "jobs": {"copilot-setup-steps": {**job, "steps": steps}}})
    write(tmp_path, {".github/workflows/copilot-setup-steps.yml": text})
    checked(draft_of(offers(tmp_path)[0], ENVIRON))


_INSTRUCTION = st.tuples(
    st.sampled_from(
        [
            "RUN",
            "RUN",
            "ENV",
            "ARG",
            "WORKDIR",
            "USER",
            "COPY",
            "ADD",
            "SHELL",
            "CMD",
            "EXPOSE",
            "ENTRYPOINT",
            "ONBUILD",
            "VOLUME",
        ]
    ),
    _TEXT,
).map(" ".join)


@_QUIET
@given(lines=st.lists(_INSTRUCTION, max_size=6))
def test_any_dockerfile(tmp_path: Path, lines: list[str]) -> None:
    write(tmp_path, {"Dockerfile": "FROM debian:12\n" + "\n".join(lines) + "\n"})
    try:
        found = draft_of(offers(tmp_path)[0], ENVIRON)
    except InvalidInput as error:
        assert "line" in error.message  # noqa: PT017 - most texts are no Dockerfile
        return
    checked(found)


@_QUIET
@given(setup=_TEXT, maintenance=_TEXT)
def test_any_pair_of_scripts(tmp_path: Path, setup: str, maintenance: str) -> None:
    write(tmp_path, {"setup.sh": setup, "maintenance.sh": maintenance})
    checked(draft_of(offers(tmp_path)[0], ENVIRON))
