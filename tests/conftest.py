"""Fixtures of all levels: an engine, base images, files of one's own, and a look that nothing foreign changed."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from agents_runner.core.errors import EngineError
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.images.mini_base import CHANGES, make_mini_base
from tests.support import sweep
from tests.support.cli import Cli
from tests.support.debian import debian_base as have_debian_base
from tests.support.guests import GuestEngine, Homes, neighbour
from tests.support.nothing_skipped import pytest_runtest_makereport  # noqa: F401  # a hook of the whole suite

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores it, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
KEPT = ("agents-runner-mini:", "agents-runner-test-debian:")
"""Base images that stay for the next run."""


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """The homes that this session made; the rest of what is in an engine is other people's."""
    return Homes(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def engine(homes: Homes) -> Iterator[GuestEngine]:
    """The real engine, without what others have on it. Where there is none, the skip says how to start one."""
    found = GuestEngine(homes)
    try:
        found.info()
    except EngineError as error:
        found.close()
        pytest.skip(f"{error} (bash scripts/test.sh starts one)")
    client = docker.from_env()
    alone = os.environ.get("CI") == "true"
    if alone:
        sweep.remove_leftovers(client, KEPT)
    before = sweep.look(client, homes)
    name = secrets.token_hex(6)
    found.base = f"{sweep.SESSION_BASE}{name}"
    state = os.environ.get("AGENTS_RUNNER_TEST_STATE")
    if state:
        sweep.save_made(state, base=found.base, neighbour=f"neighbour-{name}")
        sweep.save(before, state)
    make_session_base(found, name)
    try:
        with neighbour(client, f"neighbour-{name}", found.base) as theirs:
            yield found
            sweep.remove_new(client, before, homes)
            assert theirs.missing() == [], "what others have must be there as it was"
    finally:
        sweep.remove_new(client, before, homes)
        sweep.remove_base(found.base)
        if alone:
            sweep.remove_networks(client)
        after = sweep.look(client, homes)
        client.close()
        found.close()
    # What is not ours is as it was: nothing removed, nothing left behind. Where a person works beside the tests,
    # what comes and goes meanwhile is the person's affair.
    if alone:
        assert sweep.foreign_differences(before, after, KEPT, alone=True) == []


def make_session_base(engine: GuestEngine, name: str) -> None:
    """The mini base under a name and with an id of this session's own: no layer is shared with a person's."""
    changes = (*CHANGES, f"LABEL {sweep.SESSION_LABEL}={name}")
    engine.import_image(make_mini_base().blocks(), engine.base, changes)


@pytest.fixture(scope="session")
def mini_base(engine: GuestEngine) -> str:
    return engine.base


@pytest.fixture(scope="session")
def debian_base(engine: DockerEngine) -> str:
    return have_debian_base(engine)


@pytest.fixture
def ar_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("AGENTS_RUNNER_HOME", str(home))
    return home


@pytest.fixture
def cli(ar_home: Path) -> Cli:
    return Cli(home=ar_home)


USER = "agents-runner-test"


@pytest.fixture(scope="session")
def ordinary_user(engine: DockerEngine) -> Iterator[pwd.struct_passwd]:
    """An ordinary user of this machine (not root), made for the session if this is root's."""
    if os.geteuid() != 0:
        yield pwd.getpwuid(os.getuid())
        return
    try:
        yield pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--uid", "23456", "--create-home", "--shell", "/bin/bash", USER], check=True)
        try:
            yield pwd.getpwnam(USER)
        finally:
            subprocess.run(["userdel", "--remove", USER], check=False, capture_output=True)


@pytest.fixture
def user_folder(ordinary_user: pwd.struct_passwd, homes: Homes) -> Iterator[Path]:
    """A folder that belongs to the ordinary user, outside of pytest's own, which only root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="agents-runner-user-", dir="/var/tmp"))
    folder.chmod(0o755)
    os.chown(folder, ordinary_user.pw_uid, ordinary_user.pw_gid)
    try:
        yield folder
    finally:
        homes.look()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def user_cli(ordinary_user: pwd.struct_passwd, user_folder: Path) -> Cli:
    """The command line as the ordinary user, who may use the engine's socket.

    The interpreter may lie in a folder of root's that others cannot enter; the right to read it, and nothing
    else of root's, is handed over as a capability.
    """
    env = {"HOME": ordinary_user.pw_dir, "USER": ordinary_user.pw_name}
    home = user_folder / "home"
    if os.geteuid() != 0:
        return Cli(home=home, env=env)
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    group = str(Path(socket).stat().st_gid)
    uid, gid = str(ordinary_user.pw_uid), str(ordinary_user.pw_gid)
    keep = "+dac_read_search"
    prefix = ("setpriv", f"--reuid={uid}", f"--regid={gid}", f"--groups={gid},{group}")
    return Cli(home=home, prefix=(*prefix, f"--inh-caps={keep}", f"--ambient-caps={keep}"), env=env)


@pytest.fixture(autouse=True)
def _no_host_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads this machine's own logins."""
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "COPILOT_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no-logins"))
