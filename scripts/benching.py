"""What the benchmarks share: services with files of their own, environments on test bases, figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from agents_runner.app import build_services  # noqa: E402
from agents_runner.core.environment import Environment  # noqa: E402
from agents_runner.core.events import LayerDone  # noqa: E402
from agents_runner.engine.docker_engine import DockerEngine, connect  # noqa: E402
from agents_runner.images.mini_base import import_mini_base  # noqa: E402
from agents_runner.runner.services import Services  # noqa: E402
from tests.support.debian import debian_base  # noqa: E402


def arguments(description: str, base: str = "mini", **defaults: int) -> argparse.Namespace:
    """`--json`, `--base`, and a number for each default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--base", default=base, choices=("mini", "debian"), help=f"base image ({base})")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"({value})")
    return parser.parse_args()


@contextlib.contextmanager
def bench_services() -> Iterator[tuple[Services, DockerEngine]]:
    """Services whose files are in a temporary folder, and an engine; what was built is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="agents-runner-bench-") as folder:
        os.environ["AGENTS_RUNNER_HOME"] = folder
        engine = connect()
        services = build_services()
        before = {image.tag for image in services.images.list()}
        try:
            yield services, engine
        finally:
            services.images.remove(frozenset(one.tag for one in services.images.list()) - before)
            services.system.close()
            engine.close()


def base_image(engine: DockerEngine, name: str) -> str:
    return import_mini_base(engine) if name == "mini" else debian_base(engine)


def environment(base: str, cached: str, *, name: str = "bench", run: str = "") -> Environment:
    return Environment(
        id=name,
        name=name,
        base_image=base,
        pull="never",
        agent="shell",
        cache_container_build=True,
        cached_preflight_script=cached,
        run_preflight_script=run,
    )


def build(services: Services, env: Environment, *, force: bool = False) -> tuple[float, list[LayerDone]]:
    """Seconds until the image is usable, and what became of each layer."""
    began = time.perf_counter()
    done = [event for event in services.images.build(env, force=force) if isinstance(event, LayerDone)]
    return time.perf_counter() - began, done


def seconds_of(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 4)


def show(values: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        print(f"{name:40} {value}")
