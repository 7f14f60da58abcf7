"""What a build leaves for the application is taken through the engine, as one small plain file or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from agents_runner.containers.control_folder import CONTROL_KIND
from agents_runner.core.container import CONTAINER_INSTANCE, CONTAINER_KIND
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker

WORDS = "What the script exports cannot be taken over"
FILES = ("functions.bash", "00.after", "00.before", "/etc/agents-runner/exports.sh")
STATE = "/run/agents-runner/state"


@pytest.fixture
def host_file(tmp_path: Path) -> tuple[Path, str]:
    """A private file of the person, and a word in it that must be in no image and in no output."""
    word = f"host{secrets.token_hex(12)}"
    path = tmp_path / "private" / "key"
    path.parent.mkdir(mode=0o700)
    path.write_text(f"export HOST_WORD={word}\nfunction_word () {{ echo {word}; }}\n")
    path.chmod(0o600)
    return path, word


def script_that(command: str) -> str:
    """Does it in a build, after what the script exports was written down: in a trap behind the launcher's own."""
    return f'if [ "$AGENTS_RUNNER_STAGE" = build ]; then trap "{command}" EXIT; fi\ntouch /made\nexport KEPT=yes\n'


KINDS = {
    "a link to a private file of the person": "ln -s {host} {to}",
    "a link up and out": "ln -s ../../../../../../../../../..{host} {to}",
    "a link to a device without end": "ln -s /dev/zero {to}",
    "a circle of links": "ln -s {to}.other {to}; ln -s {to} {to}.other",
    "a pipe": "mkfifo {to}",
    "a folder": "mkdir {to}; echo export A=1 >{to}/x",
    "a file of 100 GB without a byte": "truncate -s 100G {to}",
    "a file above the limit": "head -c 1100000 /dev/zero >{to}",
}


def spoil(kind: str, to: str, host: Path) -> str:
    return f"rm -rf {to}; {KINDS[kind].format(host=host, to=to)}"


@pytest.mark.parametrize("name", ["functions.bash", "00.after", "00.before"])
@pytest.mark.parametrize("kind", KINDS)
def test_c1_a_strange_file_is_a_failed_build(
    make_environment: MakeEnvironment, cli: Cli, host_file: tuple[Path, str], kind: str, name: str
) -> None:
    host, word = host_file
    environment = make_environment(cached_preflight_script=script_that(spoil(kind, f"{STATE}/{name}", host)))
    done = cli("build", environment, "--json", check=False)
    assert done.json["error"]["code"] == "build-failed"
    assert WORDS in done.json["error"]["message"]
    assert word not in done.out + done.err
    assert left(cli) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "folder" not in kind and "circle" not in kind])
def test_c1_the_task_runs_all_the_same(
    make_environment: MakeEnvironment, cli: Cli, host_file: tuple[Path, str], workspace: Path, kind: str
) -> None:
    host, word = host_file
    environment = make_environment(cached_preflight_script=script_that(spoil(kind, f"{STATE}/functions.bash", host)))
    ran = cli("run", environment, "test -e /made && echo $KEPT-$HOST_WORD >out", "--json")
    assert ran.result["state"] == "succeeded"
    assert (workspace / "out").read_text() == "yes-\n"
    assert ran.phase("build.env")["cache"] == "fallback"
    assert word not in ran.out + ran.err
    assert left(cli) == []


@pytest.mark.parametrize("to", ["/etc/agents-runner/exports.sh", "/etc/agents-runner"])
@pytest.mark.parametrize("kind", ["a link to a private file of the person", "a pipe"])
def test_c1_the_exports_of_a_layer_below_are_no_way_in_either(
    make_environment: MakeEnvironment, cli: Cli, host_file: tuple[Path, str], workspace: Path, kind: str, to: str
) -> None:
    host, word = host_file
    first = f"mkdir -p /etc/agents-runner; {spoil(kind, to, host)}; touch /made\nexport KEPT=yes\n"
    environment = make_environment(cached_preflight_script=f"{first}# step: two\ntrue\n")
    ran = cli("run", environment, "test -e /made && echo $KEPT-$HOST_WORD >out", "--json")
    assert ran.result["state"] == "succeeded"
    assert (workspace / "out").read_text() == "yes-\n"
    assert word not in ran.out + ran.err
    assert word not in docker("run", "--rm", "--entrypoint", "/bin/sh", ran.result["image"], "-c", READ_ALL)


def test_c1_a_hard_link_holds_the_containers_own_bytes(
    make_environment: MakeEnvironment, cli: Cli, workspace: Path
) -> None:
    act = f"echo export OTHER=1 >{STATE}/x; rm {STATE}/00.after; ln {STATE}/x {STATE}/00.after"
    environment = make_environment(cached_preflight_script=script_that(act))
    ran = cli("run", environment, "echo $OTHER >out", "--json")
    assert ran.phase("build.env")["cache"] == "built"
    assert (workspace / "out").read_text() == "1\n"


def test_c1_the_state_folder_itself_cannot_be_replaced(
    make_environment: MakeEnvironment, cli: Cli, host_file: tuple[Path, str]
) -> None:
    host, word = host_file
    act = f"rm -rf {STATE}; mv {STATE} {STATE}.old; ln -s {host.parent} {STATE}"
    environment = make_environment(cached_preflight_script=script_that(act))
    done = cli("build", environment, "--json", check=False)
    assert word not in done.out + done.err
    if "image" in done.json:
        assert word not in docker("run", "--rm", "--entrypoint", "/bin/sh", done.json["image"], "-c", READ_ALL)
    assert left(cli) == []


def test_c1_nothing_of_the_host_is_written_through_a_link_either(
    make_environment: MakeEnvironment, cli: Cli, host_file: tuple[Path, str]
) -> None:
    host, _ = host_file
    before = (host.read_bytes(), sorted(path.name for path in host.parent.iterdir()))
    act = f"rm -rf /etc/agents-runner; ln -s {host.parent} /etc/agents-runner"
    cli("build", make_environment(cached_preflight_script=script_that(act)), "--json", check=False)
    assert before == (host.read_bytes(), sorted(path.name for path in host.parent.iterdir()))


READ_ALL = "cat /etc/agents-runner/* /run/agents-runner/*/* 2>/dev/null; true"


def left(cli: Cli) -> list[str]:
    """Volumes of control folders that this home's application made."""
    instance = (cli.home / "instance").read_text().strip()
    assert instance
    filters = (f"label={CONTAINER_KIND}={CONTROL_KIND}", f"label={CONTAINER_INSTANCE}={instance}")
    return docker("volume", "ls", "-q", "--filter", filters[0], "--filter", filters[1]).split()
