"""Building a layer against the classic builder (docker-py `build`) and against a rebuild of the last of five steps.

    python scripts/bench_build.py [--base mini|debian] [--runs 5]

Interleaved; each figure is a median. On the Debian base a script that installs packages is measured too.
"""

from __future__ import annotations

import contextlib
import io
import json
import secrets
from collections.abc import Callable

import benching
import docker
from benching import build, environment, median, seconds_of, show

SCRIPTS = {
    "no-op": "true\n",
    "200 MB file": "head -c 200000000 /dev/zero >/big\n",
    "10,000 small files": "mkdir /many; for n in {1..10000}; do echo $n >/many/$n; done\n",
}
PACKAGES = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends git\n"
STEP = "for n in {1..2000}; do echo $n >/%s-$n; done; sleep 1\n"


def classic(client: docker.DockerClient, base: str, script: str) -> None:
    """The leanest way: one RUN line, no context, intermediate containers removed."""
    run = json.dumps(["/bin/bash", "-c", script])
    tag = f"agents-runner-bench-classic:{secrets.token_hex(4)}"
    text = f"FROM {base}\nRUN {run}\n".encode()
    for line in client.api.build(fileobj=io.BytesIO(text), tag=tag, nocache=True, rm=True, forcerm=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    with contextlib.suppress(docker.errors.APIError):
        client.images.remove(tag)


def compare(services: benching.Services, base: str, script: str, runs: int) -> dict[str, object]:
    client = docker.from_env()
    env = environment(base, script)
    ours: list[float] = []
    theirs: list[float] = []
    # Whoever goes first may find colder caches: the order alternates.
    kinds: list[tuple[list[float], Callable[[], object]]] = [
        (ours, lambda: build(services, env, force=True)),
        (theirs, lambda: classic(client, base, script)),
    ]
    build(services, env)
    for number in range(runs):
        for into, act in kinds if number % 2 else kinds[::-1]:
            into.append(seconds_of(act))
    client.close()
    return {"ours s": median(ours), "classic s": median(theirs), "ratio": round(median(ours) / median(theirs), 3)}


def five_steps(services: benching.Services, base: str, runs: int) -> dict[str, object]:
    """Editing the last of five equal steps against a script that is that step alone."""
    steps = [f"# step: {name}\n{STEP % name}" for name in "abcde"]
    build(services, environment(base, "".join(steps)))
    edited: list[float] = []
    alone: list[float] = []
    for number in range(runs):
        last = f"# step: e\n{STEP % 'e'}: {number} {secrets.token_hex(4)}\n"
        seconds, done = build(services, environment(base, "".join(steps[:4]) + last))
        if [one.result for one in done] != ["hit"] * 4 + ["built"]:
            raise RuntimeError(f"not only the last step was built: {done}")
        edited.append(seconds)
        alone.append(build(services, environment(base, last))[0])
    ratio = round(median(edited) / median(alone), 3)
    return {"last of five s": median(edited), "that step alone s": median(alone), "ratio": ratio}


def main() -> None:
    args = benching.arguments("Builds.", runs=5)
    with benching.bench_services() as (services, engine):
        base = benching.base_image(engine, args.base)
        scripts = SCRIPTS | ({"apt-get install git": PACKAGES} if args.base == "debian" else {})
        found: dict[str, object] = {
            name: compare(services, base, script, args.runs) for name, script in scripts.items()
        }
        found["editing the last of five steps"] = five_steps(services, base, args.runs)
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
