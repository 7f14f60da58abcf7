"""apt, pacman, npm and pip without MKNOD, NET_RAW and SETFCAP; npm and pip for an agent without any right."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli, Done

DROPPED = {"SETPCAP": 8, "NET_RAW": 13, "MKNOD": 27, "SETFCAP": 31}
"""The numbers of the capabilities that no script has. SETPCAP is the launcher's alone."""
RIGHTS = "grep -E '^(Cap(Eff|Bnd)|NoNewPrivs):' /proc/self/status\n"
# The package's own installation gives its program a capability, and setuid where that is refused.
WITH_APT = f"""set -eu
export DEBIAN_FRONTEND=noninteractive
{RIGHTS}apt-get -q update
apt-get -q install -y --no-install-recommends libcap2-bin python3-venv
apt-get -q install -y --no-install-recommends iputils-ping
dpkg --audit
npm install --silent --no-audit --no-fund -g is-odd
"""
AS_AGENT = f"""set -eu
{RIGHTS}export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
command -v ping
python3 -m venv tools
tools/bin/pip -q install six
tools/bin/python -c 'import six; print("pip installed", six.__name__)'
npm install --silent --no-audit --no-fund is-number
node -e 'console.log("npm installed", require("is-number")(1))'
"""


def environment(cli: Cli, folder: Path, base: str, script: str) -> str:
    path = folder / "cached.sh"
    path.write_text(script)
    path.chmod(0o644)
    workspace = folder / "workspace"
    workspace.mkdir()
    owner = folder.stat()
    os.chown(workspace, owner.st_uid, owner.st_gid)
    fields = {"base_image": base, "agent": "shell", "cache_container_build": "true", "workspace": str(workspace)}
    fields |= {"cached_preflight_script": f"@{path}"}
    cli("env", "create", "test", *(word for key, value in fields.items() for word in ("--set", f"{key}={value}")))
    return "test"


def rights(done: Done) -> list[dict[str, int]]:
    """What each look at the rights found, in their order."""
    found: list[dict[str, int]] = []
    for line in done.log:
        name, colon, value = line.partition(":\t")
        if colon and name == "CapEff":
            found.append({})
        if colon and name in ("CapEff", "CapBnd", "NoNewPrivs"):
            found[-1][name] = int(value, 16)
    return found


def lacks_the_dropped(seen: dict[str, int]) -> bool:
    sets = (seen["CapEff"], seen["CapBnd"])
    return all(one and not any(one >> number & 1 for number in DROPPED.values()) for one in sets)


@pytest.fixture(params=["root", "plain"])
def person(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Cli, Path, int]]:
    """Whose task it is: the command line, a folder, the number."""
    if request.param == "root":
        cli, folder, uid = request.getfixturevalue("cli"), tmp_path, os.getuid()
    else:
        user: pwd.struct_passwd = request.getfixturevalue("ordinary_user")
        folder, uid = request.getfixturevalue("user_folder"), user.pw_uid
        cli = request.getfixturevalue("user_cli")
    yield cli, folder, uid
    cli("clean")


def test_s6_apt_npm_and_pip_work_without_the_rights_that_are_dropped(
    person: tuple[Cli, Path, int], agents_base: str
) -> None:
    cli, folder, uid = person
    name = environment(cli, folder, agents_base, WITH_APT)
    done = cli("run", name, AS_AGENT, "--json")
    assert done.phase("build.env")["cache"] == "built"
    of_the_script, of_the_agent = rights(done)
    assert lacks_the_dropped(of_the_script)
    assert of_the_agent == {"CapEff": 0, "CapBnd": 0, "NoNewPrivs": 1}
    assert done.log[-3:] == ["/usr/bin/ping", "pip installed six", "npm installed true"]
    assert any("falling back to setuid" in line for line in done.log), "a capability of a file is refused, and said"
    made = list((folder / "workspace").rglob("*"))
    assert {path.lstat().st_uid for path in made} == {uid}
    assert folder / "workspace/node_modules/is-number/package.json" in made


def test_s6_pacman_installs_a_program_with_a_capability_and_says_that_it_is_refused(
    cli: Cli, tmp_path: Path, pacman_base: str
) -> None:
    name = environment(cli, tmp_path, pacman_base, f"set -eu\n{RIGHTS}pacman -Sy --noconfirm capable\n")
    done = cli("run", name, "capable; pacman -Q; getcap /usr/bin/capable", "--json")
    try:
        assert done.phase("build.env")["cache"] == "built"
        (seen,) = rights(done)
        assert lacks_the_dropped(seen)
        assert any("warning given when extracting" in line for line in done.log)
        assert done.log[-2:] == ["it works", "capable 1-1"]
    finally:
        cli("clean")
