"""devcontainer.json: where its commands, variables, mounts and ports go, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents_runner.core.host_paths import KEY_PLACES
from tests.unit.importers.support import DATA, cached, devcontainer, draft, run, whats, write


def test_a_whole_file_with_comments_and_trailing_commas() -> None:
    found = draft(DATA / "node-web", allow_mounts=["/srv/fixtures"])
    assert found.name == "Web shop"
    assert found.fields["base_image"] == "mcr.microsoft.com/devcontainers/javascript-node:1-20-bookworm"
    assert found.fields["workspace"] == {"type": "folder", "path": str(DATA / "node-web")}
    assert found.fields["cache_container_build"] is True
    assert found.fields["secrets"] == ("STRIPE_API_KEY",)
    assert found.fields["ports"] == ("3000", "9229", "8080:80")
    assert found.fields["resources"] == {"shm_mb": 1024, "memory_mb": 4096, "cpus": 2.0}
    assert found.fields["mounts"] == (f"{DATA}/node-web/.cache:/home/node/.cache", "/srv/fixtures:/fixtures:ro")
    assert found.fields["env_vars"] == {
        "NODE_OPTIONS": "--max-old-space-size=4096",
        "SHOP_ROOT": "/workspace/packages/shop",
        "PORT": "3000",
        "DEBUG": "false",
        "REGION": "eu-west-1",
        "OWNER": "me",
        "TZ": "UTC",
    }


def test_every_part_that_is_not_carried_over_is_named() -> None:
    found = draft(DATA / "node-web")
    for part in (
        "docker-in-docker",
        "features/linter",
        "initializeCommand",
        "STRIPE_API_KEY",
        "EDITOR_THEME",
        "UNSET_ME",
        "npm run dev",
        "shop-modules",
        "/.ssh",
        "docker.sock",
        "db:5432",
        "0.0.0.0:9000",
        "SYS_PTRACE",
        "data:/data",
        "remoteUser node",
        "workspaceFolder",
        "hostRequirements",
        "privileged",
        "someNewKey",
    ):
        assert part in whats(found), part
    assert "customizations" not in whats(found)


def test_what_needs_the_workspace_runs_at_task_start_and_the_rest_is_baked() -> None:
    found = draft(DATA / "node-web")
    assert "sudo apt-get install -y libvips-dev" in cached(found)
    assert "npm install -g pnpm@9 'a package with blanks'" in cached(found)
    assert "npm install -g typescript" in cached(found)
    assert "npm ci" not in cached(found)
    lines = run(found).split("\n")
    order = ["npm ci", "git config core.hooksPath .githooks", "cd packages/shop", "npm run build"]
    assert [lines.index(one) for one in order] == sorted(lines.index(one) for one in order)
    assert lines.index('cd "$AGENTS_RUNNER_WORKSPACE"') < lines.index("npm ci")
    moved = [note for note in found.notes if "`npm ci` runs at every task start." in note]
    assert moved == [
        "onCreateCommand: `npm ci` runs at every task start. "
        "`npm ci` works on the project in the current folder, which a build does not have."
    ]


@pytest.mark.parametrize("key", ["onCreateCommand", "updateContentCommand", "postCreateCommand"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("apt-get install -y jq", "apt-get install -y jq\n"),
        (["apt-get", "install", "-y", "jq"], "apt-get install -y jq\n"),
        (
            ["bash", "-c", "apt-get install -y 'a b' && true"],
            "bash -c 'apt-get install -y '\"'\"'a b'\"'\"' && true'\n",
        ),
        ({"one": "apt-get install -y jq", "two": ["pip", "install", "x y"]}, "pip install 'x y'\n"),
    ],
)
def test_set_up_commands_in_every_form(tmp_path: Path, key: str, value: Any, expected: str) -> None:
    found = devcontainer(tmp_path, {"image": "debian:bookworm", key: value})
    assert expected in cached(found)
    assert run(found) == ""


@pytest.mark.parametrize("key", ["postStartCommand", "postAttachCommand"])
@pytest.mark.parametrize("value", ["echo hi there", ["echo", "hi there"], {"a": "echo hi there"}])
def test_start_commands_in_every_form(tmp_path: Path, key: str, value: Any) -> None:
    found = devcontainer(tmp_path, {"image": "debian:bookworm", key: value})
    assert cached(found) == ""
    assert "echo 'hi there'" in run(found) or "echo hi there" in run(found)
    assert "cache_container_build" not in found.fields


def test_an_object_keeps_its_order_and_the_report_says_so(tmp_path: Path) -> None:
    tools = {"z": "npm install -g zx", "a": "npm install -g ava", "m": "npm install -g mocha"}
    found = devcontainer(tmp_path, {"image": "node:20", "postCreateCommand": tools})
    assert cached(found).index("zx") < cached(found).index("ava") < cached(found).index("mocha")
    assert any("one after the other" in note for note in found.notes)


def test_variables_of_the_container_are_set_where_they_can_be_read(tmp_path: Path) -> None:
    found = devcontainer(
        tmp_path,
        {
            "image": "debian:bookworm",
            "containerEnv": {"BASE": "/opt/x"},
            "remoteEnv": {
                "PATH": "${containerEnv:BASE}/bin:${containerEnv:PATH}",
                "ODD": 'a"b$c`d\\${containerEnv:HOME:none}',
                "LATER": "${containerEnv:BASE}/lib",
            },
            "postCreateCommand": "apt-get install -y jq",
        },
    )
    assert 'export PATH="/opt/x/bin:${PATH}"' in cached(found)
    assert 'export ODD="a\\"b\\$c\\`d\\\\${HOME:-none}"' in cached(found)
    assert found.fields["env_vars"] == {"BASE": "/opt/x", "LATER": "/opt/x/lib"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${localEnv:HOME}/x", "/home/me/x"),
        ("${localEnv:MISSING:fallback}", "fallback"),
        ("${localWorkspaceFolderBasename}", None),
        ("${containerWorkspaceFolder}", "/workspace"),
        ("${containerWorkspaceFolderBasename}", "workspace"),
    ],
)
def test_variables_of_the_file(tmp_path: Path, text: str, value: str | None) -> None:
    found = devcontainer(tmp_path, {"image": "x", "containerEnv": {"A": text}})
    assert found.fields["env_vars"] == {"A": tmp_path.name if value is None else value}


@pytest.mark.parametrize("text", ["${localEnv:THEME}", "${localEnv:THEME:x}", "a${devcontainerId}b", "${odd}"])
def test_variables_that_are_not_certain_are_reported(tmp_path: Path, text: str) -> None:
    found = devcontainer(tmp_path, {"image": "x", "containerEnv": {"A": text}})
    assert "env_vars" not in found.fields
    assert f"containerEnv.A = {text}" in whats(found)


def test_no_secret_of_this_machine_is_read(tmp_path: Path) -> None:
    found = devcontainer(
        tmp_path,
        {
            "image": "x",
            "remoteEnv": {"API_TOKEN": "${localEnv:SECRET_OF_THE_HOST}", "PLAIN": "${localEnv:SECRET_OF_THE_HOST}"},
            "secrets": {"OTHER_KEY": {"description": "a key"}},
            "postStartCommand": "echo ${localEnv:SECRET_OF_THE_HOST}",
            "runArgs": ["-e", "MY_PASSWORD"],
        },
    )
    assert found.fields["secrets"] == ("API_TOKEN", "PLAIN", "OTHER_KEY", "MY_PASSWORD")
    assert "postStartCommand: echo ${localEnv:SECRET_OF_THE_HOST}" in whats(found)


@pytest.mark.parametrize("name", ["PWD", "AGENTS_RUNNER_TASK_ID", "1BAD", "WITH-DASH", "IFS"])
def test_names_that_no_container_gets_are_reported(tmp_path: Path, name: str) -> None:
    found = devcontainer(tmp_path, {"image": "x", "containerEnv": {name: "v"}})
    assert "env_vars" not in found.fields
    assert name in whats(found)


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("source=/srv/a,target=/a,type=bind", "/srv/a:/a"),
        ("type=bind,src=/srv/a,dst=/a,readonly", "/srv/a:/a:ro"),
        ("source=${localWorkspaceFolder}/d,destination=/d,type=bind,consistency=cached", "{root}/d:/d"),
        ("source=${localEnv:HOME}/data,target=/data,type=bind", "~/data:/data"),
        ("source=${localEnv:HOME}${localEnv:USERPROFILE}/data,target=/data,type=bind", "~/data:/data"),
        ({"source": "/srv/a", "target": "/a", "type": "bind"}, "/srv/a:/a"),
        ({"source": "./here", "target": "/a", "type": "bind", "readOnly": True}, "{root}/here:/a:ro"),
        ("source=volume-name,target=/a,type=volume", None),
        ("target=/a,type=tmpfs", None),
        ("source=/var/run/docker.sock,target=/var/run/docker.sock,type=bind", None),
        ("source=${localEnv:HOME}/.aws,target=/root/.aws,type=bind", None),
        ("source=${localEnv:HOME},target=/host,type=bind", None),
        ("source=${localEnv:OTHER}/x,target=/x,type=bind", None),
        ("source=/srv/a,target=/etc,type=bind", None),
        ("source=/srv/a,target=/workspace,type=bind", None),
        ({"source": "/srv/a", "type": "bind"}, None),
    ],
)
def test_mounts(tmp_path: Path, mount: Any, expected: str | None) -> None:
    found = devcontainer(tmp_path, {"image": "x", "mounts": [mount]}, ["/srv/a", "/home/me/data"])
    if expected is None:
        assert "mounts" not in found.fields
        assert "mount" in whats(found)
    else:
        assert found.fields["mounts"] == (expected.replace("{root}", str(tmp_path)),)


@pytest.mark.parametrize(
    "source",
    [
        "/srv/a",
        "/etc/cron.d",
        "/run/containerd",
        "/",
        "${localEnv:HOME}/data",
        "~/data",
        "../beside",
        "${localWorkspaceFolder}/../beside",
        "${localWorkspaceFolder}x",
        "${localWorkspaceFolder}/link",
        "/srv/a/b",
        "/srv",
    ],
)
def test_m3_what_is_outside_of_the_project_is_dropped_and_said(tmp_path: Path, source: str) -> None:
    project = write(tmp_path / "project", {"inner/file": ""})
    (tmp_path / "beside").mkdir()
    (project / "link").symlink_to(tmp_path / "beside")
    data = {"image": "x", "mounts": [f"type=bind,source={source},target=/a"], "runArgs": ["-v", f"{source}:/b"]}
    found = devcontainer(project, data, ["/srv/a"] if source != "/srv/a" else [])
    assert "mounts" not in found.fields
    assert len([gap for gap in found.report if "outside of the project" in gap.why]) == 2
    assert all("--allow-mount" in gap.hint for gap in found.report)
    inside = devcontainer(project, {"image": "x", "mounts": ["type=bind,source=./inner/../inner,target=/a"]})
    assert inside.fields["mounts"] == (f"{project}/inner:/a",)


def test_ports(tmp_path: Path) -> None:
    found = devcontainer(
        tmp_path,
        {
            "image": "x",
            "forwardPorts": [3000, "localhost:4000", "db:5432", True],
            "appPort": [3000, "8080:80", 99999],
        },
    )
    assert found.fields["ports"] == ("3000", "4000", "8080:80")
    for part in ("db:5432", "True", "99999"):
        assert part in whats(found)


def test_run_arguments(tmp_path: Path) -> None:
    arguments = (
        "--memory=512m --pids-limit 100 -p 8080:80 --net host --init --gpus all --env=A=b -v /srv/x:/x:ro --cpus ?"
    )
    found = devcontainer(tmp_path, {"image": "x", "runArgs": arguments.split()}, ["/srv/x"])
    assert found.fields["resources"] == {"memory_mb": 512, "pids": 100}
    assert found.fields["ports"] == ("8080:80",)
    assert found.fields["env_vars"] == {"A": "b"}
    assert found.fields["mounts"] == ("/srv/x:/x:ro",)
    for part in ("--net host", "--gpus all", "--cpus ?"):
        assert part in whats(found)
    assert "--init" not in whats(found)


def test_features_that_are_packages_become_steps_and_others_are_reported() -> None:
    found = draft(DATA / "features")
    for part in (
        "setup_20.x",
        "--python 3.12",
        "go1\\.22",
        "sh.rustup.rs",
        "temurin-17-jdk",
        "ruby-build",
        "jq ripgrep",
    ):
        assert part in cached(found)
    assert cached(found).count("# step: basic tools\n") == 1
    assert cached(found).index("basic tools") < cached(found).index("node 20") < cached(found).index("prettier")
    assert found.fields["headless_desktop_enabled"] is True
    assert "Maven" in whats(found)
    assert run(found) == ""


def test_features_are_translated_for_a_known_base_only(tmp_path: Path) -> None:
    feature = {"ghcr.io/devcontainers/features/node:1": {"version": "20"}}
    found = devcontainer(tmp_path / "a", {"image": "node:20-alpine", "features": feature})
    assert "features/node" in whats(found)
    assert cached(found) == ""
    found = devcontainer(
        tmp_path / "b",
        {"image": "debian:12", "features": {"ghcr.io/devcontainers/features/node:1": {"version": "20; rm -rf /"}}},
    )
    assert "features/node" in whats(found)
    assert "rm -rf" not in cached(found)


def test_a_dockerfile_with_target_and_arguments() -> None:
    found = draft(DATA / "python-api")
    assert found.fields["base_image"] == "python:3.12-slim-bookworm"
    assert "libpq-dev gcc" in cached(found)
    assert "pip install -r requirements.txt" in run(found)
    assert "gunicorn" not in whats(found)
    assert [path.name for path in found.sources] == ["devcontainer.json", "Dockerfile", "post-create.sh"]


def test_a_script_that_is_called_is_looked_into(tmp_path: Path) -> None:
    found = draft(DATA / "python-api")
    assert "sudo apt-get install -y postgresql-client" in cached(found)
    assert "pip install -e '.[test]'" in run(found)
    own_name = '#!/bin/bash\ncd "$(dirname "$0")"\napt-get install -y jq\n'
    one = devcontainer(
        tmp_path, {"image": "debian:12", "postCreateCommand": "bash setup/x.sh"}, **{"setup/x.sh": own_name}
    )
    assert "bash setup/x.sh" in run(one)
    assert cached(one) == ""


@pytest.mark.parametrize("call", ["bash s.sh", "sh ./s.sh", "./s.sh", "chmod +x s.sh && ./s.sh", "sudo bash s.sh"])
def test_calls_of_a_script(tmp_path: Path, call: str) -> None:
    text = "#!/bin/bash\napt-get install -y jq\n"
    found = devcontainer(tmp_path, {"image": "debian:12", "postCreateCommand": call}, **{"s.sh": text})
    assert "apt-get install -y jq" in cached(found)


@pytest.mark.parametrize(
    "call", ["bash s.sh --fast", "bash ../s.sh", "bash /s.sh", "bash other.sh", "bash s.sh; npm ci"]
)
def test_other_calls_stay(tmp_path: Path, call: str) -> None:
    write(tmp_path, {"s.sh": "apt-get install -y jq\n"})
    found = devcontainer(
        tmp_path / "p", {"image": "debian:12", "postCreateCommand": call}, **{"s.sh": "apt-get install -y jq\n"}
    )
    assert "jq" not in cached(found) + run(found)
    assert "s.sh" in run(found) or "other.sh" in run(found)


def test_a_compose_file_gives_its_image() -> None:
    found = draft(DATA / "compose")
    assert found.fields["base_image"] == "ruby:3.3"
    assert found.fields["env_vars"] == {"RAILS_ENV": "development"}
    for part in ("service db", "dockerComposeFile", "SECRET_KEY_BASE", "bin/rails server"):
        assert part in whats(found)


def test_a_workspace_folder_that_scripts_name_is_linked(tmp_path: Path) -> None:
    data = {"image": "x", "workspaceFolder": "/workspaces/shop", "postStartCommand": "ls /workspaces/shop/src"}
    found = devcontainer(tmp_path, data)
    assert '[ -e /workspaces/shop ] || ln -s "$AGENTS_RUNNER_WORKSPACE" /workspaces/shop' in run(found)
    assert run(found).index("ln -s") < run(found).index("ls /workspaces")


@pytest.mark.parametrize(
    "command",
    [
        "npm run dev",
        "npm start",
        "python manage.py runserver 0:8000",
        "tail -f log",
        "docker compose up",
        "cd a && flask run",
    ],
)
def test_commands_that_never_end_would_keep_the_agent_out(tmp_path: Path, command: str) -> None:
    found = devcontainer(tmp_path, {"image": "x", "postStartCommand": command})
    assert command in whats(found)
    assert f"#   {command}" in run(found)
    assert all(line.startswith("#") or not line for line in run(found).split("\n"))


@pytest.mark.parametrize(
    "command", ["nohup npm run dev &", "docker compose up -d", "service nginx start", "npm run build"]
)
def test_commands_that_end_stay(tmp_path: Path, command: str) -> None:
    assert command in run(devcontainer(tmp_path, {"image": "x", "postStartCommand": command}))


def test_an_image_that_is_not_known(tmp_path: Path) -> None:
    found = devcontainer(tmp_path, {"image": "${localEnv:IMAGE}"})
    assert "base_image" not in found.fields
    assert "image ${localEnv:IMAGE}" in whats(found)
    assert any("application's own" in note for note in found.notes)


def test_reasons_and_hints_are_sentences() -> None:
    found = draft(DATA / "node-web")
    for gap in found.report:
        assert gap.why.endswith(".")
        assert not gap.hint or gap.hint.endswith((".", "it.", "by hand."))


@pytest.mark.parametrize("place", KEY_PLACES)
def test_m3_no_place_of_keys_comes_from_a_projects_file_though_the_person_allowed_it(
    tmp_path: Path, place: str
) -> None:
    """One list of places for all: the one by which mounts are refused anywhere else."""
    source = f"/home/me/{place}/below"
    mount = f"source={source},target=/keys,type=bind"
    found = devcontainer(tmp_path, {"image": "debian:bookworm", "mounts": [mount]}, allow_mounts=[source])
    assert "/keys" not in str(found.fields.get("mounts", ""))
    (gap,) = [one for one in found.report if source in one.what]
    assert "keys, passwords or logins" in gap.why
