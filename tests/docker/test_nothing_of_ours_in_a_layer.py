"""What lies in the launcher's folder beside its mounts is in no layer: such a build does not count."""

from __future__ import annotations

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker


@pytest.mark.parametrize(
    "script",
    [
        "echo x >/run/agents-runner/stray\n",
        "echo x >/run/agents-runner/.hidden\n",
        "mkdir /run/agents-runner/d && echo x >/run/agents-runner/d/e\n",
        "ln -s /nowhere /run/agents-runner/link\n",
    ],
)
def test_a_file_beside_the_mounts_is_no_part_of_an_image(
    make_environment: MakeEnvironment, cli: Cli, script: str
) -> None:
    failed = cli("build", make_environment(cached_preflight_script=script), "--json", check=False)
    assert failed.json["error"]["code"] == "build-failed"
    assert "which must not end up in an image" in failed.json["error"]["message"]


def test_only_the_empty_mount_points_are(make_environment: MakeEnvironment, cli: Cli) -> None:
    image = cli("build", make_environment(cached_preflight_script="true\n"), "--json").json["image"]
    found = docker("run", "--rm", image, "find", "/run/agents-runner").split()
    assert set(found) == {"/run/agents-runner", "/run/agents-runner/in", "/run/agents-runner/state"}
