"""`plan`, `build`, `images`, `clean`, `doctor`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import humanize

from agents_runner.cli.printing import EventLines, layer_json, table
from agents_runner.cli.reply import Reply
from agents_runner.core.events import LayerDone
from agents_runner.runner.services import CachedImage, CleanReport, CleanRequest, Services


def plan(services: Services, args: argparse.Namespace) -> Reply:
    """Say which layers an environment needs and which of them are there; nothing is touched."""
    planned = services.images.plan(services.environments.get(args.environment))
    layers = [
        {"kind": layer.kind, "step": layer.step, "key": layer.key, "tag": layer.tag, "state": state}
        for layer, state in zip(planned.plan.layers, planned.states, strict=True)
    ]
    lines = [f"base    {planned.plan.base_ref} ({planned.plan.base_id[:19]})"]
    lines += [f"{one['kind']:7} {one['tag']}  {one['state']}  {one['step']}".rstrip() for one in layers]
    if planned.desktop == "at-start":
        lines.append("desktop is installed at task start")
    lines.append(f"image   {planned.plan.image}")
    lines.append(f"start   {', '.join(planned.at_start) or 'nothing to run before the agent'}")
    if planned.notice:
        lines.append(f"!! {planned.notice}")
    value = {
        "base": {"ref": planned.plan.base_ref, "id": planned.plan.base_id},
        "layers": layers,
        "image": planned.plan.image,
        "at_start": list(planned.at_start),
        "desktop": planned.desktop,
    }
    return Reply(json=value, text="\n".join(lines))


def build(services: Services, args: argparse.Namespace) -> Reply:
    """Make an environment's layers now. Raises BuildFailed."""
    environment = services.environments.get(args.environment)
    done: list[LayerDone] = []
    images, lines = services.images, EventLines()
    events = images.refresh(environment) if args.refresh else images.build(environment, force=args.force)
    for event in events:
        if isinstance(event, LayerDone):
            done.append(event)
        if not args.json:
            lines.echo(event)
    image = done[-1].tag if done else images.plan(environment).plan.image
    value = {"layers": [layer_json(layer) for layer in done], "image": image}
    return Reply(json=value, text=f"image  {image}")


def _when(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


def _image_json(image: CachedImage) -> dict[str, object]:
    return {
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


def images(services: Services, _args: argparse.Namespace) -> Reply:
    """List the images that this application made."""
    found = services.images.list()
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
    return Reply(
        json=[_image_json(image) for image in found], text=table(head, rows) if rows else "No cached images yet."
    )


def clean(services: Services, args: argparse.Namespace) -> Reply:
    """Remove cached images that nothing uses, or say which would go."""
    report = services.images.clean(
        CleanRequest(
            dry_run=args.dry_run, unused_only=args.unused, older_than_days=args.older_than, others=args.others
        )
    )
    value = {
        "removed": list(report.removed),
        "kept": [{"tag": one.tag, "why": one.why} for one in report.kept],
        "leftovers": [{"kind": one.kind, "name": one.name} for one in report.leftovers],
        "freed_bytes": report.freed_bytes,
        "dry_run": report.dry_run,
    }
    return Reply(json=value, text=_clean_text(report))


def _clean_text(report: CleanReport) -> str:
    would = "would remove" if report.dry_run else "removed"
    size = humanize.naturalsize(report.freed_bytes, binary=True)
    lines = []
    for left in report.leftovers:
        why = "no container uses it" if left.kind in ("network", "tools") else "an ended process left it"
        lines.append(f"{would}  {left.kind} {left.name}: {why}")
    lines += [f"{would}  {tag}" for tag in report.removed]
    lines += [f"kept  {one.tag}: {one.why}" for one in report.kept]
    lines.append(f"{len(report.removed)} images, {size} {'would be freed' if report.dry_run else 'freed'}")
    return "\n".join(lines)


def doctor(services: Services, _args: argparse.Namespace) -> Reply:
    """Check what the application needs; exit status 1 if something is wrong."""
    checks = services.system.doctor()
    good = all(check.ok is not False for check in checks)
    words = {True: "ok", False: "PROBLEM", None: "-"}
    found = [{"name": check.name, "ok": check.ok, "text": check.text, "hint": check.hint} for check in checks]
    lines = [f"{words[check.ok]:8} {check.name}: {check.text} {check.hint}".rstrip() for check in checks]
    return Reply(json={"ok": good, "checks": found}, text="\n".join(lines), status=0 if good else 1)
