"""Cleaning removes what is ours and unused, as its preview says, and nothing that only looks like ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.repository import make_repository


def test_s10_look_alikes_and_images_in_use_stay(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine, mini_base: str
) -> None:
    name = make_environment(
        cached_preflight_script="# step: a\necho a >/a\n# step: b\nhead -c 3000000 /dev/zero >/b\n"
    )
    tag = cli("build", name, "--json").json["image"]
    used = make_environment("used", cached_preflight_script="echo used >/used\n")
    used_tag = cli("build", used, "--json").json["image"]
    holder = docker("create", used_tag, "true").strip()
    derived = docker("create", tag, "true").strip()
    mine = "someone/derived:1"
    docker("commit", derived, mine)
    docker("rm", derived)
    look_alikes = ("agent-runner-env:mine", "agent-runner-desktop:mine", "agent-runner-envoy:1")
    for one in look_alikes:
        docker("tag", mini_base, one)
    try:
        preview = cli("clean", "--dry-run", "--json").json
        assert preview["dry_run"] is True
        assert engine.find_image(tag) is not None
        unused = cli("clean", "--dry-run", "--unused", "--json").json
        assert tag not in unused["removed"]
        done = cli("clean", "--json").json
        assert (done["removed"], done["freed_bytes"]) == (preview["removed"], preview["freed_bytes"])
        assert tag in done["removed"]
        assert any(one["tag"] == used_tag and "used by container" in one["why"] for one in done["kept"])
        assert engine.find_image(tag) is None
        assert all(engine.find_image(one) is not None for one in (mine, used_tag, mini_base, *look_alikes))
        # What was built FROM ours still works.
        assert docker("run", "--rm", mine, "cat", "/a").strip() == "a"
    finally:
        docker("rm", holder)
        subprocess.run(["docker", "rmi", mine, *look_alikes], check=False, capture_output=True)
        cli("clean")


def test_what_images_shows(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment(cached_preflight_script="head -c 3000000 /dev/zero >/b\n")
    tag = cli("build", name, "--json").json["image"]
    shown = next(one for one in cli("images", "--json").json if one["tag"] == tag)
    assert shown["environments"] == [name]
    assert shown["last_used"] is None
    assert shown["in_use"] is False
    assert 2_900_000 < shown["own_size"] < 3_300_000
    cli("run", name, "true")
    assert next(one for one in cli("images", "--json").json if one["tag"] == tag)["last_used"]


def test_stop_ends_a_build_a_running_task_and_leaves_nothing(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    name = make_environment(cached_preflight_script="echo building; sleep 60\n")
    for script in ("echo building; sleep 60\n", "true\n"):
        make_environment(name, edit=True, cached_preflight_script=script)
        task = cli("run", name, "echo working; sleep 60", "--detach", "--json").json["task"]
        while "ing" not in cli("tasks", "logs", task).out:
            assert cli("tasks", "show", task, "--json").json["finished"] is None
        stopped = cli("tasks", "stop", task, "--json").json
        assert stopped["state"] == "cancelled"
        assert not any(task in one.name or "build" in one.name for one in engine.list_containers({}))
    # What is left are the folders of locks, nothing of the task or the build.
    assert {path.name for path in (cli.home / "run").iterdir()} <= {"builds", "owners"}


def test_tasks_and_their_logs(make_environment: MakeEnvironment, cli: Cli) -> None:
    name = make_environment()
    done = cli("run", name, "echo out; echo err >&2; exit 3", "--json", check=False)
    task = done.result["task"]
    shown = cli("tasks", "show", task[:6], "--json").json
    assert (shown["state"], shown["exit_code"], shown["environment"]) == ("failed", 3, name)
    assert shown["phases"] == done.result["phases"]
    # Two streams: each in its order, between them the engine promises none.
    assert sorted(cli("tasks", "logs", task).out.splitlines()) == ["err", "out"]
    assert cli("tasks", "list", "--json").json[0]["id"] == task


def test_a_git_workspace_is_a_fresh_clone(make_environment: MakeEnvironment, cli: Cli, tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    make_repository(repository)
    name = make_environment(workspace=f"git+file://{repository}#main")
    done = cli("run", name, "git log --oneline; git status --short; echo new >file", "--json")
    assert any("first" in line for line in done.log)
    clone = cli.home / "workspaces" / done.result["task"]
    assert (clone / "file").read_text() == "new\n"
    make_environment(name, edit=True, workspace=f"git+file://{repository}-gone")
    failed = cli("run", name, "true", "--json", check=False)
    assert "cannot be cloned" in failed.result["error"]
    assert failed.phase("workspace")["state"] == "failed"


def test_a_layer_that_lost_its_tag_goes_too_and_a_persons_does_not(
    make_environment: MakeEnvironment, cli: Cli, engine: DockerEngine
) -> None:
    name = make_environment(cached_preflight_script="# step: a\necho a >/a\n# step: b\necho b >/b\n")
    layers = cli("plan", name, "--json").json["layers"]
    cli("build", name)
    below = engine.find_image(layers[0]["tag"])
    assert below is not None
    engine.remove_tag(layers[0]["tag"])  # its child keeps it, without a name
    holder = docker("create", layers[1]["tag"], "true").strip()
    persons = docker("commit", holder).strip()
    docker("rm", holder)
    try:
        cli("clean")
        assert engine.find_image(persons) is not None
    finally:
        subprocess.run(["docker", "rmi", persons], check=False, capture_output=True)
    cli("clean")
    assert engine.find_image(below.id) is None
