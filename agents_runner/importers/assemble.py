"""Blocks of commands put together to a cached and a run preflight, by the splitter's judgement."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from agents_runner.importers.model import Block, Gap, Scripts, ShellTools, SplitLike

HEADER = "set -e\n"
SOFT = "set +e\n"
"""What `own_block` writes before commands that went on after a failure."""
MAX_STEPS = 30
"""Each step is a layer, and an image cannot have more than about 120."""
_OPTIONS = re.compile(r"(?P<above>(?:[ \t]*(?:#[^\n]*)?\n)*)(?P<options>set -[eu]*e[eu]*(?:o pipefail)?\n)")
"""Options that stop at a failure, as a script's first line, and the comments above them."""
_MOVES = re.compile(r"\b(?:cd|pushd|popd)\b")
_SHOWN_MOVES = 40


@dataclass(kw_only=True)
class _Text:
    """The script that is split: its lines, and which of them are ours."""

    lines: list[str] = field(default_factory=list)
    blocks: list[tuple[int, Block]] = field(default_factory=list)
    """First line (1-based) of each block."""
    generated: set[int] = field(default_factory=set)
    """Lines of generated blocks (1-based)."""
    ours: dict[int, str] = field(default_factory=dict)
    """Lines of ours: "place" or "mark"."""

    def add(self, text: str) -> None:
        self.lines.extend(text.rstrip("\n").split("\n"))

    def own(self, what: str, line: str) -> None:
        self.lines.append(line)
        self.ours[len(self.lines)] = what

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def block_at(self, line: int) -> Block | None:
        found = None
        for first, block in self.blocks:
            if first <= line:
                found = block
        return found


def assemble(
    setup: Sequence[Block], start: Sequence[Block], remarks: Sequence[str], *, known: Sequence[str], tools: ShellTools
) -> Scripts:
    """Both scripts. What bash cannot read is left out and reported; every text passes `bash -n`."""
    gaps: list[Gap] = []
    setup = _readable(setup, gaps, tools)
    start = _readable(start, gaps, tools)
    mine = [block for block in setup if not (block.generated or block.lasting)]
    alone = len(mine) == 1
    bodies = [_body(block, [*setup, *start], known, tools, alone=alone, last=not start) for block in setup]
    pairs = [(block, body) for block, body in zip(setup, bodies, strict=True) if body.strip()]
    split, text = _split(pairs, known, tools)
    cached = split.cached if split is not None else ""
    run = split.run if split is not None else ""
    if split is not None and len(pairs) == 1 and cached:
        cached = tools.with_marks(split)
    cached = _tidy(cached)
    run = _with_start(run, start, remarks, known, tools, loose=any(tools.option_changes(body) for _, body in pairs))
    moved = tuple(_moved(split, text)) if split is not None else ()
    return Scripts(cached=cached, run=run, gaps=tuple(gaps), moved=moved)


def _tidy(cached: str) -> str:
    """Without the comments that say once more what the mark above them says, and empty lines at the end."""
    text = re.sub(r"^# step: (.*)\n# \1\n", r"# step: \1\n", cached, flags=re.M)
    return text.rstrip("\n") + "\n" if text.strip() else ""


def _readable(blocks: Sequence[Block], gaps: list[Gap], tools: ShellTools) -> list[Block]:
    kept = []
    for block in blocks:
        trouble = tools.syntax_error(block.prelude + "\n" + block.text)
        if trouble:
            gaps.append(
                Gap(
                    what=block.name,
                    why=f"bash cannot read it: {trouble}",
                    hint="Correct it, then write it into the run preflight.",
                )
            )
        else:
            kept.append(block)
    return kept


def _body(
    block: Block, blocks: Sequence[Block], known: Sequence[str], tools: ShellTools, *, alone: bool, last: bool = False
) -> str:
    if block.generated or block.lasting:
        return block.text
    elsewhere = "\n".join(one.text + "\n" + one.prelude for one in blocks if one is not block)
    text = tools.own_block(
        block.text,
        errexit=block.errexit,
        prelude=block.prelude,
        elsewhere=elsewhere,
        known=known,
        alone=alone and not block.tolerated,
        last=last and not block.tolerated,
    )
    if block.tolerated and text:
        inner = text if text.startswith("(\n") and text.endswith("\n)\n") else f"(\n{text})\n"
        return inner.rstrip("\n") + " || true\n"
    return text


# -- the split --------------------------------------------------------------------------------------


def _split(
    pairs: Sequence[tuple[Block, str]], known: Sequence[str], tools: ShellTools
) -> tuple[SplitLike | None, _Text]:
    """Split, then once more without those lines of ours that nothing came to stand behind."""
    drop: set[tuple[int, str]] = set()
    text = _Text()
    if not pairs:
        return None, text
    for _ in range(3):
        text = _text(pairs, drop)
        split = tools.split(text.text, known, text.generated)
        idle = _idle(split, text, drop)
        if not idle:
            return split, text
        drop |= idle
    return split, text


