"""A plain set-up script, with or without a maintenance script beside it, as an environment."""

from __future__ import annotations

import re

from agents_runner.core.errors import InvalidInput
from agents_runner.core.scripts import interpreter_of
from agents_runner.importers.bases import guess_base
from agents_runner.importers.collect import Collector
from agents_runner.importers.commands import WORKSPACE
from agents_runner.importers.model import Block


def add_scripts(c: Collector, setup: str, maintenance: str) -> None:
    """`setup` runs once and is split, `maintenance` runs at every start; "" for one that is not there."""
    if setup:
        c.setup.append(_block(c, setup))
    if maintenance:
        c.start.append(_block(c, maintenance))
    guess_base(c)


def _block(c: Collector, relative: str) -> Block:
    text = c.read(relative)
    interpreter = interpreter_of(text)
    if interpreter.kind == "other":
        raise InvalidInput(
            f"{relative} is a script for {interpreter.words[0]}, and only shell scripts can be imported.",
            "Call it from a shell script.",
        )
    if text.startswith("#!"):
        text = text.partition("\n")[2]
    options = " ".join(interpreter.words)
    flags = "".join(sorted(set("".join(re.findall(r"(?<!\S)-([a-z]+)", options))) & set("ux")))
    head = f"set -{flags}\n" if flags else ""
    return Block(
        name=relative,
        text=head + text,
        errexit=bool(re.search(r"(?<!\S)-[a-z]*e", options)),
        place=WORKSPACE,
    )
