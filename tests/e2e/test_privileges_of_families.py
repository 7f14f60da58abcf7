"""Stage and profile on bases with real packages: the same rights as on the small base, on Debian and on Arch."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.support import privileges
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.sweep import remove_base

FAMILIES = {"Debian": "debian_base", "Arch": "pacman_base"}
CASES = [(base, *case) for base in FAMILIES for case in privileges.combinations(base)]


@pytest.fixture(scope="module")
def probe() -> Iterator[Path]:
    """Where an ordinary person can see it as well."""
    folder = Path(tempfile.mkdtemp(prefix="agents-runner-probe-", dir="/var/tmp"))
    try:
        privileges.make_probe(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def images(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], str]]:
    """Family and image's user to the base with a user, a setuid program and what stands in for sudo."""
    made: dict[tuple[str, str], str] = {}
    for family, fixture in FAMILIES.items():
        base: str = request.getfixturevalue(fixture)
        container = docker("create", base, "bash", "-ec", privileges.SETUID).strip()
        docker("start", "-a", container)
        for name, user in privileges.IMAGES.items():
            ref = f"agents-runner-test-privileges-{family.lower()}:{name}"
            docker("commit", "-c", f"USER {user or 'root'}", "-c", 'CMD ["/bin/bash"]', container, ref)
            made[family, name] = ref
        docker("rm", container)
    yield made
    for ref in made.values():
        remove_base(ref)


@pytest.mark.parametrize(("base", "image", "person", "profile"), CASES)
def test_s6_each_stage_has_the_same_rights_on_a_base_of_this_family(
    request: pytest.FixtureRequest,
    images: dict[tuple[str, str], str],
    probe: Path,
    record_property: Callable[[str, object], None],
    base: str,
    image: str,
    person: str,
    profile: str,
) -> None:
    run: Cli = request.getfixturevalue("cli" if person == "root" else "user_cli")
    uid = os.geteuid()
    if person == "plain":
        user: pwd.struct_passwd = request.getfixturevalue("ordinary_user")
        uid = user.pw_uid
    fields = {
        "base_image": images[base, image],
        "workspace": "none",
        "agent": "shell",
        "profile": profile,
        "mounts": f'["{probe}:/probe:ro"]',
        "cache_container_build": "false",
        "cached_preflight_script": privileges.probe_call("cached preflight"),
        "run_preflight_script": privileges.probe_call("run preflight"),
    }
    run("env", "create", "test", *(word for key, value in fields.items() for word in ("--set", f"{key}={value}")))
    done = run("run", "test", privileges.probe_call("agent"), "--json")
    kind = {"base": base, "profile": profile, "image": image, "person": person, "person_uid": uid}
    found = [privileges.measured(one, **kind) for one in privileges.probed(done.log)]
    for row in found:
        record_property("privileges", asdict(row))
    assert found == [privileges.expected(stage=stage, **kind) for stage in privileges.STAGES]
