"""Fixtures of the tests with a desktop: one pair of layers with real packages for the whole session, one browser."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_runner.engine.docker_engine import DockerEngine
from tests.e2e.desktops import Built, Desk
from tests.support.agents import base_with_agents
from tests.support.browser import Browser, chromium
from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.sweep import remove_base

WITH_PACMAN = r"""
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends pacman-package-manager makepkg libarchive-tools zstd libcap2-bin
mkdir -p /usr/share/libalpm/hooks /opt/repo /opt/make/usr/bin
cd /opt/make
printf '#!/bin/sh\necho it works\n' >usr/bin/capable
chmod 755 usr/bin/capable
setcap cap_net_raw+ep usr/bin/capable
printf '%s\n' 'pkgname = capable' 'pkgdesc = demo' 'pkgver = 1-1' 'arch = any' 'size = 30' >.PKGINFO
bsdtar -cf made.tar .PKGINFO usr
grep -q SCHILY.xattr.security.capability made.tar
zstd -q made.tar -o /opt/repo/capable-1-1-any.pkg.tar.zst
repo-add -q /opt/repo/here.db.tar.gz /opt/repo/*.pkg.tar.zst
printf '%s\n' '[options]' 'Architecture = auto' 'SigLevel = Never' '[here]' 'Server = file:///opt/repo' \
    >/etc/pacman.conf
printf 'ID=arch\nNAME="Arch Linux"\n' >/etc/os-release
rm -rf /opt/make /usr/bin/apt-get /var/lib/apt/lists
"""


@pytest.fixture(scope="session")
def fresh_base(debian_base: str) -> Iterator[str]:
    """The Debian base under another identity: no layer of an earlier session is on it."""
    ref = f"agents-runner-test-desktop:{secrets.token_hex(4)}"
    made = docker("create", "--label", "agents-runner.test=desktop", debian_base, "true").strip()
    docker("commit", "-c", f"LABEL agents-runner.test={ref}", "-c", 'CMD ["/bin/bash"]', made, ref)
    docker("rm", made)
    yield ref
    docker("rmi", "--no-prune", ref)


@pytest.fixture(scope="session")
def built(engine: DockerEngine, fresh_base: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both layers, built once for all tests with real packages."""
    folder = tmp_path_factory.mktemp("desktop")
    desk = Desk(cli=Cli(home=folder / "home"), base=fresh_base, folder=folder)
    desk.environment()
    before = desk.plan("desk")
    done = desk.cli("run", "desk", "true", "--json")
    return Built(
        desk=desk,
        before=before,
        phases={name: done.phase(name) for name in ("build.desktop", "build.env", "desktop", "desktop.install")},
        after=desk.plan("desk"),
    )


@pytest.fixture(scope="session")
def desk(built: Built) -> Desk:
    return built.desk


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def ready_base(built: Built) -> Iterator[str]:
    """A base image on which the desktop is there already: installing it takes a moment only."""
    ref = "agents-runner-test-desktop:base"
    docker("tag", built.after["layers"][0]["tag"], ref)
    yield ref
    docker("rmi", "--no-prune", ref)


@pytest.fixture(scope="session")
def agents_base(debian_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A base image on which Node.js, npm and the agents are there already."""
    ref = base_with_agents(debian_base, tmp_path_factory.mktemp("agents"))
    yield ref
    remove_base(ref)


@pytest.fixture(scope="session")
def pacman_base(debian_base: str) -> Iterator[str]:
    """A base of Arch's family: a real pacman, and a package whose program has a capability of its own."""
    ref = "agents-runner-test-pacman:1"
    made = docker("create", "--label", "agents-runner.test=pacman", debian_base, "bash", "-c", WITH_PACMAN).strip()
    try:
        done = subprocess.run(["docker", "start", "-a", made], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        docker("commit", "-c", 'CMD ["/bin/bash"]', made, ref)
    finally:
        docker("rm", "-f", made)
    yield ref
    remove_base(ref)


@pytest.fixture
def person_desk(user_cli: Cli, user_folder: Path, ready_base: str) -> Desk:
    """An ordinary user's desk: set-up runs as the image's own user, not as root."""
    return Desk(cli=user_cli, base=ready_base, folder=user_folder)
