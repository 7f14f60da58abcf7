"""`plan`, `build`, `images`, `clean`, `doctor`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import humanize

from agents_runner.cli.printing import EventLines, layer_json, say, say_json, table
from agents_runner.core.events import LayerDone
from agents_runner.runner.services import CleanReport, CleanRequest, Services


def plan(services: Services, args: argparse.Namespace) -> int:
    planned = services.images.plan(services.environments.get(args.environment))
    layers = [
        {"kind": layer.kind, "step": layer.step, "key": layer.key, "tag": layer.tag, "state": state}
        for layer, state in zip(planned.plan.layers, planned.states, strict=True)
    ]
    if args.json:
        base = {"ref": planned.plan.base_ref, "id": planned.plan.base_id}
        say_json(
            {
                "base": base,
                "layers": layers,
                "image": planned.plan.image,
                "at_start": list(planned.at_start),
                "desktop": planned.desktop,
            }
        )
        return 0
    say(f"base    {planned.plan.base_ref} ({planned.plan.base_id[:19]})")
    for layer in layers:
        say(f"{layer['kind']:7} {layer['tag']}  {layer['state']}  {layer['step']}".rstrip())
    if planned.desktop == "at-start":
        say("desktop is installed at task start")
    say(f"image   {planned.plan.image}")
    say(f"start   {', '.join(planned.at_start) or 'nothing to run before the agent'}")
    if planned.notice:
        say(f"!! {planned.notice}")
    return 0


def build(services: Services, args: argparse.Namespace) -> int:
    environment = services.environments.get(args.environment)
    done: list[LayerDone] = []
    images, lines = services.images, EventLines()
    events = images.refresh(environment) if args.refresh else images.build(environment, force=args.force)
    for event in events:
        if isinstance(event, LayerDone):
            done.append(event)
        if not args.json:
            lines.say(event)
    image = done[-1].tag if done else images.plan(environment).plan.image
    if args.json:
        say_json({"layers": [layer_json(layer) for layer in done], "image": image})
    else:
        say(f"image  {image}")
    return 0


def _when(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def images(services: Services, args: argparse.Namespace) -> int:
    found = services.images.list()
    if args.json:
        say_json(
            [
                {
                    "tag": image.tag,
                    "id": image.id,
                    "kind": image.kind,
                    "step": image.step,
                    "key": image.key,
                    "size": image.size,
                    "own_size": image.own_size,
                    "shared_size": image.shared_size,
                    "created": _when(image.created),
                    "last_used": _when(image.last_used) or None,
                    "environments": list(image.environments),
                    "in_use": image.in_use,
                    "hits": image.hits,
                    "seconds_saved": round(image.seconds_saved, 3),
                }
                for image in found
            ]
        )
        return 0
    rows = [
        (
            image.tag,
            image.kind,
            humanize.naturalsize(image.size, binary=True),
            humanize.naturalsize(image.own_size, binary=True),
            _when(image.created),
            _when(image.last_used) or "never",
            ", ".join(image.environments) or "-",
            "yes" if image.in_use else "no",
            str(image.hits),
            f"{image.seconds_saved:.0f} s" if image.seconds_saved else "-",
        )
        for image in found
    ]
    head = ("tag", "kind", "size", "own", "created", "last use", "used by", "in use", "hits", "saved")
    say(table(head, rows) if rows else "No cached images yet.")
    return 0


def clean(services: Services, args: argparse.Namespace) -> int:
    report = services.images.clean(
        CleanRequest(
            dry_run=args.dry_run, unused_only=args.unused, older_than_days=args.older_than, others=args.others
        )
    )
    if args.json:
        say_json(
            {
                "removed": list(report.removed),
                "kept": [{"tag": one.tag, "why": one.why} for one in report.kept],
                "leftovers": [{"kind": one.kind, "name": one.name} for one in report.leftovers],
                "freed_bytes": report.freed_bytes,
                "dry_run": report.dry_run,
            }
        )
        return 0
    _say_clean(report)
    return 0


def _say_clean(report: CleanReport) -> None:
    would = "would remove" if report.dry_run else "removed"
    for left in report.leftovers:
        why = "no container uses it" if left.kind == "network" else "an ended process left it"
        say(f"{would}  {left.kind} {left.name}: {why}")
    for tag in report.removed:
        say(f"{would}  {tag}")
    for one in report.kept:
        say(f"kept  {one.tag}: {one.why}")
    size = humanize.naturalsize(report.freed_bytes, binary=True)
    say(f"{len(report.removed)} images, {size} {'would be freed' if report.dry_run else 'freed'}")


def doctor(services: Services, args: argparse.Namespace) -> int:
    checks = services.system.doctor()
    good = all(check.ok is not False for check in checks)
    if args.json:
        say_json(
            {
                "ok": good,
                "checks": [
                    {"name": check.name, "ok": check.ok, "text": check.text, "hint": check.hint} for check in checks
                ],
            }
        )
        return 0 if good else 1
    words = {True: "ok", False: "PROBLEM", None: "-"}
    for check in checks:
        say(f"{words[check.ok]:8} {check.name}: {check.text} {check.hint}".rstrip())
    return 0 if good else 1
