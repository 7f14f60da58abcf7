"""`agents-runner bench startup` over a set-up that installs real packages, on the Debian base.

python scripts/bench_start.py [--runs 3] [--base debian|mini]
"""

from __future__ import annotations

import sys

import benching
from benching import environment, show

from agents_runner.cli.bench_commands import startup_json

PACKAGES = (
    "export DEBIAN_FRONTEND=noninteractive\n"
    "# step: packages\n"
    "apt-get update -q && apt-get install -qy --no-install-recommends python3 git nodejs build-essential\n"
)
MINI = 'for n in {1..40}; do head -c 5000000 /dev/urandom >"/file-$n"; sleep 0.1; done\n'


def main() -> None:
    args = benching.arguments("Starts.", base="debian", runs=3)
    with benching.bench_services() as (services, engine):
        base = benching.base_image(engine, args.base)
        env = environment(base, PACKAGES if args.base == "debian" else MINI, run="export TASK=1\n")
        work = services.system.bench_startup(env, args.runs)
        while True:
            try:
                item = next(work)
            except StopIteration as end:
                show(startup_json(end.value), as_json=args.json)
                return
            if isinstance(item, str):
                print(item, file=sys.stderr)


if __name__ == "__main__":
    main()
