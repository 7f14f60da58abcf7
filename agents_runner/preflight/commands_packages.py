"""Commands of package managers, by the table: which of them install, and what decides where to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agents_runner.preflight import manager as kinds
from agents_runner.preflight.commands_files import each
from agents_runner.preflight.facts import FOLDER, About, function_name
from agents_runner.preflight.interpret import Interpreter
from agents_runner.preflight.invocation import Arg, Invocation, Split, split_args
from agents_runner.preflight.manager import Manager
from agents_runner.preflight.managers import BY_PROGRAM
from agents_runner.preflight.places import UNKNOWN, absolute
from agents_runner.preflight.tables import words

_LOCAL_PACKAGE = re.compile(
    r"(?:\.{1,2}/|/|~).*|.*\.(?:deb|rpm|apk|whl|tgz|gem|pkg\.tar(?:\.\w+)?|nupkg|vsix|crate|jar)|\."
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*(?:://|@)")
_TARGETS = words("-t --target --prefix --root -p --tool-path -i --install-dir")
_UV_TARGETS = words("--system --target --prefix -p --python")


@dataclass(slots=True)
class Told:
    """What a manager is told to do; `action` is one of the kinds in `manager`, or "" if nobody knows."""

    inv: Invocation
    manager: Manager
    split: Split
    subcommand: str = ""
    action: str = ""
    rest: list[Arg] = field(default_factory=list)
    """What stands behind the subcommand."""


def told(inv: Invocation, manager: Manager) -> Told:
    """Read a manager's command line."""
    args = inv.args
    if manager.programs[0] == "cargo" and args and args[0].text.startswith("+"):
        args = args[1:]
    result = Told(inv, manager, split_args(args, manager.valued))
    result.rest = result.split.operands
    if "S" in manager.operations:
        _pacman(result)
    elif "*" in manager.operations:
        _by_option(result, manager.actions)
    else:
        wide = bool(manager.everywhere) and _is_wide(manager, result.split)
        _by_words(result, manager.wide if wide else manager.actions)
    return result


def _by_option(result: Told, table: Mapping[str, str]) -> None:
    """`dpkg -i`, `rpm -U`: the option is the subcommand."""
    for name, value in result.split.options:
        found = name if name in table else name[:2]
        if found in table:
            result.subcommand, result.action = found, table[found]
            result.rest = ([value] if value else []) + result.split.operands
            return


def _by_words(result: Told, table: Mapping[str, str]) -> None:
    """The longest phrase of the table that the operands begin with; else an option; else "*" or ""."""
    operands = result.split.operands
    texts = [arg.text for arg in operands]
    for length in (3, 2, 1):
        phrase = " ".join(texts[:length])
        if len(texts) >= length and phrase in table:
            result.subcommand, result.action, result.rest = phrase, table[phrase], operands[length:]
            return
    option = next((name for name, _ in result.split.options if name in table), None)
    if option is not None:
        result.subcommand, result.action = option, table[option]
    elif not texts:
        result.action = table.get("", "")
    elif UNKNOWN in texts[0]:
        result.subcommand = UNKNOWN
    else:
        result.subcommand, result.action = texts[0], table.get("*", "")
        result.rest = operands if "*" in table else operands[1:]


def _is_wide(manager: Manager, split: Split) -> bool:
    given = {f"{name}={value.text}" for name, value in split.options if value is not None}
    names = {name for name, _ in split.options}
    return bool(manager.everywhere & (names | given))


def _pacman(result: Told) -> None:
    """Operations are letters: -S packages, -Sy index, -Ss search, -Sc clean."""
    manager, split = result.manager, result.split
    for name, _ in split.options:
        letter = name[1] if re.fullmatch(r"-[A-Z][a-z]*", name) else ""
        operation = manager.operations.get(name) or manager.operations.get(letter)
        if operation is None:
            continue
        result.subcommand = name
        result.action = manager.actions[operation]
        letters = "" if name.startswith("--") else name[2:]
        if operation == "sync":
            if set(letters) & set("sigl"):
                result.action = kinds.QUERY
            elif "c" in letters:
                result.action = kinds.CONFIG
            elif not split.operands and "u" not in letters and not split.has("-u", "--sysupgrade"):
                result.action = kinds.UPDATE
        return
    # `yay` alone upgrades everything; `yay NAME` asks a person to choose.
    if result.inv.program != "pacman" and not split.operands and not split.has("--version", "-V", "-h", "--help"):
        result.action = kinds.INSTALL


