"""Rules about the stage: what a build does not have, what a task start should not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from agents_runner.preflight.analysis import Entry
from agents_runner.preflight.facts import FOLDER, About
from agents_runner.preflight.flow import Flow
from agents_runner.preflight.places import Place, place_of
from agents_runner.preflight.scope import Scope, outside
from agents_runner.preflight.warnings import ScriptWarning, View

_TO_CACHED = "Move it to the cached preflight"
_IN_BUILD: Mapping[About, tuple[str, str]] = MappingProxyType(
    {
        About.TASK: ("task-variable", "An image is built without a task. Move it to the run preflight."),
        About.WORKSPACE: (
            "workspace",
            "While an image is built the workspace is empty. Move it to the run preflight.",
        ),
        About.SECRET: ("secret", "What a build reads or writes may stay in the image. Move it to the run preflight."),
        About.SERVICE: ("service", "What a build starts is gone when a task starts. Start it in the run preflight."),
        About.CHANGING: (
            "changing",
            "In an image it would stay the same for every task. Move it to the run preflight.",
        ),
        About.RUNTIME: ("runtime-file", "A container gets its own at every start. Move it to the run preflight."),
        About.UNSET: ("unset-variable", "Set it in the script or among the environment's variables."),
    }
)


def in_build(view: View) -> Iterator[ScriptWarning]:
    """Task variables, workspace files, services and the like in the cached stage."""
    if view.stage != "cached":
        return
    for entry in view.analysis.entries:
        for reason in entry.facts.reasons:
            if reason.about in _IN_BUILD:
                rule, hint = _IN_BUILD[reason.about]
                line = view.line(entry, reason.offset)
                yield ScriptWarning(line=line, rule=rule, message=reason.sentence, hint=hint)


def temporary_files(view: View) -> Iterator[ScriptWarning]:
    """Files in a temporary folder that the cached stage leaves behind."""
    if view.stage != "cached":
        return
    removed = [path for entry in view.analysis.entries for path in entry.facts.files_removed]
    for entry in view.analysis.entries:
        for path in sorted(entry.facts.files_written - entry.facts.files_removed):
            gone = any(path == other or path.startswith(other.rstrip("*/") + "/") for other in removed)
            if place_of(path) is Place.TEMPORARY and not gone:
                yield ScriptWarning(
                    line=view.line(entry, _offset(entry, About.TEMPORARY)),
                    rule="temporary",
                    message=f"It leaves {path} behind in a temporary folder, which may be empty at task start.",
                    hint="Remove it in the same script, or keep it in another folder.",
                )


def _offset(entry: Entry, about: About) -> int:
    return next((reason.offset for reason in entry.facts.reasons if reason.about is about), -1)


def installs_at_start(view: View) -> Iterator[ScriptWarning]:
    """Installs in the run stage, which every task waits for."""
    entries = view.analysis.entries
    if view.stage != "run" or not any(_installs(entry) for entry in entries):
        return
    for placed in Flow(entries).place():
        if _installs(placed.entry):
            reason = placed.entry.facts.cached or placed.entry.facts.doubtful
            hint = _TO_CACHED
            if placed.moved and placed.why is not None:
                # By itself it could be baked; the lines are those of this script.
                hint = f"{placed.why.bare or placed.why.sentence} {_TO_CACHED} with that line, if you can."
            yield ScriptWarning(
                line=view.line(placed.entry),
                rule="install-in-run",
                message=f"{reason.sentence if reason else 'It installs software.'} Every task waits for that.",
                hint=hint if hint.endswith(".") else f"{hint}.",
            )


def _installs(entry: Entry) -> bool:
    facts = entry.facts
    return facts.is_cached and facts.fetches and bool(facts.fills)


def unnoticed_failures(view: View) -> Iterator[ScriptWarning]:
    """A cached script without `set -e`: a failed install would be baked."""
    if view.stage != "cached" or "-e" in view.analysis.program.tree.source.split(b"\n", 1)[0].decode().split()[1:]:
        return
    for _, inv in view.calls:
        if inv.program == "set" and any(
            text == "errexit" or (text.startswith("-") and not text.startswith("--") and "e" in text)
            for text in inv.texts
        ):
            return
    code = [entry for entry in view.analysis.entries if entry.is_code]
    for entry in code[:-1]:
        if entry.facts.fills:
            yield ScriptWarning(
                line=view.line(entry),
                rule="no-errexit",
                message="A command that fails here goes unnoticed, and the image is kept without its result.",
                hint="Put `set -euo pipefail` at the top of the script.",
            )
            return


def lost_from_cached(view: View) -> Iterator[ScriptWarning]:
    """Variables and functions of the cached preflight that the run preflight uses, but that are not exported."""
    if view.stage != "run" or view.before is None:
        return
    exported = {name for entry in view.before.entries for name in entry.facts.exports}
    lost = {
        name
        for entry in view.before.entries
        for name in entry.facts.writes
        if name not in exported and name != FOLDER
    }
    told: set[str] = set()
    for entry in view.analysis.entries:
        for name, sources in entry.sources.items():
            is_known = outside(name, has_default=False) is None or name in Scope().values
            if name in lost and not sources and name not in told and (not is_known or name.endswith("()")):
                told.add(name)
                yield ScriptWarning(
                    line=view.line(entry),
                    rule="lost-export",
                    message=f"The cached preflight sets {name}, but does not export it: here it is not set.",
                    hint=f"Write `export {name}=...` there, or set it here as well.",
                )
    called = {inv.program: view.line_of(seen.call.offset) for seen, inv in reversed(view.calls)}
    defined = {name for entry in view.analysis.entries for name in entry.facts.writes}
    for name in sorted(lost - defined):
        if name.endswith("()") and name[:-2] in called:
            yield ScriptWarning(
                line=called[name[:-2]],
                rule="lost-export",
                message=f"The function {name} is defined in the cached preflight only: here it is not known.",
                hint="Define it here as well.",
            )


RULES = (in_build, temporary_files, installs_at_start, unnoticed_failures, lost_from_cached)
