"""Importing what people have: for the window and the command line.

- `offers(folder)`: what a folder holds that could be imported, the best first. Looks at about twenty fixed places,
  so it is quick, but it touches the disk: call it on a worker thread. Never raises.
- `draft_of(found)`: reads one of them; a `Draft` with the proposed fields, the report and the notes. Nothing is
  saved. It starts `bash -n` a few times: call it on a worker thread. Raises NotFound, InvalidInput in one sentence.
- `environment_of(draft, name="", taken=())`: the draft as an unsaved `Environment` with a new id; a name that is
  taken gets a number. Show it in the form, or save it with `services.environments.save`.
- `recognise(path)`: what a file is that a person chose; None for the application's own files.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents_runner.core.environment import MAX_NAME, Environment, new_environment_id
from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.field_values import checked_environment
from agents_runner.importers.discover import discover
from agents_runner.importers.model import Draft, Gap, ImportCandidate, ShellTools, SplitLike
from agents_runner.importers.read import no_project_file, read_draft, recognise

__all__ = ["Draft", "Gap", "ImportCandidate", "draft_of", "environment_of", "no_project_file", "offers", "recognise"]


class _Preflight:
    """The splitter and its grammar as the importers want them; imported on first use, for a quick start."""

    def split(self, text: str, available: Collection[str], cached_lines: Collection[int]) -> SplitLike:
        from agents_runner.preflight.split import Stage, resplit, split

        result = split(text, available=available)
        moves: dict[int, Stage] = {}
        for one in result.statements:
            if one.kind == "code" and one.stage == "run":
                last = one.start_line + one.text.rstrip("\n").count("\n")
                if last in cached_lines:
                    moves[one.index] = "cached"
        return resplit(result, moves) if moves else result

    def own_block(
        self,
        text: str,
        *,
        errexit: bool,
        prelude: str,
        elsewhere: str,
        known: Collection[str],
        alone: bool,
        last: bool,
    ) -> str:
        from agents_runner.preflight.blocks import own_block

        return own_block(
            text, errexit=errexit, prelude=prelude, elsewhere=elsewhere, known=known, alone=alone, last=last
        )

    def option_changes(self, text: str) -> bool:
        from agents_runner.preflight.blocks import option_changes

        return option_changes(text)

    def syntax_error(self, text: str) -> str:
        from agents_runner.preflight.external import first_complaint

        return first_complaint(text)

    def with_marks(self, split: SplitLike) -> str:
        from agents_runner.preflight.marks import with_marks
        from agents_runner.preflight.split import SplitResult

        return with_marks(split) if isinstance(split, SplitResult) else split.cached


TOOLS: ShellTools = _Preflight()


def offers(folder: Path | str) -> tuple[ImportCandidate, ...]:
    """What could be imported from a folder; see the module's own text."""
    try:
        return discover(Path(folder).expanduser())
    except (OSError, RuntimeError, ValueError):
        return ()


def draft_of(
    found: ImportCandidate, environ: Mapping[str, str] | None = None, allow_mounts: Collection[str] = ()
) -> Draft:
    """Read one file; see the module's own text. `allow_mounts`: sources outside the project that a person named."""
    return read_draft(found, TOOLS, os.environ if environ is None else environ, allow_mounts)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """See `runner.services.ImportOffer`."""

    title: str
    fields: Mapping[str, Any]
    report: tuple[str, ...]


def read_offers(folder: Path) -> tuple[Offer, ...]:
    """What a folder holds, read; a file that cannot be read is left out. Call it on a worker thread."""
    found: list[Offer] = []
    for one in offers(folder):
        try:
            draft = draft_of(one)
        except AgentsRunnerError:
            continue
        report = [*draft.notes, *(f"{gap.what}: {gap.why} {gap.hint}".rstrip() for gap in draft.report)]
        found.append(Offer(title=one.title, fields=draft.fields, report=tuple(report)))
    return tuple(found)


def environment_of(draft: Draft, name: str = "", taken: Collection[str] = ()) -> Environment:
    """An unsaved environment. `taken`: names of environments that are there. Raises InvalidInput at its field."""
    wanted = name or draft.name
    chosen, number = wanted, 1
    while chosen in taken and not name:
        number += 1
        tail = f" ({number})"
        chosen = wanted[: MAX_NAME - len(tail)] + tail
    return checked_environment({**draft.fields, "name": chosen, "id": new_environment_id(chosen)})
