"""Rules about the text itself: syntax, step marks, secrets that stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agents_runner.core.scripts import interpreter_of
from agents_runner.preflight.analysis import Entry
from agents_runner.preflight.facts import FOLDER, OPTIONS, About
from agents_runner.preflight.steps import MARK, find_marks
from agents_runner.preflight.warnings import ScriptWarning, View

_CANDIDATE = re.compile(r"^[ \t]*#[ \t]*[Ss][Tt][Ee][Pp][ \t]*:.*$", re.MULTILINE)


def unreadable(view: View) -> Iterator[ScriptWarning]:
    """Scripts that could not be understood."""
    line = view.analysis.program.trouble
    if line is not None:
        yield ScriptWarning(
            line=line,
            rule="not-understood",
            message="The script could not be understood from here on; it may hold a syntax error.",
            hint="Until then it is not split, its step marks do not count, and most checks are left out.",
        )


def step_marks(view: View) -> Iterator[ScriptWarning]:
    """Step marks that do not count."""
    if not _CANDIDATE.search(view.text):
        return
    tree = view.analysis.program.tree
    good = {mark.row for mark in find_marks(tree)} if tree.trouble is None else set()
    documents = _document_rows(view)
    shell = interpreter_of(view.text).kind != "other"
    for match in _CANDIDATE.finditer(view.text):
        row = view.text.count("\n", 0, match.start())
        text = match[0].strip()
        if row in documents:
            continue
        message = ""
        if not MARK.match(text):
            message = "A step mark is written `# step: NAME`."
        elif view.stage == "run":
            message = "Step marks count in the cached preflight only."
        elif not shell or row not in good:
            message = "A step mark counts only at the top level, on a line of its own."
        if message:
            yield ScriptWarning(
                line=row + 1,
                rule="step-mark",
                message=message,
                hint="Move the mark between two statements, or remove it.",
            )


def _document_rows(view: View) -> set[int]:
    """Lines inside of here-documents and strings: text, not comments."""
    tree = view.analysis.program.tree
    rows: set[int] = set()
    stack = [tree.root]
    while stack:
        node = stack.pop()
        if node.type in {"heredoc_body", "string", "raw_string"}:
            rows.update(range(tree.row_of(node.start_byte), tree.end_row_of(node) + 1))
        elif "#" in (node.text or b"").decode("utf-8", "replace"):
            stack.extend(node.children)
    return rows


def secrets(view: View) -> Iterator[ScriptWarning]:
    """Tokens and passwords that stand in the script."""
    for entry in view.analysis.entries:
        for reason in entry.facts.reasons:
            if reason.about is About.LITERAL:
                yield ScriptWarning(
                    line=view.line(entry, reason.offset),
                    rule="secret-literal",
                    message=reason.bare,
                    hint="Put it among the environment's secrets and read the variable here.",
                )


def lost_between_steps(view: View) -> Iterator[ScriptWarning]:
    """What one step sets without exporting it is not there in the next one."""
    if view.stage == "run":
        return
    step: dict[int, int] = {}
    current = 0
    head = True
    for entry in view.analysis.entries:
        if entry.piece.kind == "mark":
            current += 1
        head = head and (not entry.is_code or set(entry.facts.writes) == {OPTIONS})
        # The prologue is repeated in every step.
        step[entry.index] = -1 if head else current
    if not current:
        return
    exported: set[str] = {"PATH"}
    told: set[str] = set()
    for entry in view.analysis.entries:
        for name, sources in entry.sources.items():
            crossing = [s for s in sources if step[s] >= 0 and step[s] != step[entry.index]]
            if crossing and name not in exported | told and not _is_read_in(view, crossing[0], name):
                told.add(name)
                what = "The folder chosen" if name == FOLDER else name.strip("/")
                yield ScriptWarning(
                    line=view.line(entry),
                    rule="lost-between-steps",
                    message=f"{what} in line {view.line(view.analysis.entries[crossing[0]])} is lost here: "
                    "every step starts in a fresh shell.",
                    hint="Export it, set it again in this step, or move the step mark.",
                )
        exported |= entry.facts.exports


def _is_read_in(view: View, index: int, name: str) -> bool:
    """Names that may come from a file of shell code are exported as a rule; functions are not."""
    entry: Entry = view.analysis.entries[index]
    return entry.facts.wild and name not in entry.facts.writes and not name.endswith("()")


RULES = (unreadable, step_marks, secrets, lost_between_steps)
