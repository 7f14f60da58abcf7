"""`demo`: the main job on a local base image, cold and cached, with a table of the times."""

from __future__ import annotations

import argparse
from pathlib import Path

from agents_runner.cli.printing import event_printer, table
from agents_runner.cli.reply import Reply
from agents_runner.runner.demo import DemoRun, run_demo
from agents_runner.runner.services import Services


def demo(services: Services, args: argparse.Namespace) -> Reply:
    """Run the demonstration cold and then cached; its events are printed as they come."""
    runs = run_demo(services, event_printer(as_json=args.json).echo)
    if args.picture:
        services.system.picture(services, Path(args.picture), runs[-1].environment_id)
    cold, cached = runs[0], runs[-1]
    lines = [
        "",
        _table(runs),
        "",
        f"The cached start took {cached.to_agent:.2f} s, the cold one {cold.to_agent:.2f} s.",
    ]
    folder = services.system.demo_folder()
    if folder is not None:
        lines.append(f"What the agent wrote is in {folder / 'agents-runner-demo.txt'}")
    if args.picture:
        lines.append(f"A picture of the window is in {args.picture}")
    return Reply(
        json={"event": "demo", "runs": [{"name": run.name, "phases": run.phases} for run in runs]},
        text="\n".join(lines),
        status=max(run.exit_code for run in runs),
    )


def _table(runs: tuple[DemoRun, ...]) -> str:
    phases = list(dict.fromkeys(phase for run in runs for phase in run.phases))
    rows = [[phase, *(_cell(run, phase) for run in runs)] for phase in phases]
    rows.append(["until the agent works", *(f"{run.to_agent:.2f} s" for run in runs)])
    return table(("phase", *(run.name for run in runs)), rows)


def _cell(run: DemoRun, phase: str) -> str:
    if phase not in run.phases:
        return "-"
    word = run.cache.get(phase)
    return f"{run.phases[phase]:.2f} s" + (f" ({word})" if word else "")
