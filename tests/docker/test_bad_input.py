"""Bad input gets one sentence and a hint, exit status 1 or 2, and loses nothing."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli, Done


def sentence(done: Done, code: int) -> str:
    assert done.code == code, (done.out, done.err)
    assert "Traceback" not in done.err + done.out
    assert done.err.startswith("agents-runner: ")
    assert done.err.count("\n") == 1
    return done.err


def test_unknown_environment(make_environment: MakeEnvironment, cli: Cli) -> None:
    make_environment("web shop")
    for args in (("run", "web shp", "x"), ("plan", "web shp"), ("build", "web shp"), ("env", "show", "web shp")):
        assert "Did you mean 'web shop'?" in sentence(cli(*args, check=False), 1)
    done = cli("run", "web shp", "x", "--json", check=False)
    assert done.json["error"]["code"] == "not-found"
    assert done.json["error"]["hint"]


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_empty_prompt(make_environment: MakeEnvironment, cli: Cli, prompt: str) -> None:
    assert "prompt: The prompt is empty." in sentence(cli("run", make_environment(), prompt, check=False), 1)
    assert cli("tasks", "list", "--json").json == []


def test_a_base_image_that_cannot_be_had(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(base_image="agents-runner-test/no-such-image:1")
    done = cli("run", name, "true", "--json", check=False)
    assert done.code == 1
    assert done.result["state"] == "failed"
    assert "agents-runner-test/no-such-image:1 is not on this engine and cannot be pulled" in done.result["error"]
    assert done.result["hint"]
    assert done.phase("pull")["state"] == "failed"
    assert "is not on this engine yet" in sentence(cli("plan", name, check=False), 1)
    make_environment(name, edit=True, pull="never")
    assert "never pulled" in cli("run", name, "true", "--json", check=False).result["error"]


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("base_image", "Debian Image", "is no image's name"),
        ("base_image", "", "has no base image"),
        ("env_vars__1BAD", "x", "is not a variable name"),
        ("env_vars__AGENTS_RUNNER_X", "x", "set by Agents Runner itself"),
        ("mounts", "/nowhere/at/all:/data", "cannot be used"),
        ("mounts", "/etc:/data", "cannot be mounted"),
        ("mounts", "relative:/data", "not an absolute path"),
        ("ports", "0.0.0.0:80:80", "open to other machines"),
        ("ports", "99999", "outside the ports"),
        ("workspace", "/no/such/folder", "cannot be used"),
        ("workspace", "somewhere", "is no workspace"),
        ("workspace", "git+ext::sh -c id", "no repository"),
        ("agent", "codx", "Did you mean codex"),
        ("build_timeout_s", "soon", "whole number"),
        ("cache_container_build", "perhaps", "true or false"),
        ("color", "not-a-colour", "is none of"),
        ("run_preflight_script", "echo \0", "Line 1 of the script holds a NUL"),
    ],
)
def test_wrong_values_are_named_at_their_field(
    make_environment: MakeEnvironment, cli: Cli, tmp_path: Path, field: str, value: str, part: str
) -> None:
    name = make_environment(run_preflight_script="echo kept\n")
    before = cli("env", "show", name, "--json").json
    text = value
    if "\0" in value:
        (tmp_path / "nul.txt").write_text(value)
        text = f"@{tmp_path / 'nul.txt'}"
    assignment = f"{field.replace('__', '.')}={text}"
    done = cli("env", "edit", name, "--set", assignment, check=False)
    message = sentence(done, 1)
    assert part in message
    assert f"agents-runner: {field.partition('__')[0]}" in message
    error = cli("env", "edit", name, "--set", assignment, "--json", check=False).json["error"]
    assert error["field"].startswith(field.partition("__")[0])
    assert cli("env", "show", name, "--json").json == before


def test_bad_usage_is_status_2(cli: Cli, make_environment: MakeEnvironment) -> None:
    name = make_environment()
    for args in (
        ("nonsense",),
        ("run",),
        ("env", "create"),
        ("env", "edit", name, "--set", "no_such_field=1"),
        ("env", "edit", name, "--set", "novalue"),
    ):
        sentence(cli(*args, check=False), 2)
    done = cli("run", "--json", check=False)
    assert done.code == 2
    assert done.json["error"]["code"] == "usage"


def test_a_file_that_is_no_json(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"name": "x",\n oops}')
    assert "line 2" in sentence(cli("env", "import", str(path), check=False), 1)
    assert path.read_text() == '{"name": "x",\n oops}'
    assert "There is no file" in sentence(cli("env", "import", str(tmp_path / "none"), check=False), 1)


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    done = Cli(home=tmp_path / "home")("env", "list", check=False)
    assert "cannot be written" in sentence(done, 1)
    assert (tmp_path / "home").read_text() == "a file where the folder should be"


def test_a_read_only_home(user_cli: Cli, user_folder: Path) -> None:
    home = user_folder / "home"
    home.mkdir()  # root's, or ours without the right to write
    home.chmod(0o555)
    try:
        done = user_cli("env", "list", check=False)
        assert "cannot be written" in sentence(done, 1)
        assert "AGENTS_RUNNER_HOME" in done.err
    finally:
        home.chmod(0o755)


def test_f1_no_engine_names_the_cure(cli: Cli, make_environment: MakeEnvironment, tmp_path: Path) -> None:
    name = make_environment()
    away = Cli(home=cli.home, env={"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    assert "Start Docker" in sentence(away("plan", name, check=False), 1)
    assert "Start Docker" in sentence(away("run", name, "x", check=False), 1)
    done = away("doctor", "--json", check=False)
    assert done.code == 1
    check = next(one for one in done.json["checks"] if one["name"] == "engine")
    assert not check["ok"]
    assert check["hint"]


def test_f1_no_permission_on_the_socket_names_the_cure(user_cli: Cli) -> None:
    # Without root there is no way to become somebody without the right: then the answer itself is not asked for.
    prefix = tuple("--clear-groups" if word.startswith("--groups") else word for word in user_cli.prefix)
    stranger = Cli(home=user_cli.home, prefix=prefix, env=user_cli.env)
    done = stranger("images", check=False)
    assert not prefix or "usermod -aG docker" in sentence(done, 1)


def test_the_legacy_file_loses_nothing(cli: Cli) -> None:
    source = Path(__file__).parents[1] / "data" / "legacy-environments.json"
    report = cli("env", "import", str(source), "--json").json
    assert len(report["environments"]) == 3
    shop = cli("env", "show", "web-shop", "--json").json
    original = json.loads(source.read_text())["environments"][0]
    assert shop["run_preflight_script"] == shop["preflight_script"] == original["preflight_script"]
    assert shop["agent"] == "codex"
    assert shop["prompts"] == original["prompts"]
    assert any("not-a-colour" in note for note in report["notes"])
    exported = json.loads(cli("env", "export", "vision").out)
    assert exported["unknown_future_field"] == {"keep": ["me", 1, None]}
    assert exported["cache_container_build"] is True


def test_b4_mounts_are_as_planned(make_environment: MakeEnvironment, cli: Cli, tmp_path: Path) -> None:
    odd = tmp_path / "a: odd, näme"
    odd.mkdir()
    (odd / "file").write_text("seen\n")
    link = tmp_path / "link"
    link.symlink_to(odd)
    name = make_environment(mounts=json.dumps([f"{odd}:/data:ro", f"{link}:/linked"]))
    done = cli("run", name, "cat /data/file /linked/file; echo x >/data/new || echo read-only", "--json")
    assert [line for line in done.log if "Read-only file" not in line] == ["seen", "seen", "read-only"]
    assert not (odd / "new").exists()
    link.unlink()
    link.symlink_to("/etc")
    assert "cannot be mounted" in sentence(cli("run", name, "true", check=False), 1)


def test_b5_a_busy_port_does_not_lose_the_task(make_environment: MakeEnvironment, cli: Cli) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        name = make_environment(ports=f"{port}:8080")
        # Long enough for its ports to be asked for.
        done = cli("run", name, "sleep 1", "--json")
    assert done.result["state"] == "succeeded"
    assert any("A port is taken" in one.get("message", "") for one in done.events)
    line = next(line for line in done.log if "8080/tcp" in line)
    assert "127.0.0.1:" in line
    assert str(port) not in line
