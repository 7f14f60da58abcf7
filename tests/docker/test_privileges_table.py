"""Every stage under every profile, asked from inside: who it is, what it holds, what it may, what it leaves."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.docker.test_live_sweep import notices
from tests.support import privileges, sweep
from tests.support.cli import Cli
from tests.support.docker_program import docker


@pytest.fixture(scope="session")
def probe() -> Iterator[Path]:
    """Where an ordinary person can see it as well."""
    folder = Path(tempfile.mkdtemp(prefix="agents-runner-probe-", dir="/var/tmp"))
    try:
        privileges.make_probe(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def images(mini_base: str) -> Iterator[dict[str, str]]:
    made = {name: privileges.make_image(mini_base, user) for name, user in privileges.IMAGES.items()}
    yield made
    for ref in made.values():
        sweep.remove_base(ref)


@pytest.fixture
def as_person(request: pytest.FixtureRequest, cli: Cli) -> Callable[[str], tuple[Cli, int]]:
    """The command line as a person of that kind, with the number that the person has inside."""

    def run_as(person: str) -> tuple[Cli, int]:
        if person == "root":
            return cli, os.geteuid()
        user: pwd.struct_passwd = request.getfixturevalue("ordinary_user")
        return request.getfixturevalue("user_cli"), user.pw_uid

    return run_as


@pytest.mark.parametrize("profile", privileges.PROFILES)
@pytest.mark.parametrize("person", privileges.PERSON)
@pytest.mark.parametrize("image", privileges.IMAGES)
def test_s6_each_stage_has_the_rights_of_its_profile_and_no_others(
    make_environment: MakeEnvironment,
    as_person: Callable[[str], tuple[Cli, int]],
    images: dict[str, str],
    probe: Path,
    record_property: Callable[[str, object], None],
    image: str,
    person: str,
    profile: str,
) -> None:
    run, uid = as_person(person)
    name = make_environment(
        run_as=run,
        base_image=images[image],
        workspace="none",
        profile=profile,
        mounts=f'["{probe}:/probe:ro"]',
        cache_container_build="false",
        cached_preflight_script=privileges.probe_call("cached preflight"),
        run_preflight_script=privileges.probe_call("run preflight"),
    )
    done = run("run", name, privileges.probe_call("agent"), "--json")
    kind = {"profile": profile, "image": image, "person": person, "person_uid": uid}
    found = [privileges.measured(one, **kind) for one in privileges.probed(done.log)]
    for row in found:
        record_property("privileges", asdict(row))
    assert found == [privileges.expected(stage=stage, **kind) for stage in privileges.STAGES]


def test_s6_the_probe_finds_everything_that_is_allowed(images: dict[str, str], probe: Path, tmp_path: Path) -> None:
    """In a container that has the rights: else "refused" would say nothing."""
    ours = "(exec -a /run/agents-runner/in/tools/launcher sleep 100) & until [ -e /proc/$!/exe ]; do :; done; "
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "docker.sock"))
        door.listen()
        out = docker(
            *("run", "--rm", "--init", "--user", "0:0", "--entrypoint", "/bin/bash"),
            *("--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined"),
            *("--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"),
            *("--volume", f"{probe}:/probe:ro", "--volume", f"{tmp_path}/docker.sock:/run/docker.sock"),
            images["root"],
            *("-c", ours + "/probe/run all"),
        )
    (found,) = privileges.probed(out.splitlines())
    # An engine that is itself in a container has no /sys to give away.
    assert set(privileges.TRIED) - set(found["allowed"]) <= {"write to /sys"}


LEAVE = """cd "$AGENTS_RUNNER_WORKSPACE"
tried() { if "${@:2}" 2>/dev/null; then echo "did $1"; fi; }
for one in own group foreign roots; do cp /bin/bash $one; done
mkdir folder && cp /bin/bash folder/deep
tried setuid chmod 4755 own
tried setgid chmod 2755 group
tried both chmod 6755 folder/deep
tried chown chown 4242 foreign
tried sudo-chown sudo chown 4242 foreign
tried sudo-setuid sudo chmod 4755 foreign
tried sudo-root sudo chown 0 roots
tried sudo-roots-setuid sudo chmod 4755 roots
tried device sudo PYTHONHOME=/probe $(echo /probe/libraries/ld*) --library-path /probe/libraries \
    /probe/bin/python -s -S -c 'import os; os.mknod("disk", 0o060666, os.makedev(7, 0))'
"""
OWN = {"setuid", "setgid", "both"}
WITH_SUDO = {"sudo-chown", "sudo-setuid", "sudo-root", "sudo-roots-setuid"}
DONE = {
    ("standard", "plain"): OWN,
    ("standard", "root"): OWN,
    ("sudo", "plain"): OWN | WITH_SUDO,
    ("sudo", "root"): OWN | WITH_SUDO | {"chown"},
}
"""What an agent gets done in its workspace, by profile and person; a device node is never among it."""


@pytest.mark.parametrize(("profile", "person"), sorted(DONE))
def test_s7_what_an_agent_leaves_is_impossible_or_cleared_and_told(
    make_environment: MakeEnvironment,
    as_person: Callable[[str], tuple[Cli, int]],
    images: dict[str, str],
    probe: Path,
    user_folder: Path,
    profile: str,
    person: str,
) -> None:
    run, uid = as_person(person)
    work = user_folder / "work"
    work.mkdir()
    os.chown(work, uid, uid)
    name = make_environment(
        run_as=run,
        base_image=images["tool"],
        workspace=str(work),
        profile=profile,
        mounts=f'["{probe}:/probe:ro"]',
    )
    done = run("run", name, LEAVE + "true\n", "--json")
    assert {line.removeprefix("did ") for line in done.log if line.startswith("did ")} == DONE[profile, person]
    for path in work.rglob("*"):
        found = path.lstat()
        assert not stat.S_ISBLK(found.st_mode), path
        bits = found.st_mode & (stat.S_ISUID | (stat.S_ISGID if path.is_file() else 0))
        assert (found.st_uid, bits) == (uid, 0), path
    told = [one for one in notices(done) if "left in your folders" in one]
    assert len(told) == 1
    for one in ("own", "group", "deep"):
        assert one in told[0]


def test_s7_strict_has_no_folder_to_leave_anything_in(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    name = make_environment(workspace="none", profile="strict")
    done = cli("env", "edit", name, "--set", f"workspace={workspace}", check=False)
    assert done.code
    assert "strict" in done.err.lower()
