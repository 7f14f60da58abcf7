"""Variables of an image's own configuration that make a loader run something: root's programs start without them.

What they name may have been written by the image's user. Who runs behind stage.sh has them, as the image says.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.docker.test_live_sweep import notices
from tests.docker.test_privileges import gifts
from tests.support import sweep
from tests.support.cli import Cli
from tests.support.docker_program import docker, docker_export

OWN = "/home/tool/own.so"
ADD = (
    "printf 'tool:x:1000:1000:Tool:/home/tool:/bin/bash\\n' >>/etc/passwd; printf 'tool:x:1000:\\n' >>/etc/group; "
    f"mkdir -p /home/tool; echo 'not yet a library' >{OWN}; chown -R 1000:1000 /home/tool"
)
MakeImage = Callable[..., str]


@pytest.fixture
def make_image(mini_base: str) -> Iterator[MakeImage]:
    """An image with these variables and a user of its own, who can write what they name."""
    made = []

    def make(user: str = "tool", **variables: str) -> str:
        ref = f"agents-runner-test-variables:{len(made)}"
        docker("import", "-", "agents-runner-test-variables:part", data=docker_export(mini_base))
        box = docker("create", "agents-runner-test-variables:part", "/bin/bash", "-c", ADD).strip()
        docker("start", "-a", box)
        exported = subprocess.run(["docker", "export", box], capture_output=True, check=True).stdout
        changes = [f"ENV {name}={value}" for name, value in variables.items()] + ([f"USER {user}"] if user else [])
        docker("import", *(word for one in changes for word in ("--change", one)), "-", ref, data=exported)
        docker("rm", box)
        docker("rmi", "agents-runner-test-variables:part")
        made.append(ref)
        return ref

    yield make
    for ref in made:
        sweep.remove_base(ref)


@pytest.fixture
def work(user_folder: Path, ordinary_user: pwd.struct_passwd) -> Path:
    folder = user_folder / "work"
    folder.mkdir()
    os.chown(folder, ordinary_user.pw_uid, ordinary_user.pw_gid)
    return folder


def environment_of(image: str) -> list[str]:
    return sorted(json.loads(docker("inspect", "--format", "{{json .Config.Env}}", image)))


@pytest.mark.parametrize("cached", ["true", "false"])
@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT"])
def test_h1_roots_programs_load_nothing_that_the_image_names(
    make_environment: MakeEnvironment, user_cli: Cli, work: Path, make_image: MakeImage, name: str, cached: str
) -> None:
    """The loader says so for each program that it starts with one that it cannot load; the person's have none."""
    image = make_image(**{name: OWN})
    made = make_environment(
        run_as=user_cli,
        base_image=image,
        workspace=str(work),
        cache_container_build=cached,
        env_vars=json.dumps({name: ""}),
        cached_preflight_script="echo cached\n",
        run_preflight_script="echo run\n",
    )
    done = user_cli("run", made, "echo agent", "--json")
    assert {"cached", "run", "agent"} <= set(done.log)
    assert [line for line in done.log if OWN in line] == []


def test_h1_what_the_loader_would_write_is_never_roots_and_the_layer_has_the_images_variables(
    make_environment: MakeEnvironment,
    user_cli: Cli,
    work: Path,
    make_image: MakeImage,
    ordinary_user: pwd.struct_passwd,
) -> None:
    variables = {
        "LD_DEBUG": "files",
        "LD_DEBUG_OUTPUT": "/workspace/trace",
        "BASH_ENV": "/home/tool/env",
        "KEPT": "k",
    }
    image = make_image(**variables)
    made = make_environment(
        run_as=user_cli, base_image=image, workspace=str(work), cached_preflight_script="echo cached\n"
    )
    done = user_cli("run", made, 'echo "is $LD_DEBUG_OUTPUT $BASH_ENV $KEPT"', "--json")
    assert "is /workspace/trace /home/tool/env k" in done.log
    # What root's programs had written would have been handed over after the task, and told.
    assert [one for one in notices(done) if "left in your folders" in one] == []
    # The person's own programs have them, and do what the image says.
    assert {path.stat().st_uid for path in work.glob("trace.*")} == {ordinary_user.pw_uid}
    assert gifts(work) == []
    (tag,) = [one["tag"] for one in json.loads(user_cli("plan", made, "--json").out)["layers"]]
    assert environment_of(tag) == environment_of(image)


def test_h1_the_container_that_mends_a_folder_starts_without_them(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path, make_image: MakeImage
) -> None:
    image = make_image(user="", LD_DEBUG="files", LD_DEBUG_OUTPUT="/mended/trace")
    name = make_environment(base_image=image, profile="sudo")
    done = cli("run", name, 'cd "$AGENTS_RUNNER_WORKSPACE" && cp /bin/bash f && chown 4242 f', "--json")
    assert (workspace / "f").stat().st_uid == os.getuid()
    assert any("left in your folders" in one for one in notices(done))
    assert [path.name for path in workspace.iterdir()] == ["f"]


def test_h1_the_container_that_mends_a_folder_runs_no_program_of_the_image(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path, mini_base: str
) -> None:
    """Not one of those that it needs, whatever stands under their names."""
    ref = "agents-runner-test-variables:hostile"
    replaced = (
        "mkdir /o && for p in chmod find chown sh; do f=$(command -v $p) && cp -L $f /o/$p && rm $f && "
        "printf '#!/bin/bash\\n[ ! -d /mended ] || echo $0 >>/mended/trace\\nexec /o/%s \"$@\"\\n' $p >$f && "
        "/o/chmod 755 $f || exit 1; done"
    )
    docker("build", "-q", "-t", ref, "-", data=f"FROM {mini_base}\nRUN {replaced}\n".encode())
    try:
        assert "find: " not in docker("run", "--rm", ref, "/bin/sh", "-c", "find /o -name find")
        name = make_environment(base_image=ref, profile="sudo")
        agent = (
            'cd "$AGENTS_RUNNER_WORKSPACE" && cp /bin/bash f && chown 4242 f && mkdir d && cp f d/g && chown 4242 d/g'
        )
        done = cli("run", name, agent, "--json")
    finally:
        sweep.remove_base(ref)
    assert {(workspace / one).stat().st_uid for one in ("f", "d/g")} == {os.getuid()}
    assert any("left in your folders" in one for one in notices(done))
    assert sorted(path.name for path in workspace.iterdir()) == ["d", "f"]
