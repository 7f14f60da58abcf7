"""One command as it will run: wrappers like `sudo` taken off, words resolved, options told from operands."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents_runner.preflight.actions import Call, Var, Word
from agents_runner.preflight.places import UNKNOWN
from agents_runner.preflight.programs import WRAPPER_OPERANDS, WRAPPERS
from agents_runner.preflight.scope import Scope

_ROOT_WORDS = frozenset({"", "sudo", "sudo -E", "sudo -n", "sudo -H", "sudo -EH", "doas", "command"})


@dataclass(slots=True)
class Arg:
    """One argument: what it may be (`UNKNOWN` for the parts that cannot be told), and the word it came from."""

    texts: tuple[str, ...]
    word: Word | None = None

    @property
    def text(self) -> str:
        """The one text, or `UNKNOWN`."""
        return self.texts[0] if len(self.texts) == 1 else UNKNOWN


@dataclass(slots=True)
class Invocation:
    """A program with its arguments."""

    program: str
    """Its name without folders; `UNKNOWN` if that is in a variable."""
    path: str
    """As it was called."""
    args: list[Arg]
    call: Call
    wrapped: list[str] = field(default_factory=list)
    plain: bool = True
    """Functions and aliases may take its place."""

    @property
    def texts(self) -> list[str]:
        """The arguments as texts."""
        return [arg.text for arg in self.args]


@dataclass(slots=True)
class Split:
    """Arguments in order: `options` as (name, value or None), and the rest."""

    options: list[tuple[str, Arg | None]]
    operands: list[Arg]

    def has(self, *names: str) -> bool:
        """True if one of the options is there."""
        return any(name in names for name, _ in self.options)

    def values(self, names: frozenset[str]) -> list[Arg]:
        """The words of some options."""
        return [value for name, value in self.options if name in names and value is not None]


def split_args(args: list[Arg], valued: frozenset[str] = frozenset(), *, stop: bool = False) -> Split:
    """Tell options from operands; `valued` take the next word, `--name=value` and `-nvalue` are understood.

    `stop`: everything behind the first operand is one (a wrapper's command).
    """
    options: list[tuple[str, Arg | None]] = []
    operands: list[Arg] = []
    index = 0
    while index < len(args):
        arg = args[index]
        text = arg.text
        index += 1
        if text == "--":
            operands.extend(args[index:])
            break
        if not text.startswith("-") or text == "-":
            operands.append(arg)
            if stop:
                operands.extend(args[index:])
                break
        elif text in valued and index < len(args):
            options.append((text, args[index]))
            index += 1
        elif text.startswith("--") and "=" in text:
            name, _, value = text.partition("=")
            options.append((name, Arg((value,))))
        elif not text.startswith("--") and len(text) > 2 and text[:2] in valued:
            options.append((text[:2], Arg((text[2:],))))
        elif not text.startswith("--") and len(text) > 2 and f"-{text[-1]}" in valued and index < len(args):
            # A cluster whose last letter takes the next word: -xzf FILE.
            options.append((text, None))
            options.append((f"-{text[-1]}", args[index]))
            index += 1
        else:
            options.append((text, None))
    return Split(options, operands)


def read_call(call: Call, scope: Scope) -> Invocation | None:
    """Resolve a call's words and take off what only wraps another command; None if nothing is called."""
    args: list[Arg] = []
    for word in call.words:
        if len(word.parts) == 1 and scope.arguments is not None and isinstance(word.parts[0], Var):
            name = word.parts[0].name
            if name in {"@", "*"}:
                args.extend(Arg(scope.texts(inner), inner) for inner in scope.arguments)
                continue
        args.append(Arg(scope.texts(word), word))
    wrapped: list[str] = []
    plain = True
    while args:
        head = args[0]
        if head.text not in WRAPPERS and (set(head.texts) <= _ROOT_WORDS or _is_root_variable(head)):
            wrapped.append("sudo")
            args = _unwrap("sudo", args[1:])
            continue
        name = head.text.rpartition("/")[2]
        if name not in WRAPPERS or _is_final(name, args):
            break
        wrapped.append(name)
        plain = plain and name not in {"command", "builtin", "env", "exec"}
        args = _unwrap(name, args[1:])
    if not args:
        return Invocation("", "", [], call, wrapped, plain) if wrapped else None
    path = args[0].text
    name = UNKNOWN if UNKNOWN in path.rpartition("/")[2] else path.rpartition("/")[2]
    return Invocation(name, path, args[1:], call, wrapped, plain)


def _is_root_variable(arg: Arg) -> bool:
    """`$SUDO` and its like, set by somebody else: it is sudo or nothing."""
    if arg.word is None or len(arg.word.parts) != 1 or not isinstance(arg.word.parts[0], Var):
        return False
    return arg.word.parts[0].name.strip("_").upper() in {"SUDO", "SUDO_CMD", "AS_ROOT", "DOAS"}


def _is_final(name: str, args: list[Arg]) -> bool:
    """True if the wrapper is the command itself: `command -v NAME`, `exec` with redirections only."""
    if len(args) == 1:
        return name in {"exec", "env", "time", "command", "xargs"}
    return name == "command" and args[1].text in {"-v", "-V"}


def _unwrap(name: str, args: list[Arg]) -> list[Arg]:
    rest = split_args(args, WRAPPERS[name], stop=True).operands[WRAPPER_OPERANDS.get(name, 0) :]
    if name in {"sudo", "env", "doas"}:
        while rest and _is_assignment(rest[0]):
            rest = rest[1:]
    return rest


def _is_assignment(arg: Arg) -> bool:
    text = arg.text
    if arg.word is not None and arg.word.parts and isinstance(arg.word.parts[0], str):
        text = arg.word.parts[0]
    name, equals, _ = text.partition("=")
    return bool(equals) and name.isidentifier()
