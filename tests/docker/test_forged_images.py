"""Images that bear our labels and are not ours: a clean-up leaves them, whoever made them and however."""

from __future__ import annotations

import contextlib
import json
import subprocess

from agents_runner.core import container as labels
from agents_runner.engine.docker_engine import DockerEngine
from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli
from tests.support.docker_program import docker

FORGED = ("probe/forged:2", "agent-runner-envoy:forged", "probe/agent-runner-env:forged")


def test_low_images_with_our_labels_that_others_made_stay(
    engine: DockerEngine, make_environment: MakeEnvironment, cli: Cli, mini_base: str
) -> None:
    """Built by hand under other names, and committed from a container of a layer, which inherits its labels."""
    name = make_environment(cached_preflight_script="echo made > /opt/made\n")
    (layer,) = cli("build", name, "--json").json["layers"]
    real = layer["tag"]
    instance = (cli.home / "instance").read_text().strip()
    box, committed = "probe-of-a-layer", "probe/committed:1"
    made = list(FORGED)
    try:
        for ref in FORGED:
            marks = {
                labels.IMAGE_MANAGED: "true",
                labels.IMAGE_REF: ref,
                labels.IMAGE_KIND: "env",
                labels.IMAGE_KEY: "0" * 64,
                labels.IMAGE_INSTANCE: instance,
            }
            lines = [f"FROM {mini_base}", *(f"LABEL {json.dumps(key)}={json.dumps(marks[key])}" for key in marks)]
            docker("build", "-q", "-t", ref, "-", data="\n".join(lines).encode())
        docker("create", "--name", box, "--label", "agents-runner.test=forged", real, "true")
        docker("commit", box, committed)
        made.append(committed)
        docker("rm", box)
        shown = {one["tag"] for one in cli("images", "--json").json}
        assert real in shown
        assert shown & set(made) == set()
        preview = cli("clean", "--others", "--dry-run", "--json").json
        assert {*preview["removed"], *(one["tag"] for one in preview["kept"])} & set(made) == set()
        # Without --others: on an engine that is shared they are a person's.
        cli("clean", "--json")
        assert all(engine.find_image(ref) is not None for ref in made)
        docker("run", "--rm", "--entrypoint", "/bin/cat", committed, "/opt/made")
    finally:
        for words in (("rm", "-f", box), *(("rmi", ref) for ref in made)):
            with contextlib.suppress(subprocess.CalledProcessError):
                docker(*words)