def packages(it: Interpreter, inv: Invocation, manager: Manager) -> None:
    """A call of a package manager."""
    facts = it.facts
    what = told(inv, manager)
    facts.environment = True
    facts.needs.add(manager.store)
    if not manager.is_system:
        facts.reads.add("PATH")
        facts.needs.add("system")
    if manager.function:
        facts.reads.add(function_name(manager.function))
    if what.split.has("--version", "-V", "--help", "-h") and not what.split.operands:
        what.action = kinds.QUERY
    if what.action == kinds.INSTALL and what.subcommand in manager.named and not _names(what):
        what.action = kinds.PROJECT
    _DO.get(what.action, _unknown)(it, what)


def _names(told: Told) -> list[Arg]:
    """What is to be installed, named on the command line."""
    program, rest = told.manager.programs[0], told.rest
    if program == "go":
        return [arg for arg in rest if "@" in arg.text or UNKNOWN in arg.text]
    if program == "asdf":
        return rest if len(rest) > 1 or (rest and rest[0].text == UNKNOWN) else []
    named = [
        Arg((name,)) for name, _ in told.split.options if name in {"--lts", "--latest", "--git", "--path", "--list"}
    ]
    return [*rest, *named]


def _install(it: Interpreter, told: Told) -> None:
    facts, manager = it.facts, told.manager
    facts.fetches = True
    facts.fills.add(manager.store)
    if manager.is_system:
        facts.fills.add("system")
    facts.files_written.update(manager.home)
    _files(it, told)
    certain = True
    for arg in told.rest:
        for text in arg.texts:
            if _LOCAL_PACKAGE.fullmatch(text) and not _URL.match(text) and not _is_scope(manager, text):
                it.file(text, writes=False)
            elif text.startswith(UNKNOWN):
                certain = certain and not _takes_paths(manager)
    if told.inv.program == "uv" and told.subcommand.startswith("pip") and not told.split.has(*_UV_TARGETS):
        # Without a target, uv takes the virtual environment of the current folder.
        facts.reads.add(FOLDER)
        certain = False
    facts.may_cache(f"It installs software with {told.inv.program}.", certain=certain, layer=manager.layer)


def _takes_paths(manager: Manager) -> bool:
    return manager.store in {"python", "rust"}


def _is_scope(manager: Manager, text: str) -> bool:
    """A name like `github.com/x/y` or `@scope/x` is no path."""
    return manager.store == "go" and not text.startswith((".", "/"))


def _files(it: Interpreter, told: Told) -> None:
    """Options that name a file: a requirements file, a prefix."""
    for name, value in told.split.options:
        if name in told.manager.files and value is not None:
            each(it, [value], writes=name in _TARGETS)


def _update(it: Interpreter, told: Told) -> None:
    it.facts.fetches = True
    it.facts.fills.add(told.manager.store)
    it.facts.files_written.update(told.manager.home)
    _files(it, told)
    it.facts.may_cache(f"It refreshes the package index of {told.inv.program}.", layer=told.manager.layer)


def _config(it: Interpreter, told: Told) -> None:
    facts, program = it.facts, told.inv.program
    keys = [arg.text.partition("=")[0].lower() for arg in told.rest]
    if any(key.endswith(("_authtoken", ":_password", "_auth", "http-basic", "pypi-token")) for key in keys):
        facts.must_run("It sets a login, which no image may hold.", about=About.SECRET)
    if told.split.has("--local", "--location=project"):
        facts.must_run("It changes the settings of the project in the current folder.", about=About.WORKSPACE)
    facts.fills.add(told.manager.store)
    facts.files_written.update(told.manager.home)
    _files(it, told)
    sentence = f"It changes settings or caches of {program} that all projects share."
    facts.may_cache(sentence, layer=told.manager.layer)


