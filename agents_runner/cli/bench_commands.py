"""`bench startup`: bare, cached and uncached starts of an environment, side by side."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from agents_runner.cli.printing import EventLines, echo, table
from agents_runner.cli.reply import Reply
from agents_runner.runner.services import Services, StartupFigures


def startup(services: Services, args: argparse.Namespace) -> Reply:
    """Measure; progress goes to standard error, so that the figures stand alone."""
    lines = EventLines(to=sys.stderr)
    work = services.system.bench_startup(services.environments.get(args.environment), args.runs)
    while True:
        try:
            item = next(work)
        except StopIteration as end:
            figures: StartupFigures = end.value
            break
        if isinstance(item, str):
            echo(item, to=sys.stderr)
        else:
            lines.echo(item)
    return Reply(json=startup_json(figures), text=_text(figures))


def _text(figures: StartupFigures) -> str:
    rows = [
        ("bare container", *_row(figures.bare_s)),
        ("cached start", *_row(figures.cached_s)),
        ("uncached start", *_row(figures.uncached_s)),
        ("bare, shared network", *_row(figures.bare_shared_s)),
        ("bare, network apart", *_row(figures.bare_apart_s)),
        ("deciding hit or miss", *_row([one / 1000 for one in figures.decide_ms])),
    ]
    return "\n".join(
        (
            table(("seconds to the first byte", "median", "best", "worst"), rows),
            f"cached / bare: {figures.ratio_cached_to_bare:.2f}",
            f"network apart / shared: {figures.ratio_apart_to_shared:.2f}",
            f"uncached / cached: {figures.ratio_uncached_to_cached:.1f}",
        )
    )


def startup_json(figures: StartupFigures) -> dict[str, object]:
    """The figures as the promised JSON object; seconds, but for `decide_ms`."""
    return {
        "bare_s": [round(one, 6) for one in figures.bare_s],
        "bare_shared_s": [round(one, 6) for one in figures.bare_shared_s],
        "bare_apart_s": [round(one, 6) for one in figures.bare_apart_s],
        "cached_s": [round(one, 6) for one in figures.cached_s],
        "uncached_s": [round(one, 6) for one in figures.uncached_s],
        "decide_ms": [round(one, 4) for one in figures.decide_ms],
        "ratio_cached_to_bare": round(figures.ratio_cached_to_bare, 4),
        "ratio_apart_to_shared": round(figures.ratio_apart_to_shared, 4),
        "ratio_uncached_to_cached": round(figures.ratio_uncached_to_cached, 4),
    }


def _row(seconds: Sequence[float]) -> tuple[str, str, str]:
    return (f"{statistics.median(seconds):.4f}", f"{min(seconds):.4f}", f"{max(seconds):.4f}")
