"""Many tiny images on an engine, made quickly: some that are the application's by label, some foreign."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import docker

from agents_runner.core import container as labels
from agents_runner.core.errors import EngineError
from agents_runner.engine.docker_engine import DockerEngine
from agents_runner.engine.port import Engine

FOREIGN = "agents-runner-test-foreign"
_WORKERS = 4


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"data\n"))
    return out.getvalue()


def small_image(engine: Engine, ref: str, *changes: str) -> None:
    """An image with one small file."""
    engine.import_image(iter([_tar()]), ref, list(changes))


def our_tag(number: int) -> str:
    return f"agent-runner-env:many-{number:04}"


def _make(engine: Engine, number: int, *, ours: bool) -> str:
    """One image; the same file in each, so that they share their only layer and differ by label."""
    if not ours:
        ref = f"{FOREIGN}:{number:04}"
        small_image(engine, ref, f"LABEL agents-runner.test=many number={number}")
        return ref
    ref = our_tag(number)
    values = {
        "agents-runner.test": "many",
        labels.IMAGE_MANAGED: "true",
        labels.IMAGE_KIND: "env",
        labels.IMAGE_KEY: f"{number:064x}",
        labels.IMAGE_REF: ref,
        labels.IMAGE_STEP: "many",
    }
    small_image(engine, ref, *(f"LABEL {name}={value}" for name, value in values.items()))
    return ref


@contextlib.contextmanager
def many_images(engine: DockerEngine, *, ours: int, foreign: int) -> Iterator[tuple[str, ...]]:
    """So many images for as long as the block runs; gives their tags, the application's first."""
    jobs = [(number, True) for number in range(ours)] + [(number, False) for number in range(foreign)]
    refs: list[str] = []
    try:
        with ThreadPoolExecutor(_WORKERS) as pool:
            for ref in pool.map(lambda job: _make(engine, job[0], ours=job[1]), jobs):
                refs.append(ref)
        yield tuple(refs)
    finally:
        _remove(engine, jobs)


def _remove(engine: Engine, jobs: list[tuple[int, bool]]) -> None:
    def remove(job: tuple[int, bool]) -> None:
        with contextlib.suppress(EngineError):
            engine.remove_tag(our_tag(job[0]) if job[1] else f"{FOREIGN}:{job[0]:04}")

    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(remove, jobs))


def image_count() -> int:
    client = docker.from_env()
    try:
        return len(client.api.images())
    finally:
        client.close()