def _query(it: Interpreter, told: Told) -> None:
    it.facts.observes = True
    it.facts.files_read.update(told.manager.home)


def _project(it: Interpreter, told: Told) -> None:
    facts, manager = it.facts, told.manager
    shown = f"{told.inv.program} {told.subcommand}".strip()
    folders = told.split.values(manager.files) if manager.store in {"node", "php", "python"} else []
    facts.reads.add(FOLDER)
    made = all(it.is_made(arg.text) for arg in folders) if folders else it.moved and it.is_made(".")
    if made:
        each(it, folders or [Arg((".",))], writes=True)
        facts.may_cache(f"It runs `{shown}` in a folder that this script made.", certain=False, layer=manager.layer)
    else:
        facts.must_run(
            f"`{shown}` works on the project in the current folder, which a build does not have.",
            about=About.WORKSPACE,
        )
        if it.moved:
            # Made here or not, it changes that folder: what uses it later comes after this line.
            places = [text for arg in folders for text in arg.texts] or ["."]
            facts.files_written.update(absolute(text, it.folder) for text in places)


def _account(it: Interpreter, told: Told) -> None:
    it.facts.must_run(f"`{told.inv.program} {told.subcommand}` uses a person's login.", about=About.SECRET)


def _service(it: Interpreter, told: Told) -> None:
    it.facts.must_run(f"`{told.inv.program}` steers services, which do not outlive a build.", about=About.SERVICE)


def _session(it: Interpreter, told: Told) -> None:
    """`nvm use`: mostly a change of PATH in this very shell."""
    facts = it.facts
    if told.subcommand in told.manager.named and not told.rest and not told.split.options:
        _project(it, told)
        return
    facts.steady = False
    facts.writes.setdefault("PATH", False)
    facts.keeps.add("PATH")
    facts.extends.add("PATH")
    facts.files_read.update(told.manager.home)


def _paths(it: Interpreter, told: Told) -> None:
    """`uv venv FOLDER`: into the image if the folder is there."""
    it.facts.fills.add(told.manager.store)
    targets = told.split.values(words("-d --dest -w --wheel-dir")) or told.rest[-1:] or [Arg((".",))]
    each(it, targets, writes=True, verb=f"Sets up with {told.inv.program}:")
    _files(it, told)


def _unknown(it: Interpreter, told: Told) -> None:
    it.facts.fills.update({told.manager.store, "system"})
    shown = f"{told.inv.program} {told.subcommand.replace(UNKNOWN, '…')}".strip()
    it.facts.must_run(f"It is not known what `{shown}` does.", certain=False)


def virtual_environment(it: Interpreter, inv: Invocation, args: list[Arg]) -> None:
    """`python -m venv FOLDER`."""
    split = split_args(args, words("--prompt -p --python"))
    it.facts.needs.update({"system", "python"})
    it.facts.fills.add("python")
    for arg in split.operands or [Arg((".",))]:
        for text in arg.texts:
            it.file(text, writes=True, verb="Makes a virtual environment in", layer=kinds.TOOLS)


def manager_of(program: str) -> Manager | None:
    """The manager of a program; `pip3.11` and the like included."""
    found = BY_PROGRAM.get(program)
    if found is None and program.startswith("pip") and re.fullmatch(r"pip[0-9.]+", program):
        return BY_PROGRAM["pip"]
    return found


_DO: Mapping[str, Callable[[Interpreter, Told], None]] = {
    kinds.INSTALL: _install,
    kinds.UPDATE: _update,
    kinds.CONFIG: _config,
    kinds.QUERY: _query,
    kinds.PROJECT: _project,
    kinds.ACCOUNT: _account,
    kinds.SERVICE: _service,
    kinds.SESSION: _session,
    kinds.PATHS: _paths,
}
