"""The shell's own commands: the current folder, options, files of shell code, traps, the script's end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from agents_runner.preflight.actions import Assign, Call, Context, Sub
from agents_runner.preflight.commands_files import activation
from agents_runner.preflight.extract import declared
from agents_runner.preflight.facts import FOLDER, OPTIONS, POSITIONAL, About, function_name
from agents_runner.preflight.interpret import Handler, Interpreter
from agents_runner.preflight.invocation import Invocation, split_args
from agents_runner.preflight.places import UNKNOWN, Place, absolute
from agents_runner.preflight.programs import HOOKS
from agents_runner.preflight.tables import words

_HARMLESS_OPTIONS = re.compile(r"[-+][xv]+\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def cd(it: Interpreter, inv: Invocation) -> None:
    """`cd`, `pushd`, `popd`."""
    it.facts.steady = True
    if it.scope.looks_back:
        it.facts.reads.add(FOLDER)
    operands = split_args(inv.args).operands
    if inv.program == "popd" or (operands and operands[0].text in {"-", "+1", "~-"}):
        it.facts.reads.add(FOLDER)
        it.facts.keeps.add(FOLDER)
        it.go(UNKNOWN, inv.call)
        return
    text = operands[0].text if operands else "~"
    relative = not text.startswith(("/", "~", UNKNOWN))
    steady, read = it.facts.steady, set(it.facts.files_read)
    place = it.file(text, writes=False)
    it.facts.steady = steady
    it.facts.folders_entered |= it.facts.files_read - read
    it.facts.files_read = read
    if relative:
        it.facts.keeps.add(FOLDER)
    it.go(UNKNOWN if place is Place.UNTOLD else absolute(text, it.folder), inv.call)


def options(it: Interpreter, inv: Invocation) -> None:
    """`set`, `shopt`, `umask`, `ulimit`: how the shell behaves from here on."""
    it.facts.steady = all(UNKNOWN not in text for text in inv.texts)
    texts = inv.texts
    if inv.program == "set":
        operands = _positional(texts)
        if operands is not None:
            it.facts.writes[POSITIONAL] = not inv.call.context.conditional
            it.scope.defined.add(POSITIONAL)
            for number, arg in enumerate(inv.args[len(inv.args) - operands :], start=1):
                it.scope.values[str(number)] = None if UNKNOWN in arg.text else arg.texts
        if all(_HARMLESS_OPTIONS.match(text) for text in texts):
            return
    if texts and not inv.call.context.isolated:
        it.facts.writes[OPTIONS] = not inv.call.context.conditional


def _positional(texts: list[str]) -> int | None:
    """How many words `set` makes the script's arguments; None if it leaves them alone."""
    if "--" in texts:
        return len(texts) - texts.index("--") - 1
    rest = [text for text in texts if not text.startswith(("-", "+"))]
    if rest and not any(text in {"-o", "+o"} or re.match(r"[-+][a-zA-Z]*o\Z", text) for text in texts):
        return len(rest)
    return None


def source(it: Interpreter, inv: Invocation) -> None:
    """`source FILE`: known files only set up the shell, any other may do anything."""
    facts = it.facts
    if not inv.args:
        return
    for text in inv.args[0].texts:
        harmless = activation(text)
        place = it.file(text, writes=False)
        known = harmless is not None and place is Place.IMAGE
        if not known and place is Place.IMAGE and not it.is_made(text):
            facts.must_run(f"What {text.replace(UNKNOWN, '…')} does to the shell is not known.", certain=False)
        take_in(it, steady=harmless is True)


def take_in(it: Interpreter, *, steady: bool) -> None:
    """Shell code from outside is run: it may set variables and functions, and mostly adds to PATH."""
    facts = it.facts
    facts.wild = True
    facts.steady = steady
    facts.needs.add("system")
    facts.writes.setdefault("PATH", False)
    facts.extends.add("PATH")
    facts.reads.add("PATH")
    if not steady:
        facts.keeps.add("PATH")
    it.scope.wild = True


def evaluate(it: Interpreter, inv: Invocation) -> None:
    """`eval "$(tool init)"` for the tools that are known; what else it runs is anybody's guess."""
    facts = it.facts
    parts = [part for arg in inv.args if arg.word is not None for part in arg.word.parts]
    call = parts[0].body[-1] if len(parts) == 1 and isinstance(parts[0], Sub) and parts[0].body else None
    if isinstance(call, Call) and call.words:
        name = it.scope.text(call.words[0]).rpartition("/")[2]
        if name in HOOKS:
            take_in(it, steady=HOOKS[name])
            facts.observes = False
            return
    if len(inv.args) == 1 and UNKNOWN not in inv.args[0].text and not any(isinstance(p, Sub) for p in parts):
        it.nested(inv.args[0].text)
    facts.must_run("It runs code that is put together only when it runs.", certain=False)
    take_in(it, steady=False)


def trap(it: Interpreter, inv: Invocation) -> None:
    """`trap`: what is printed on an error may be kept in both; what happens at the end happens once."""
    operands = split_args(inv.args).operands
    signals = {arg.text.removeprefix("SIG") for arg in operands[1:]}
    body = operands[0].text if operands else ""
    writes_before = set(it.facts.files_written)
    reads = set(it.facts.reads)
    if body and body != "-" and UNKNOWN not in body:
        it.nested(body)
    it.facts.reads |= reads
    only_prints = it.facts.files_written == writes_before and not it.facts.fills and not it.facts.ends
    if signals == {"ERR"} and only_prints and it.facts.run is None:
        it.facts.cached = it.facts.doubtful = None
        it.facts.steady = True
        it.facts.writes[OPTIONS] = True
        return
    it.facts.cached = it.facts.doubtful = None
    it.facts.must_run("It sets what happens at the end of the script.")


