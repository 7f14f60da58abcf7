"""Commands as the files give them - a text, a list of arguments, an object of both - as blocks for a preflight."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from agents_runner.core.errors import AgentsRunnerError
from agents_runner.core.scripts import interpreter_of
from agents_runner.importers.collect import Collector, short
from agents_runner.importers.model import Block
from agents_runner.importers.project import joined

WORKSPACE = '"$AGENTS_RUNNER_WORKSPACE"'
"""The workspace as a word of the shell."""
BESIDE = "It stands as a comment in the run preflight: start it in the background there, or let the agent do it."
_ENDLESS = re.compile(
    r"(?:^|[;&|(]\s*|\bexec\s+)(?:"
    r"(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:start|dev|serve|watch)\b|npx\s+(?:-\S+\s+)*(?:vite|next\s+dev|serve)\b|"
    r"(?:python3?\s+)?(?:\./)?manage\.py\s+runserver|python3?\s+-m\s+(?:http\.server|flask\s+run|uvicorn)|"
    r"(?:flask|quart)\s+run|uvicorn\s|gunicorn\s(?!.*(?:-D|--daemon))|(?:bin/)?rails\s+s(?:erver)?\b|"
    r"(?:jupyter(?:-|\s+)(?:lab|notebook)|jekyll\s+serve|hugo\s+server|ng\s+serve|vite|next\s+dev|nodemon|air)\b|"
    r"docker[ -]compose\s+(?:-\S+\s+\S+\s+)*up(?!.*\s(?:-d|--detach)\b)|tail\s+(?:-\S+\s+)*-[fF]|sleep\s+infinity|"
    r"(?:cargo|dotnet)\s+watch|code-server\b)"
)
_BACKGROUND = re.compile(r"&\s*\)?\s*\Z|\bnohup\b|\bsetsid\b|\btmux\b|\bscreen\b|--daemon|\bpm2\b")
_CALL = re.compile(
    r"\A\s*(?:chmod\s+(?:\+x|a\+x|u\+x|755|0755)\s+(?P<made>\S+)\s*&&\s*)?"
    r"(?:sudo\s+)?(?:(?P<shell>/bin/bash|/usr/bin/env\s+bash|bash|/bin/sh|sh|dash)\s+"
    r"(?P<options>(?:-[eux]+\s+|-o\s+pipefail\s+|-i\s+|-l\s+)*))?"
    r"(?P<path>[\w.@+/-]+|\"[\w.@+/ -]+\")(?:\s*;)?\Z"
)
_OWN_NAME = re.compile(
    r"\$\{?(?:0|BASH_SOURCE|[1-9@*#])|\b(?:dirname|basename)\s+--?\s*\"?\$0|\bBASH_SOURCE\b|\bgetopts\b"
)


def commands_of(value: Any) -> Iterator[tuple[str, str]]:
    """(name, shell text) for each command of a text, a list of arguments or an object of both; "" has no name."""
    if isinstance(value, str):
        if value.strip():
            yield "", value
    elif isinstance(value, list):
        if value and all(isinstance(one, str) for one in value):
            yield "", shlex.join(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            for _, text in commands_of(inner if not isinstance(inner, dict) else None):
                yield str(name), text


def is_endless(text: str) -> bool:
    """True for a server or a watcher in the foreground: the agent would never start behind it."""
    return bool(_ENDLESS.search(text.strip())) and not _BACKGROUND.search(text.strip())


def setup_block(c: Collector, name: str, text: str, *, errexit: bool = False, place: str = WORKSPACE) -> Block:
    """A command of the set-up. One that only calls a script of the project becomes that script's text."""
    inlined = _inlined(c, name, text)
    if inlined is not None:
        return inlined
    return Block(name=name, text=text, errexit=errexit, place=place)


def start_block(c: Collector, name: str, text: str, *, errexit: bool = False, place: str = WORKSPACE) -> None:
    """A command of every start; one that never ends is left out and reported."""
    if is_endless(text):
        leave_out(c, name, text)
    else:
        c.start.append(Block(name=name, text=text, errexit=errexit, place=place))


def leave_out(c: Collector, name: str, text: str) -> None:
    """Report a command that does not end, and keep it as a comment in the run preflight."""
    c.missing(
        f"{name}: {text.strip()}",
        "It does not end by itself, and the agent starts when the run preflight has ended.",
        BESIDE,
    )
    c.remarks.append(f"{short(name)}, left out since it does not end by itself:\n  {_commented(text)}")


def _commented(text: str) -> str:
    return "\n  ".join(short(line) for line in text.strip().split("\n"))


def _inlined(c: Collector, name: str, text: str) -> Block | None:
    """The script of the project that a command calls, if it says the same in another place."""
    match = _CALL.match(text.strip())
    if match is None or (match["made"] and match["made"].removeprefix("./") != match["path"].removeprefix("./")):
        return None
    path = match["path"].strip('"')
    if not match["shell"] and not ("/" in path and path.endswith((".sh", ".bash"))):
        return None
    if path.startswith(("/", "~")) or not c.project.has(path):
        return None
    relative = joined("", path)
    try:
        body = c.read(relative)
    except AgentsRunnerError as error:
        c.missing(f"{name}: {text}", error.message, error.hint)
        return None
    interpreter = interpreter_of(body)
    if interpreter.kind == "other" or _OWN_NAME.search(body):
        c.note(f"{name} calls {relative}, which asks for its own place or arguments, so it is called as it is.")
        return None
    options = " ".join((match["options"] or "", *(interpreter.words if not match["shell"] else ())))
    if body.startswith("#!"):
        body = "\n" + body.partition("\n")[2]
    c.note(
        f"{name} calls {relative}: its text, as it is now, was taken over, so that its installs can be cached. "
        "A later change of that file does not reach the environment."
    )
    flags = "".join(re.findall(r"(?<!\S)-([eux]+)", options)).replace("e", "")
    switches = [f"set -{flags}"] if flags else []
    switches += ["set -o pipefail"] if "pipefail" in options else []
    head = "".join(f"{one}\n" for one in switches)
    return Block(
        name=f"{name}: {relative}",
        text=head + body.lstrip("\n"),
        errexit=bool(re.search(r"(?<!\S)-[ux]*e", options)),
        place=WORKSPACE,
    )
