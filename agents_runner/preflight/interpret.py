"""Reading a statement without running it: walks its actions, keeps the scope, gathers the facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from agents_runner.core.redaction import looks_secret
from agents_runner.preflight.actions import Action, Assign, Call, Define, Redirect, Sub, Use, Var, Word
from agents_runner.preflight.extract import OPAQUE, Extractor
from agents_runner.preflight.facts import FOLDER, OPTIONS, POSITIONAL, About, Facts, function_name
from agents_runner.preflight.invocation import Arg, Invocation, read_call
from agents_runner.preflight.parse import parse
from agents_runner.preflight.places import UNKNOWN, Place, absolute, place_of
from agents_runner.preflight.programs import STEADY
from agents_runner.preflight.scope import PLACEHOLDER, Scope, is_always_outside, is_secret_name, outside

_SHOWN = frozenset({"0", "BASH_SOURCE", "SECONDS"})
"""Names that do no harm where they are only printed."""
_ABOUT = {
    Place.WORKSPACE: About.WORKSPACE,
    Place.RELATIVE: About.WORKSPACE,
    Place.TEMPORARY: About.TEMPORARY,
    Place.RUNTIME: About.RUNTIME,
    Place.ENGINE: About.RUNTIME,
    Place.PERSON: About.SECRET,
}
_DEPTH = 12
_PATTERN = frozenset("*?[{")
_EXTENDING = ("PATH", "MANPATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "PYTHONPATH", "CPATH", "LIBRARY_PATH")
Handler = Callable[["Interpreter", Invocation], None]


class Interpreter:
    """Interprets one statement at a time; `handle` knows the commands, see `commands.handle`."""

    def __init__(self, scope: Scope, handle: Handler) -> None:
        self.scope = scope
        self.facts = Facts()
        self._handle = handle
        self._inner: set[str] = set()
        """Names that the statement sets for itself only: local variables, variables of subshells."""
        self._settled: set[str] = set()
        """Names that this statement has surely set already: what it reads of them is its own."""
        self._single = False
        """The piece is one statement: behind a loop nothing of it reads the loop's variable."""
        self._folder: str | None = None
        """The folder inside of a subshell of this statement."""
        self._depth = 0
        self._printing = False
        """Words are only shown on the terminal."""

    def statement(self, actions: Iterable[Action], *, single: bool = False) -> Facts:
        """The facts of one piece (`single`: of one statement); the scope moves on behind it."""
        self.facts = Facts()
        self._inner, self._settled, self._single = set(), set(), single
        self._folder = None
        for action in actions:
            self.act(action)
        return self.facts

    def act(self, action: Action) -> None:
        """One action."""
        if not self._depth:
            self.facts.offset = action.offset
        if action.context.background:
            self.facts.must_run(
                "It starts something in the background, which a build would not keep.", about=About.SERVICE
            )
        if isinstance(action, Call):
            self._call(action)
        elif isinstance(action, Assign):
            self._assign(action)
        elif isinstance(action, Use):
            for word in action.words:
                self.read(word)
        else:
            self._define(action)

    # --- words and variables -----------------------------------------------------------------------------

    def read(self, word: Word) -> None:
        """Expand a word: note the variables it reads, act on its substitutions."""
        if word.literal is not None:
            return
        for part in word.parts:
            if isinstance(part, Var):
                self._variable(part)
            elif isinstance(part, Sub):
                outer, self._folder = self._folder, self._folder
                for action in part.body:
                    self.act(action)
                self._folder = outer

    def _variable(self, part: Var) -> None:
        name = part.name
        if part.word is not None:
            self.read(part.word)
        if part.op == "indirect":
            self.facts.must_run(f"It reads the variable whose name is in {name}.", certain=False)
        if name == "?":
            self.facts.welded = True
            return
        if name == "!":
            self.facts.must_run("It uses the number of a background job.", about=About.SERVICE)
        if self.scope.arguments is not None and (name.isdigit() or name in {"@", "*", "#"}) and name != "0":
            return
        if name == "OLDPWD":
            self.facts.reads.add(FOLDER)
        self.need(POSITIONAL if name.isdigit() and name != "0" else name, has_default=part.has_default)
        if part.op in {"=", ":="} and part.word is not None:
            self._write(name, definite=False)
            self.scope.assign(name, self.scope.texts(part.word), definite=False)

    def need(self, name: str, *, has_default: bool = False) -> None:
        """Note that a variable is read; one that the script never sets may speak for the run stage."""
        scope = self.scope
        if name in self._inner and name not in scope.defined:
            return
        if (self._printing and name in _SHOWN) or (name in self._settled and not is_always_outside(name)):
            return
        self.facts.reads.add(name)
        if (name in scope.defined and not is_always_outside(name)) or name in scope.available or name == POSITIONAL:
            return
        reason = outside(name, has_default=has_default or scope.wild)
        if reason is not None:
            self.facts.must_run(reason.sentence, certain=reason.certain, about=reason.about)

    def _write(self, name: str, *, definite: bool) -> None:
        facts = self.facts
        facts.writes[name] = facts.writes.get(name, False) or definite

    def _assign(self, action: Assign) -> None:
        facts, scope, name = self.facts, self.scope, action.name
        if action.value is not None:
            self.read(action.value)
        texts = None if action.value is None or action.array else scope.texts(action.value)
        if texts is not None and any(UNKNOWN in text for text in texts):
            texts = None
        if action.value is not None and (literal := action.value.literal) and looks_secret(name, literal):
            facts.holds_secret(name)
        self._steadiness(action)
        if action.how.endswith("-function"):
            name = function_name(name)
            texts = None
        definite = self._definite(action)
        local = action.how == "local" or (name in self._inner and action.context.function)
        if local or (action.context.isolated and action.how != "attribute"):
            self._inner.add(name)
            if local and action.context.function:
                scope.values[name] = self._choices(action) if action.how == "loop" else texts
            return
        if action.keeps or action.how == "attribute":
            self.need(name, has_default=True)
            (facts.marked if action.how == "attribute" else facts.keeps).add(name)
        if action.exports or action.how == "export-function":
            facts.exports.add(name)
            self._write(name, definite=False)
        if action.how in {"attribute", "show", "export-function"}:
            return
        if action.how == "loop":
            texts = self._choices(action)
        if name == "IFS":
            facts.writes[OPTIONS] = definite
        self._write(name, definite=definite)
        self._extends(action)
        if action.how == "unset":
            texts = ("",)
            self._settled.discard(name)
        scope.assign(name, None if action.keeps else texts, definite=definite or action.keeps)

    def _definite(self, action: Assign) -> bool:
        """True if the name surely has the new value from here on; what the statement reads of it is then its own."""
        definite = not action.context.conditional and not action.keeps
        settled = definite
        if action.how == "loop" and not _turns(action):
            self.facts.loops.add(action.name)
            settled, definite = definite and self._single, False
        if settled and not (self._depth or action.context.function or action.context.isolated):
            self._settled.add(action.name)
        return definite

    def _choices(self, action: Assign) -> tuple[str, ...] | None:
        """The values that a loop's variable takes."""
        texts = [text for word in action.choices for text in self.scope.texts(word)]
        known = all(UNKNOWN not in text and not re.search(r"\s", text) for text in texts)
        return tuple(texts) if texts and known and len(texts) <= 8 else None

    def _extends(self, action: Assign) -> None:
        """`PATH=$PATH:/x` only adds to it."""
        if action.name not in _EXTENDING or action.value is None:
            return
        parts = action.value.parts
        if action.keeps or any(isinstance(part, Var) and part.name == action.name for part in parts):
            self.facts.extends.add(action.name)
            self.facts.keeps.add(action.name)

    def _steadiness(self, action: Assign) -> None:
        value = action.value
        if value is None:
            return
        for part in value.parts:
            if isinstance(part, Sub) and part.process:
                self.facts.steady = False
            elif isinstance(part, Var) and part.name == action.name and not _only_defaults(value, part):
                self.facts.keeps.add(action.name)

    def _define(self, action: Define) -> None:
        name = function_name(action.name)
        if action.context.isolated:
            self._inner.add(name)
        else:
            self._write(name, definite=not action.context.conditional)
            self.scope.defined.add(name)
        self.scope.functions[action.name] = action.body

    # --- calls -------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> None:
        facts = self.facts
        for assign in call.assigns:
            if assign.value is not None:
                self.read(assign.value)
                if assign.value.literal and looks_secret(assign.name, assign.value.literal):
                    facts.holds_secret(assign.name)
        first = call.words[0].literal if call.words else None
        plain = not call.redirects and not call.feeds and not call.context.isolated
        self._printing = first in {"echo", "printf"} and plain
        for word in call.words:
            self.read(word)
        self._printing = False
        invocation = read_call(call, self.scope)
        if invocation is not None and invocation.program == OPAQUE:
            facts.must_run("It runs a command inside of a here-document.", certain=False)
            return
        for redirect in call.redirects:
            self._redirect(redirect, invocation)
        if invocation is None:
            return
        if invocation.program not in STEADY:
            facts.steady = False
        if is_secret_literal(invocation):
            facts.holds_secret()
        self._handle(self, invocation)

    def function(self, name: str, args: list[Arg], call: Call) -> None:
        """A call of a function that the script defined: what its body does."""
        scope = self.scope
        self.facts.reads.add(function_name(name))
        body = scope.functions[name]
        if body is None or self._depth >= _DEPTH or scope.budget < len(body):
            self.facts.must_run(f"What {name} does is too tangled to tell.", certain=False)
            return
        scope.budget -= len(body)
        outer = scope.arguments
        saved = {key: scope.values.get(key) for key in map(str, range(1, len(args) + 1))}
        inner_before = set(self._inner)
        steady = self.facts.steady
        scope.arguments = tuple(arg.word or Word((arg.text,), arg.text, True) for arg in args)
        for number, arg in enumerate(args, start=1):
            scope.values[str(number)] = None if any(UNKNOWN in text for text in arg.texts) else arg.texts
        self._depth += 1
        for action in body:
            self.act(replace(action, context=action.context.inside(call.context)))
        self._depth -= 1
        scope.arguments = outer
        for key, values in saved.items():
            if values is None:
                scope.values.pop(key, None)
            else:
                scope.values[key] = values
        self._inner = inner_before
        self.facts.steady = steady and self.facts.steady

    def nested(self, text: str, *, sure: bool = True) -> None:
        """A text that is run as a script of its own (`bash -c TEXT`): in a subshell, so to speak."""
        program = parse(text.replace(UNKNOWN, PLACEHOLDER))
        if program.trouble is not None or self._depth >= _DEPTH:
            self.facts.must_run("It runs a script inside of a text that cannot be read.", certain=False)
            return
        if not sure:
            self.facts.may_cache("It runs the commands in its text.", certain=False)
        outer = self._folder
        writes, exports = dict(self.facts.writes), set(self.facts.exports)
        before = Scope(
            available=self.scope.available,
            values=dict(self.scope.values),
            functions={},
            defined=set(self.scope.defined),
            wild=self.scope.wild,
            folder=self.folder,
            moved=self.moved,
            made=self.scope.made,
            budget=self.scope.budget,
        )
        self.scope, kept = before, self.scope
        self._depth += 1
        extractor = Extractor(program.tree)
        for piece in program.pieces:
            for action in extractor.actions(piece.nodes):
                self.act(action)
        self._depth -= 1
        self.scope, self._folder = kept, outer
        self.facts.writes, self.facts.exports = writes, exports
        self.facts.steady = False

    # --- files -------------------------------------------------------------------------------------------

    @property
    def folder(self) -> str:
        """The folder that relative paths start from."""
        return self.scope.folder if self._folder is None else self._folder

    @property
    def moved(self) -> bool:
        """True if the script itself chose that folder."""
        return self.scope.moved or self._folder is not None

    def go(self, folder: str, call: Call) -> None:
        """`cd`: the shell is in another folder, or the subshell is."""
        if call.context.isolated:
            self._folder = folder
            return
        self._write(FOLDER, definite=not call.context.conditional and not call.context.function)
        self.scope.defined.add(FOLDER)
        self.scope.folder = folder
        self.scope.moved = True

    def _redirect(self, redirect: Redirect, invocation: Invocation | None) -> None:
        self.read(redirect.target)
        if any(isinstance(part, Sub) for part in redirect.target.parts) and len(redirect.target.parts) == 1:
            return  # >(command): the command has been looked at
        verb = "Downloads to" if invocation is not None and invocation.program in {"curl", "wget"} else ""
        for text in self.scope.texts(redirect.target):
            self.file(text, writes=redirect.writes, verb=verb or "Writes")

    def file(self, text: str, *, writes: bool, verb: str = "", layer: str = "") -> Place:
        """Note a file that is read or written; its place decides the stage. `verb` opens the sentence."""
        facts = self.facts
        relative = not text.startswith(("/", "~", UNKNOWN))
        if relative:
            facts.reads.add(FOLDER)
        path = absolute(text, self.folder)
        place = place_of(path)
        if relative and not self.moved:
            place = Place.RELATIVE
        if place is Place.NOWHERE:
            return place
        if path.startswith("/dev/urandom"):
            facts.must_run("It reads random bytes.", about=About.CHANGING)
        (facts.files_written if writes else facts.files_read).add(path)
        if not writes:
            facts.steady = False
        shown = text.replace(UNKNOWN, "…") or "."
        if place is Place.IMAGE:
            if writes:
                facts.may_cache(
                    f"{verb or 'Changes'} {shown}, which is part of the image.", layer=layer or "configuration"
                )
        elif place is Place.UNTOLD:
            facts.untold = facts.untold or writes
            facts.must_run("Which file it uses is not known before it runs.", certain=False)
        else:
            certain = place not in {Place.OTHER, Place.RELATIVE}
            about = _ABOUT.get(place, About.OTHER)
            facts.must_run(f"It uses {shown}, which is {place.value}.", certain=certain, about=about)
        return place

    def works_here(self) -> None:
        """A program that may use anything in the current folder."""
        self.facts.reads.add(FOLDER)
        if self.moved and place_of(self.folder) is Place.IMAGE:
            self.facts.files_read.add(self.folder)

    def is_made(self, text: str) -> bool:
        """True if an earlier line of the cached kind made this file or a folder above it."""
        path = absolute(text, self.folder)
        if place_of(path) is not Place.IMAGE:
            return False
        here = any(path == made or path.startswith(made + "/") for made in self.facts.files_written)
        return here or self.scope.made.overlap(path) is not None


def _turns(loop: Assign) -> bool:
    """True for a loop that surely has something to go through."""
    return any(word.literal and not set(word.literal) & _PATTERN for word in loop.choices)


def _only_defaults(value: Word, part: Var) -> bool:
    """`X=${X:-default}` may be done twice."""
    return len(value.parts) == 1 and part.has_default and "+" not in part.op


def is_secret_literal(invocation: Invocation) -> bool:
    """True if a token stands in the command's own words."""
    return any(
        arg.word is not None
        and any(isinstance(part, str) and len(part) > 10 and looks_secret("", part) for part in arg.word.parts)
        for arg in invocation.args
    )


__all__ = ["Handler", "Interpreter", "is_secret_literal", "is_secret_name"]
