"""What sessions that were cut off left in the engine goes before the next one looks at it; a person's things stay."""

from __future__ import annotations

import contextlib
import json
import subprocess

import docker

from agents_runner.core import container as labels
from agents_runner.engine.docker_engine import DockerEngine
from tests.support import sweep
from tests.support.docker_program import docker as run_docker
from tests.support.many_images import small_image


def test_bases_of_a_session_that_could_not_end_are_removed_with_their_layers(engine: DockerEngine) -> None:
    base, layer, person = f"{sweep.TEST_BASES}leftover:1", f"{sweep.TEST_BASES}leftover:2", "agents-runner-tests:1"
    client = docker.from_env()
    try:
        before = sweep.look(client)
        small_image(engine, base, "LABEL agents-runner.test=leftover")
        run_docker("build", "-q", "-t", layer, "-", data=f"FROM {base}\nLABEL upon=it\n".encode())
        small_image(engine, person, "LABEL agents-runner.test=person")
        try:
            sweep.remove_leftovers(client, [], before)
            left = {one.split()[1] for one in sweep.look(client).images}
        finally:
            run_docker("rmi", person)
        assert person in left
        assert base not in left
        assert layer not in left
        assert sweep.foreign_differences(before, sweep.look(client), alone=True) == []
    finally:
        client.close()


def test_layers_and_containers_of_a_session_that_could_not_end_are_removed(
    engine: DockerEngine, mini_base: str
) -> None:
    """A layer left behind would be a hit where a test expects a build."""
    client = docker.from_env()
    before = sweep.look(client)
    left, person, theirs = (f"agent-runner-env:{name}-sweep" for name in ("left", "person", "theirs"))
    moved, cache, held = f"{sweep.MINI}moved-sweep", "agents-runner-cache-sweep", "agents-runner-test-held"
    boxes = ("agents-runner-build-sweep", "agents-runner-build-on-an-id", held)
    try:
        layer(left, mini_base)
        layer(person, "debian:13", upon=mini_base)
        layer(theirs, mini_base, ref=left)
        run_docker("tag", mini_base, moved)
        run_docker("volume", "create", "--label", f"{labels.VOLUME_NAME}={cache}", cache)
        run_docker("volume", "create", "--label", f"{labels.VOLUME_NAME}=another", held)
        run_docker("create", "--name", boxes[0], "--label", f"{labels.CONTAINER_NAME}={boxes[0]}", left)
        by_id = run_docker("inspect", "--format", "{{.Id}}", mini_base).strip()
        run_docker("create", "--name", boxes[1], "--label", f"{labels.CONTAINER_NAME}={boxes[1]}", by_id, "true")
        run_docker("create", "--name", held, "--label", f"{labels.CONTAINER_NAME}={held}", person)
        sweep.remove_leftovers(client, [sweep.TEST_BASES], before)
        after = sweep.look(client)
        names = [one["Names"][0].lstrip("/") for one in client.api.containers(all=True)]
        tags = {one.split()[1] for one in (*after.images, *after.ours) if " " in one}
        assert {left, moved} & tags == set()
        assert {person, theirs, mini_base} <= tags
        assert cache not in after.ours
        assert held in after.volumes
        assert [name in names for name in boxes] == [False, False, True]
        assert sweep.foreign_differences(before, after) == []
        assert set(before.ours) <= set(after.ours)
    finally:
        for command in (("rm", *boxes), ("rmi", left, person, theirs, moved), ("volume", "rm", cache, held)):
            with contextlib.suppress(subprocess.CalledProcessError):
                run_docker(*command)
        client.close()


def layer(tag: str, base: str, *, upon: str = "", ref: str = "") -> None:
    """A cached image as the application marks them, that says it stands on `base`."""
    marks = {labels.IMAGE_MANAGED: "true", labels.IMAGE_REF: ref or tag, labels.IMAGE_BASE: base}
    lines = [f"LABEL {json.dumps(name)}={json.dumps(value)}" for name, value in marks.items()]
    run_docker(
        "build", "-q", "-t", tag, "-", data="\n".join([f"FROM {upon or base}", *lines, 'CMD ["true"]']).encode()
    )