def _text(pairs: Sequence[tuple[Block, str]], drop: set[tuple[int, str]]) -> _Text:
    text = _Text()
    options = _OPTIONS.match(pairs[0][1]) if len(pairs) == 1 else None
    if options is not None:
        # Options stand first, so that every step gets them.
        pairs = [(pairs[0][0], options["above"] + pairs[0][1][options.end() :])]
        text.add(options["options"])
    elif len(pairs) == 1 and pairs[0][1].startswith(SOFT):
        pairs = [(pairs[0][0], pairs[0][1].removeprefix(SOFT))]
    else:
        text.add(HEADER)
    place = ""
    for number, (block, body) in enumerate(pairs):
        first = len(text.lines) + 1
        text.blocks.append((first, block))
        if len(pairs) > 1:
            text.lines.append("")
            few = sum(what == "mark" for what in text.ours.values()) < MAX_STEPS
            if few and (number, "mark") not in drop and not (block.lasting and number):
                text.own("mark", f"# step: {_line(block.name)}")
        moves = bool(block.place) and block.place != place and (number, "place") not in drop
        if len(pairs) > 1 or moves:
            text.lines.append(f"# {_line(block.name)}")
        if moves:
            text.own("place", f"cd {block.place}")
            if block.baked:
                text.generated.add(len(text.lines))
        # Each step starts in the home folder; only the run preflight, where the workspace is, is one script.
        if (
            "AGENTS_RUNNER_WORKSPACE" not in block.place
            or (number, "place") in drop
            or (_MOVES.search(body) and not body.startswith("(\n"))
        ):
            place = ""
        else:
            place = block.place
        begin = len(text.lines) + 1
        text.add(body)
        if block.generated or block.baked:
            text.generated.update(range(begin, len(text.lines) + 1))
    return text


def _line(text: str) -> str:
    clean = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return (clean if len(clean) <= 60 else clean[:57].rstrip() + "...").rstrip("\\") or "step"


def _idle(split: SplitLike, text: _Text, dropped: set[tuple[int, str]]) -> set[tuple[int, str]]:
    """Marks without a cached statement behind them, and changes of folder for the run stage that serve nothing."""
    firsts = [first for first, _ in text.blocks]
    ends = [*firsts[1:], len(text.lines) + 1]
    stages = [_stages(split, text, first, end) for first, end in zip(firsts, ends, strict=True)]
    idle = {(number, "mark") for number, found in enumerate(stages) if "cached" not in found}
    stage_at = {one.start_line + one.text.rstrip("\n").count("\n"): one.stage for one in split.statements}
    places = {bisect_right(firsts, line) - 1: line for line, what in text.ours.items() if what == "place"}
    owners = list(places)
    for owner, following in zip(owners, [*owners[1:], len(firsts)], strict=False):
        # It serves its own block and those behind it that say no place of their own.
        served = range(owner, following)
        if stage_at.get(places[owner]) == "run":
            # The first that needs it says it itself.
            idle |= {(number, "place") for number in takewhile(lambda number: "run" not in stages[number], served)}
    return idle - dropped


def _stages(split: SplitLike, text: _Text, first: int, end: int) -> set[str]:
    """The stages of a block's own statements."""
    found: set[str] = set()
    for one in split.statements:
        last = one.start_line + one.text.rstrip("\n").count("\n")
        if one.kind == "code" and first <= last < end and last not in text.ours:
            found |= {"cached", "run"} if one.stage == "both" else {one.stage}
    return found


def _moved(split: SplitLike, text: _Text) -> list[str]:
    """One sentence for each statement of the set-up that must run at task start."""
    found: list[str] = []
    for one in split.statements:
        last = one.start_line + one.text.rstrip("\n").count("\n")
        if one.kind != "code" or one.stage != "run" or last in text.ours or one.text.strip() == HEADER.strip():
            continue
        code = next((line for line in one.text.split("\n") if line.strip() and not line.lstrip().startswith("#")), "")
        inner = next(
            (
                line
                for line in one.text.split("\n")
                if line.strip() not in {"(", "set +e", ""} and not line.lstrip().startswith("#")
            ),
            code,
        )
        shown = inner.strip() if code.strip() == "(" else code.strip()
        block = text.block_at(last)
        name = f"{block.name}: " if block is not None else ""
        more = " ..." if one.text.strip().count("\n") > (1 if code != one.text.strip() else 0) else ""
        cut = shown if len(shown) <= 80 else shown[:77] + "..."
        found.append(f"{name}`{cut}{more}` runs at every task start. {one.reason}")
    if len(found) > _SHOWN_MOVES:
        found = [*found[:_SHOWN_MOVES], f"{len(found) - _SHOWN_MOVES} more statements run at every task start."]
    return found


# -- the run stage ----------------------------------------------------------------------------------


def _with_start(
    run: str, start: Sequence[Block], remarks: Sequence[str], known: Sequence[str], tools: ShellTools, *, loose: bool
) -> str:
    """The run part of the split, and behind it what the file does at every start."""
    parts = [run.rstrip("\n")] if run.strip() else []
    place = ""
    bodies = [(block, _body(block, start, known, tools, alone=False)) for block in start]
    bodies = [(block, body) for block, body in bodies if body.strip()]
    if bodies and not parts:
        parts.append(HEADER.rstrip("\n"))
    elif bodies and loose:
        parts.append("set -e +u +x +o pipefail")
    for block, body in bodies:
        lines = [f"# {_line(block.name)}"]
        if block.place and block.place != place:
            lines.append(f"cd {block.place}")
        place = "" if _MOVES.search(body) and not body.startswith("(\n") else block.place or place
        parts.append("\n".join(lines) + "\n" + body.rstrip("\n") + ("\n" if body.endswith("\\\n\n") else ""))
    if remarks:
        parts.append("\n".join(f"# {line}" for remark in remarks for line in remark.split("\n")))
    return "\n\n".join(parts) + "\n" if parts else ""