def leave(it: Interpreter, inv: Invocation) -> None:
    """`exit`, and `return` outside of a function: what comes behind it may not happen."""
    context = inv.call.context
    if context.isolated or (inv.program == "return" and context.function):
        return
    status = inv.texts[0] if inv.args else ""
    fails = status.isdigit() and int(status) % 256 != 0
    if fails and context.guarded:
        return
    it.facts.ends = "failing" if fails and it.facts.ends != "any" else "any"


def replace_shell(it: Interpreter, inv: Invocation) -> None:
    """`exec` with redirections only: from here on, all output goes elsewhere."""
    it.facts.writes[OPTIONS] = True
    it.facts.must_run("It sends all later output somewhere else.")


def read(it: Interpreter, inv: Invocation) -> None:
    """`read`, `mapfile`, `printf -v`, `getopts`, `let`: set the variables that they are told."""
    call = inv.call
    it.facts.steady = False
    if inv.program == "read" and not call.has_input and not call.context.fed:
        it.facts.must_run("It waits for a person's answer.", certain=False, about=About.INTERACTIVE)
    split = split_args(inv.args, words("-p -d -n -N -t -u -i -a -C -c -O"))
    names = [arg.text for arg in split.operands] + [arg.text for arg in split.values(words("-a"))]
    if inv.program == "getopts":
        names = [*names[1:2], "OPTARG", "OPTIND"]
    elif inv.program == "let":
        names = [match[0] for text in names if (match := _NAME.match(text))]
    for name in names or (["REPLY"] if inv.program == "read" else ["MAPFILE"]):
        # With a redirection of its own, it may fail before it sets anything.
        sure = call.context.fed and not call.redirects
        _set(it, name, call.context if sure or inv.program == "let" else replace(call.context, conditional=True))


def printf(it: Interpreter, inv: Invocation) -> None:
    """`printf -v NAME`."""
    split = split_args(inv.args, words("-v"))
    for arg in split.values(words("-v")):
        _set(it, arg.text, inv.call.context)


def _set(it: Interpreter, name: str, context: Context) -> None:
    if _NAME.fullmatch(name):
        it.act(Assign(name, None, context, 0, how="read"))


def declare(it: Interpreter, inv: Invocation) -> None:
    """`A=1 export B=2`: the grammar gives these as plain commands."""
    flags = "".join(text for text in inv.texts if text.startswith("-"))
    it.facts.steady = True
    for arg in inv.args:
        if arg.word is not None and not arg.text.startswith("-"):
            it.act(declared(arg.word, inv.program, flags, inv.call.context, inv.call.offset))


def unset(it: Interpreter, inv: Invocation) -> None:
    """`unset` as a plain command."""
    for text in split_args(inv.args).operands:
        it.act(Assign(text.text, None, inv.call.context, inv.call.offset, how="unset"))


def alias(it: Interpreter, inv: Invocation) -> None:
    """`alias NAME=VALUE`."""
    it.facts.steady = True
    for arg in split_args(inv.args).operands:
        name, equals, _ = arg.text.partition("=")
        if equals or UNKNOWN in name:
            it.facts.writes[function_name(name)] = True
            it.scope.defined.add(function_name(name))
            it.scope.functions[name] = None


def pwd(it: Interpreter, inv: Invocation) -> None:
    """`pwd`."""
    it.facts.observes = True
    it.facts.reads.add(FOLDER)
    if not it.moved:
        it.facts.must_run(
            "It asks for the current folder, which may be the workspace.", certain=False, about=About.WORKSPACE
        )


def jobs(it: Interpreter, inv: Invocation) -> None:
    """`wait`, `jobs`, `disown`..."""
    it.facts.must_run("It looks after background jobs, which a build would not keep.", about=About.SERVICE)


def presence(it: Interpreter, inv: Invocation) -> None:
    """`command -v NAME`, `which`, `type`, `hash`: is a program there?"""
    if inv.program == "hash" and inv.texts == ["-r"]:
        it.facts.steady = True
        return
    it.facts.asks = True
    it.facts.observes = True
    it.facts.steady = False
    it.facts.reads.add("PATH")
    for arg in split_args(inv.args).operands:
        if arg.text in it.scope.functions:
            it.facts.reads.add(function_name(arg.text))


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "cd": cd,
        "pushd": cd,
        "popd": cd,
        "set": options,
        "shopt": options,
        "umask": options,
        "ulimit": options,
        "enable": options,
        "source": source,
        ".": source,
        "eval": evaluate,
        "trap": trap,
        "exit": leave,
        "return": leave,
        "exec": replace_shell,
        "read": read,
        "mapfile": read,
        "readarray": read,
        "getopts": read,
        "let": read,
        "printf": printf,
        "export": declare,
        "declare": declare,
        "typeset": declare,
        "local": declare,
        "readonly": declare,
        "unset": unset,
        "alias": alias,
        "unalias": alias,
        "pwd": pwd,
        "wait": jobs,
        "jobs": jobs,
        "fg": jobs,
        "bg": jobs,
        "disown": jobs,
        "command": presence,
        "which": presence,
        "type": presence,
        "hash": presence,
        "whereis": presence,
    }
)
