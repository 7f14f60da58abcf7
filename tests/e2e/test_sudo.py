"""Profiles with the real sudo and the real apt of Debian, for a person who is not root."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support import sweep
from tests.support.cli import Cli, Done
from tests.support.docker_program import docker

ADD_USER = "useradd -m tool && echo 'tool ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/tool"
AGENT = """tried() { "$@" >/tmp/said 2>&1 && echo "did $*: $(cat /tmp/said)" || echo "refused $?: $(cat /tmp/said)"; }
tried sudo -n id -u
tried /usr/bin/sudo -n id -u
tried bash -lc 'sudo -n id -u'
"""
SENTENCE = (
    "refused 1: sudo: this needs root, which the agent does not have here: "
    "add it to the cached preflight, or choose the profile Sudo"
)
Run = Callable[..., Done]


@pytest.fixture
def run(user_cli: Cli, debian_base: str) -> Run:
    """A task of the ordinary person."""

    def go(profile: str, agent: str, *, image: str = debian_base, script: str = "") -> Done:
        fields = {"base_image": image, "workspace": "none", "agent": "shell", "profile": profile}
        sets = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
        user_cli("env", "create", f"sudo-{profile}", *sets, "--set", f"run_preflight_script={script}")
        return user_cli("run", f"sudo-{profile}", agent, "--json", check=False)

    return go


@pytest.fixture
def with_sudoer(debian_base: str) -> Iterator[str]:
    """Debian with a user of its own who may use sudo, as images of development containers have one."""
    ref = "agents-runner-test-sudo:tool"
    box = docker("create", "--label", "agents-runner.test=sudo", debian_base, "bash", "-c", ADD_USER).strip()
    docker("start", "-a", box)
    docker("commit", "-c", "USER tool", "-c", 'CMD ["/bin/bash"]', box, ref)
    docker("rm", box)
    yield ref
    sweep.remove_base(ref)


def test_s6_sudo_works_for_the_agent_under_sudo(run: Run) -> None:
    done = run(
        "sudo", AGENT + "sudo apt-get --version | head -1; sudo touch /root-was-here && stat -c %u /root-was-here"
    )
    assert [line for line in done.log if line.startswith(("did", "refused"))] == [
        "did sudo -n id -u: 0", "did /usr/bin/sudo -n id -u: 0", "did bash -lc sudo -n id -u: 0"
    ]  # fmt: skip
    assert done.log[-1] == "0"


def test_s6_under_standard_the_agent_is_told_what_to_do(run: Run) -> None:
    done = run("standard", AGENT + "apt-get -q install -y hello; true")
    first, real, login = (line for line in done.log if line.startswith(("did", "refused")))
    assert (first, login) == (SENTENCE, SENTENCE)
    assert real.startswith("refused")
    assert "no new privileges" in real
    assert any(line.startswith("apt-get: this may need root") for line in done.log)
    told = {one["message"] for one in done.events if one["event"] == "notice"}
    assert {f"The agent's {one} needs root, which the agent does not have." for one in ("apt-get", "sudo")} <= told


@pytest.mark.parametrize(("profile", "said"), [("standard", "run is 0"), ("sudo", "run is 0"), ("strict", "refused")])
def test_s6_the_run_preflight_has_sudo_where_its_image_has_but_not_under_strict(
    run: Run, with_sudoer: str, profile: str, said: str
) -> None:
    script = "sudo -n true || echo refused; echo run is $(sudo -n id -u)\n"
    done = run(profile, "sudo -n id -u || echo agent refused", image=with_sudoer, script=script)
    assert said in done.log
    assert ("refused" in done.log) is (profile == "strict")
    assert ("agent refused" in done.log) is (profile != "sudo")
