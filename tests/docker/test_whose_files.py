"""Whose files: what a task makes in the workspace belongs to the person, whatever user the base image has."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support import sweep
from tests.support.cli import Cli
from tests.support.docker_program import docker, docker_export

ADD_USER = (
    "printf 'tool:x:1000:1000:Tool:/home/tool:/bin/bash\\n' >>/etc/passwd\n"
    "printf 'tool:x:1000:\\nextra:x:2000:tool\\n' >>/etc/group\n"
    "mkdir -p /home/tool/.cache && echo old >/home/tool/.cache/old && chown -R 1000:1000 /home/tool\n"
)
AGENT = """set -e
mkdir -p made/inner && echo agent >made/inner/file && echo changed >>existing
echo "$(id -u) $(id -un) $HOME"
echo x >"$HOME/writable" && echo x >>"$HOME/.from-cached"
git init -q repo && git -C repo status --short
"""


def with_user(mini_base: str, user: str) -> str:
    """The mini base with a user 1000 in it, and this one as the image's user."""
    ref = f"agents-runner-test-user:{user.replace(':', '-') or 'none'}"
    change = ["--change", f"USER {user}"] if user else []
    docker("import", "-", "agents-runner-test-user:part", data=docker_export(mini_base))
    made = docker("create", "agents-runner-test-user:part", "/bin/bash", "-c", ADD_USER).strip()
    docker("start", "-a", made)
    docker(
        "import",
        *change,
        "-",
        ref,
        data=subprocess.run(["docker", "export", made], capture_output=True, check=True).stdout,
    )
    docker("rm", made)
    docker("rmi", "agents-runner-test-user:part")
    return ref


@pytest.fixture(params=["", "root", "1000", "tool", "tool:tool", "4321"])
def image(request: pytest.FixtureRequest, mini_base: str) -> Iterator[str]:
    ref = with_user(mini_base, request.param)
    yield ref
    sweep.remove_base(ref)


def owners(folder: Path) -> set[tuple[int, int]]:
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in folder.rglob("*")}


@pytest.mark.parametrize("cached", ["true", "false"])
def test_s12_files_belong_to_an_ordinary_user(
    make_environment: MakeEnvironment,
    user_cli: Cli,
    user_folder: Path,
    ordinary_user: pwd.struct_passwd,
    image: str,
    cached: str,
) -> None:
    work = user_folder / "work"
    work.mkdir()
    (work / "existing").write_text("mine\n")
    for path in (work, work / "existing"):
        os.chown(path, ordinary_user.pw_uid, ordinary_user.pw_gid)
    name = make_environment(
        run_as=user_cli,
        base_image=image,
        workspace=str(work),
        cache_container_build=cached,
        cached_preflight_script='mkdir -p "$HOME/.tool" && echo x >"$HOME/.from-cached"\n',
        run_preflight_script='echo by-run >"$AGENTS_RUNNER_WORKSPACE/from-run"\necho x >"$HOME/.tool/by-run"\n',
    )
    done = user_cli("run", name, AGENT, "--json")
    uid = ordinary_user.pw_uid
    assert done.log[-1].startswith(f"{uid} ")
    assert owners(work) == {(uid, ordinary_user.pw_gid)}
    assert (work / "made/inner/file").read_text() == "agent\n"
    assert (work / "existing").read_text() == "mine\nchanged\n"
    assert not any("dubious" in line for line in done.log)
    state = user_folder / "home"
    assert {one for one, _ in owners(state)} == {uid}
    # All of it can be removed without root's rights.
    subprocess.run([*user_cli.prefix[:4], "rm", "-rf", str(work)], check=True)
    assert not work.exists()


def test_s12_files_of_roots_own_tasks_belong_to_root(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path, image: str
) -> None:
    name = make_environment(base_image=image, cached_preflight_script="true\n")
    (workspace / "existing").write_text("mine\n")
    cli("run", name, AGENT.replace('echo x >>"$HOME/.from-cached"', "true"))
    assert owners(workspace) == {(os.getuid(), os.getgid())}


def test_files_that_were_roots_before_stay_roots(
    make_environment: MakeEnvironment,
    user_cli: Cli,
    user_folder: Path,
    ordinary_user: pwd.struct_passwd,
    mini_base: str,
) -> None:
    work = user_folder / "work"
    work.mkdir()
    os.chown(work, ordinary_user.pw_uid, ordinary_user.pw_gid)
    (work / "roots").write_text("root's own\n")
    name = make_environment(
        run_as=user_cli, base_image=mini_base, workspace=str(work), run_preflight_script="touch /workspace/new\n"
    )
    user_cli("run", name, "true")
    assert (work / "roots").stat().st_uid == os.getuid()
    assert (work / "new").stat().st_uid == ordinary_user.pw_uid


def test_the_identity_is_part_of_the_key(
    make_environment: MakeEnvironment, user_cli: Cli, cli: Cli, user_folder: Path, mini_base: str
) -> None:
    script = "echo 1 >/one\n"
    make_environment("theirs", run_as=user_cli, workspace="none", cached_preflight_script=script)
    make_environment("mine", workspace="none", cached_preflight_script=script)
    theirs, mine = user_cli("plan", "theirs", "--json").json, cli("plan", "mine", "--json").json
    assert theirs["layers"][0]["key"] != mine["layers"][0]["key"]
