"""What sessions that were cut off left in the engine goes before the next one looks at it; a person's things stay."""

from __future__ import annotations

import docker

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
            sweep.remove_leftovers(client, kept=[one.split()[1] for one in before.images])
            left = {one.split()[1] for one in sweep.look(client).images}
        finally:
            run_docker("rmi", person)
        assert person in left
        assert base not in left
        assert layer not in left
        assert sweep.foreign_differences(before, sweep.look(client), alone=True) == []
    finally:
        client.close()
