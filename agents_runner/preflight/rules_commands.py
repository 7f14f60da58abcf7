"""Rules about single commands: questions that nobody answers, sudo, and what would cut the rest off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from agents_runner.preflight import manager as kinds
from agents_runner.preflight.actions import Assign
from agents_runner.preflight.commands_packages import Told, manager_of, told
from agents_runner.preflight.facts import About
from agents_runner.preflight.invocation import Invocation
from agents_runner.preflight.programs import SHELLS
from agents_runner.preflight.tables import words
from agents_runner.preflight.warnings import ScriptWarning, Seen, View

_SILENT_WITH = MappingProxyType(
    {
        "ssh-keygen": words("-N -F -R -l -y"),
        "dpkg-reconfigure": words("-f --frontend -fnoninteractive -f=noninteractive"),
        "passwd": words("-d -l -u -S --stdin --delete --lock --unlock --status"),
        "add-apt-repository": words("-y --yes -yn -ny -yu -L --list"),
        "apt-add-repository": words("-y --yes -yn -ny -yu -L --list"),
    }
)
"""Commands that ask, and the options with which they do not."""
_ANSWERED = words("yes expect printf echo")
_PROFILES = re.compile(
    r"(?:~|.*)/(?:\.bashrc|\.profile|\.bash_profile|\.zshrc|\.zprofile)\Z|/etc/(?:profile|environment)"
)


def unanswered(view: View) -> Iterator[ScriptWarning]:
    """Package managers that would ask, without the option that answers."""
    for seen, inv in view.calls:
        manager = manager_of(inv.program)
        if manager is None or not (manager.confirm or inv.program.startswith("pip")):
            continue
        what = told(inv, manager)
        if what.action != kinds.INSTALL or _is_answered(seen, what):
            continue
        flag = _answer(what)
        if flag:
            yield ScriptWarning(
                line=view.line_of(seen.call.offset),
                rule="confirm",
                message=f"{inv.program} asks before it goes on, and nobody is there to answer.",
                hint=f"Add {flag}.",
            )


def _is_answered(seen: Seen, what: Told) -> bool:
    names = {name for name, _ in what.split.options}
    if names & what.manager.confirm or any(_clustered_yes(name) for name in names if "-y" in what.manager.confirm):
        return True
    feeder = seen.call.feeder
    literal = feeder.words[0].literal if feeder is not None and feeder.words else None
    return literal in _ANSWERED


def _clustered_yes(name: str) -> bool:
    return bool(re.fullmatch(r"-[a-zA-Z]*y[a-zA-Z]*|-q{2,}\w*", name))


def _answer(what: Told) -> str:
    program, subcommand = what.inv.program, what.subcommand
    if program.startswith("pip"):
        return "--yes" if subcommand == "uninstall" and not what.split.has("-y", "--yes") else ""
    if program == "dpkg" or subcommand.startswith("env "):
        return ""
    if "--noconfirm" in what.manager.confirm:
        return "--noconfirm"
    if "--non-interactive" in what.manager.confirm:
        return "--non-interactive in front of the subcommand"
    return "-y"


def interactive(view: View) -> Iterator[ScriptWarning]:
    """Commands that wait for a person."""
    told_lines: set[int] = set()
    for entry in view.analysis.entries:
        for reason in entry.facts.reasons:
            line = view.line(entry, reason.offset)
            if reason.about is About.INTERACTIVE and line not in told_lines:
                told_lines.add(line)
                yield ScriptWarning(
                    line=line,
                    rule="interactive",
                    message=reason.sentence,
                    hint="Nobody sees the script run: give the answer as an option or in a file.",
                )
    for seen, inv in view.calls:
        if _asks(seen, inv):
            yield ScriptWarning(
                line=view.line_of(seen.call.offset),
                rule="interactive",
                message=f"{inv.program} asks a question here, and nobody is there to answer.",
                hint="Give the answer as an option.",
            )


def _asks(seen: Seen, inv: Invocation) -> bool:
    """True for commands that ask unless an option says otherwise."""
    silent = _SILENT_WITH.get(inv.program)
    if silent is None or seen.call.has_input:
        return False
    return not any(text in silent or text.partition("=")[0] in silent for text in inv.texts)


def sudo(view: View) -> Iterator[ScriptWarning]:
    """`sudo` in an image that has none."""
    if view.has_sudo is not False:
        return
    for seen, inv in view.calls:
        if "sudo" in inv.wrapped and seen.call.words and seen.call.words[0].literal == "sudo":
            yield ScriptWarning(
                line=view.line_of(seen.call.offset),
                rule="sudo",
                message="This image has no sudo.",
                hint="Leave it out if the script runs as root, or choose an image that has it.",
            )


def cut_off(view: View) -> Iterator[ScriptWarning]:
    """`exit` and `exec` in front of other lines."""
    code = [entry.index for entry in view.analysis.entries if entry.is_code]
    marked = [entry.index for entry in view.analysis.entries if entry.piece.kind == "mark"]
    for seen, inv in view.calls:
        if seen.in_function or seen.isolated:
            continue
        index = seen.entry.index
        line = view.line_of(seen.call.offset)
        rest = bool(code) and index < code[-1]
        if inv.program in {"exit", "return"} and rest and not seen.call.context.conditional:
            yield ScriptWarning(
                line=line,
                rule="cut-off",
                message="Nothing behind this line is ever done.",
                hint="Remove it, or the rest.",
            )
        elif "exec" in inv.wrapped:
            yield ScriptWarning(
                line=line,
                rule="cut-off",
                message="exec replaces the script: nothing behind it is done, and its exports reach nobody.",
                hint="Call the program without exec.",
            )
        elif inv.program == "exit" and _succeeds(inv) and any(mark > index for mark in marked):
            yield ScriptWarning(
                line=line,
                rule="cut-off",
                message="exit ends this step only: the steps behind it are still done.",
                hint="Put the condition around the steps instead, or leave the step marks out.",
            )


def _succeeds(inv: Invocation) -> bool:
    return not inv.args or not inv.texts[0].isdigit() or int(inv.texts[0]) == 0


def stale_index(view: View) -> Iterator[ScriptWarning]:
    """`apt-get install` without `apt-get update` before it."""
    for seen, inv in view.calls:
        manager = manager_of(inv.program)
        if inv.program in SHELLS and seen.call.feeder is not None:
            return  # a downloaded installer, which mostly refreshes the index itself
        if manager is None or manager.programs[0] != "apt-get":
            continue
        what = told(inv, manager)
        if what.action == kinds.UPDATE:
            return
        if what.subcommand in {"install", "build-dep"} and not all("/" in arg.text for arg in what.rest):
            yield ScriptWarning(
                line=view.line_of(seen.call.offset),
                rule="apt-update",
                message=f"{inv.program} installs without updating its index first: most images have none.",
                hint="Put `apt-get update` in front.",
            )
            return


def lost_exports(view: View) -> Iterator[ScriptWarning]:
    """An `export` that no later script will see."""
    for seen, inv in view.calls:
        line = view.line_of(seen.call.offset)
        if inv.program == "export" and "sudo" in inv.wrapped:
            yield _lost(line, "`sudo export` sets nothing in this shell.")
        profile = any(redirect.writes and _is_profile(redirect.target.literal) for redirect in seen.call.redirects)
        if inv.program == "tee":
            profile = any(_is_profile(text) for text in inv.texts)
        speaks = [word for call in (seen.call, seen.call.feeder) if call is not None for word in call.words]
        said = "".join(part for word in speaks for part in word.parts if isinstance(part, str))
        said += seen.call.document or ""
        if profile and re.search(r"\bexport\b|\bPATH=", said):
            yield _lost(line, "An agent's shell does not read this file, so what it exports reaches nobody.")
    for entry in view.analysis.entries:
        yield from _isolated_exports(view, entry.index)


def _is_profile(path: str | None) -> bool:
    return path is not None and bool(_PROFILES.match(path.replace("$HOME", "~")))


def _isolated_exports(view: View, index: int) -> Iterator[ScriptWarning]:
    for action in view.analysis.entries[index].actions:
        if isinstance(action, Assign) and action.exports and action.context.isolated:
            where = "in the background" if action.context.background else "in a subshell"
            yield _lost(view.line_of(action.offset), f"{action.name} is exported {where}, and is lost at its end.")


def _lost(line: int, message: str) -> ScriptWarning:
    return ScriptWarning(
        line=line,
        rule="lost-export",
        message=message,
        hint="Write `export NAME=value` at the top level of this script.",
    )


RULES = (unanswered, interactive, sudo, cut_off, stale_index, lost_exports)
