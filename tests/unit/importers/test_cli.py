"""`env import` as a person calls it: files and folders of other programs, and still our own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.unit.importers.support import DATA, bash_complaint, write

KEYS = {"environments", "notes", "problems", "report", "kind", "sources", "dry_run"}


@pytest.mark.parametrize(
    "name", ["node-web", "python-api", "compose", "features", "copilot", "cursor", "codex", "docker"]
)
def test_a_folder(cli: Cli, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(DATA / name, tmp_path / name)
    done = cli("env", "import", str(folder), "--json").json
    assert done.keys() == KEYS
    made = done["environments"][0]
    assert made == cli("env", "show", made["id"], "--json").json
    assert made["workspace"] == {"type": "folder", "path": str(folder)}
    assert bash_complaint(made["cached_preflight_script"]) == bash_complaint(made["run_preflight_script"]) == ""
    assert all(gap.keys() == {"what", "why", "hint"} for gap in done["report"])
    assert done["sources"]
    assert done["dry_run"] is False


def test_a_file_with_a_name(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM debian:12\nRUN apt-get install -y jq\n"})
    made = cli("env", "import", str(tmp_path / "Dockerfile"), "--name", "mine", "--json").json["environments"][0]
    assert made["name"] == "mine"
    assert made["cached_preflight_script"].endswith("apt-get install -y jq\n")
    again = cli("env", "import", str(tmp_path / "Dockerfile"), "--name", "mine", check=False)
    assert again.code == 1
    assert "There is an environment 'mine' already." in again.err
    number = cli("env", "import", str(tmp_path), "--json").json["environments"][0]["name"]
    assert number == tmp_path.name
    assert cli("env", "import", str(tmp_path), "--json").json["environments"][0]["name"] == f"{tmp_path.name} (2)"


def test_a_dry_run_saves_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli("env", "import", str(DATA / "node-web"), "--dry-run", "--json").json
    assert done["dry_run"] is True
    assert done["environments"][0]["name"] == "Web shop"
    assert cli("env", "import", str(DATA.parent / "legacy-environments.json"), "--dry-run", "--json").json[
        "environments"
    ]
    assert cli("env", "list", "--json").json == []


def test_what_a_person_reads(cli: Cli) -> None:
    out = cli("env", "import", str(DATA / "node-web"), "--dry-run").out
    assert out.startswith("Web shop (web-shop-")
    assert ", not saved\n" in out
    assert "    npm install -g typescript\n" in out
    assert "Not carried over as it was:\n" in out
    assert "- initializeCommand\n    It runs on this machine, outside of the container;" in out


def test_other_files_of_the_folder_are_named(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, {"devcontainer.json": '{"image": "debian:12"}', "Dockerfile": "FROM a\n"})
    notes = cli("env", "import", str(tmp_path), "--json").json["notes"]
    assert "There is Dockerfile (Dockerfile) as well; import it by its own name." in notes


def test_what_would_stop_a_task_is_said(cli: Cli, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "devcontainer.json": '{"image": "Bad Image", "mounts": '
            '["type=bind,source=${localWorkspaceFolder}/no/where,target=/x"]}'
        },
    )
    notes = " ".join(cli("env", "import", str(tmp_path), "--json").json["notes"])
    assert "'Bad Image' is no image's name" in notes
    assert "/no/where cannot be used" in notes
    assert "No such file" in notes


def test_our_own_files_come_in_as_before(cli: Cli, tmp_path: Path) -> None:
    cli("env", "create", "web", "--set", "run_preflight_script=echo hi")
    path = tmp_path / "web.json"
    path.write_text(cli("env", "export", "web").out)
    done = cli("env", "import", str(path), "--json").json
    assert done.keys() == KEYS
    assert done["kind"] == "environment"
    assert done["report"] == []
    assert done["environments"][0]["run_preflight_script"] == "echo hi"
    named = cli("env", "import", str(path), "--name", "other", "--json").json["environments"][0]
    assert named["name"] == "other"
    assert {one["name"] for one in cli("env", "list", "--json").json} == {"web", "other"}
    legacy = DATA.parent / "legacy-environments.json"
    assert len(cli("env", "import", str(legacy), "--json").json["environments"]) == 3
    refused = cli("env", "import", str(legacy), "--name", "one", check=False)
    assert "does not hold one environment" in refused.err


@pytest.mark.parametrize(
    ("files", "argument", "part"),
    [
        ({"a/x.txt": "x"}, "a", "can be imported"),
        ({"devcontainer.json": '{"a": 1,\n oops}'}, "devcontainer.json", "(line 2)"),
        ({"Dockerfile": "FROM a\nOOPS\n"}, "Dockerfile", "(line 2:"),
        ({"x.yml": "a:\n  - b\n c"}, "x.yml", "(line 3:"),
        ({"x.txt": "hello"}, "x.txt", "is not JSON (line 1"),
        ({"x.json": '{"a": 1}'}, "x.json", "holds no environment"),
        ({}, "missing", "There is no file"),
    ],
)
def test_what_cannot_be_imported(cli: Cli, tmp_path: Path, files: dict[str, str], argument: str, part: str) -> None:
    write(tmp_path, files)
    done = cli("env", "import", str(tmp_path / argument), check=False)
    assert done.code == 1
    assert done.err.startswith("agents-runner: ")
    assert part in done.err
    assert done.err.count("\n") == 1
    as_json = cli("env", "import", str(tmp_path / argument), "--json", check=False)
    assert json.loads(as_json.out)["error"]["message"]
