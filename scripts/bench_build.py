"""Building a layer against the two other builders, and a rebuild of the last of five steps against that step alone.

    python scripts/bench_build.py [--base mini|debian] [--runs 5]

The classic builder by docker-py's `build`, BuildKit by `docker buildx build` where that is installed. Interleaved;
each figure is a median. On the Debian base a script that installs packages is measured too.
"""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import subprocess
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


def buildx(*words: str, text: str = "") -> str:
    done = subprocess.run(["docker", "buildx", *words], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def has_buildkit() -> bool:
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0


def buildkit(base: str, script: str) -> None:
    """The engine's own BuildKit; the image is loaded into the engine, as with the others."""
    run = json.dumps(["/bin/bash", "-c", script])
    tag = f"agents-runner-bench-buildkit:{secrets.token_hex(4)}"
    buildx("build", "--builder=default", "--no-cache", "--load", "-t", tag, "-", text=f"FROM {base}\nRUN {run}\n")
    subprocess.run(["docker", "rmi", tag], capture_output=True, check=True)


def buildkit_records() -> set[str]:
    """The ids of what BuildKit keeps, to remove what a measurement added and nothing else."""
    lines = buildx("du", "--builder=default", "--verbose").splitlines()
    return {line.split()[1] for line in lines if line.startswith("ID:")}


def compare(services: benching.Services, base: str, script: str, runs: int) -> dict[str, object]:
    client = docker.from_env()
    env = environment(base, script)
    seconds: dict[str, list[float]] = {}
    kinds: dict[str, Callable[[], object]] = {
        "ours": lambda: build(services, env, force=True),
        "classic": lambda: classic(client, base, script),
    }
    if has_buildkit():
        kinds["BuildKit"] = lambda: buildkit(base, script)
    build(services, env)
    for number in range(runs):
        # Whoever goes first may find colder caches: the order changes.
        names = list(kinds)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds.setdefault(name, []).append(seconds_of(kinds[name]))
    client.close()
    ours = median(seconds["ours"])
    found: dict[str, object] = {f"{name} s": median(each) for name, each in seconds.items()}
    return found | {
        f"ours / {name}": round(ours / median(each), 3) for name, each in seconds.items() if name != "ours"
    }


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
    kept = buildkit_records() if has_buildkit() else set()
    with benching.bench_services() as (services, engine):
        base = benching.base_image(engine, args.base)
        scripts = SCRIPTS | ({"apt-get install git": PACKAGES} if args.base == "debian" else {})
        found: dict[str, object] = {
            name: compare(services, base, script, args.runs) for name, script in scripts.items()
        }
        found["editing the last of five steps"] = five_steps(services, base, args.runs)
    for record in (buildkit_records() if has_buildkit() else set()) - kept:
        buildx("prune", "--builder=default", "--force", f"--filter=id={record}")
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
