"""How long it takes to decide hit or miss, and to list our images, with few and with many images on the engine.

python scripts/bench_decide.py [--few 10] [--many 500] [--looks 100] [--steps 3]
"""

from __future__ import annotations

import benching
from benching import environment, median, seconds_of, show

from agents_runner.runner.services import CleanRequest
from tests.support.many_images import image_count, many_images


def main() -> None:
    args = benching.arguments("Deciding hit or miss.", few=10, many=500, looks=100, steps=3)
    with benching.bench_services() as (services, engine):
        base = benching.base_image(engine, args.base)
        env = environment(base, "".join(f"# step: s{n}\necho {n} >/s{n}\n" for n in range(args.steps)))
        benching.build(services, env)
        missing = env.model_copy(update={"cached_preflight_script": env.cached_preflight_script + "echo more\n"})
        found: dict[str, object] = {}
        for count in (args.few, args.many):
            there = image_count()
            ours = max(0, count - there) * 3 // 5
            with many_images(engine, ours=ours, foreign=max(0, count - there - ours)):
                name = f"with {image_count()} images"
                found[f"{name}: hit, ms"] = 1000 * median(
                    [seconds_of(lambda: services.images.plan(env)) for _ in range(args.looks)]
                )
                found[f"{name}: miss, ms"] = 1000 * median(
                    [seconds_of(lambda: services.images.plan(missing)) for _ in range(args.looks)]
                )
                found[f"{name}: list ours, s"] = median([seconds_of(services.images.list) for _ in range(3)])
                found[f"{name}: clean --dry-run, s"] = median(
                    [seconds_of(lambda: services.images.clean(CleanRequest(dry_run=True))) for _ in range(3)]
                )
    show(found, as_json=args.json)


if __name__ == "__main__":
    main()
