"""Which handler knows a command; what no handler knows is unsure, and unsure means run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from agents_runner.preflight import (
    commands_files,
    commands_net,
    commands_packages,
    commands_shell,
    programs,
)
from agents_runner.preflight.actions import Call, Sub
from agents_runner.preflight.commands_files import each
from agents_runner.preflight.facts import FOLDER, About
from agents_runner.preflight.interpret import Handler, Interpreter
from agents_runner.preflight.invocation import Invocation, read_call, split_args
from agents_runner.preflight.manager import TOOLCHAINS, TOOLS
from agents_runner.preflight.places import UNKNOWN
from agents_runner.preflight.tables import words

_VERSION = words("--version -V -v version --help -h -version --info")
_STANDARD_FOLDERS = words("/bin /usr/bin /usr/local/bin /sbin /usr/sbin /usr/local/sbin")
_MAKES = words("make gmake cmake ninja meson scons waf dune qmake rake just task b2")
_FETCHERS = words("curl wget wget2 aria2c")
_INTERPRETER = re.compile(r"(?:python|pypy|ruby|lua|php|perl|node)[0-9.]*\Z")
_INSTALLER_NAME = re.compile(r"(?:install|setup|bootstrap|configure|autogen|get|init|rustup-init)(?:[-_.].*)?\Z")

_SENTENCES: tuple[tuple[frozenset[str], str, bool, About], ...] = (
    (programs.SERVERS, "`{}` starts or steers a service, which does not outlive a build.", True, About.SERVICE),
    (programs.CLIENTS, "`{}` talks to something that only runs at task start.", True, About.SERVICE),
    (programs.KERNEL, "`{}` changes what lives in memory only, which no image keeps.", True, About.SERVICE),
    (programs.VOLATILE, "`{}` gives another answer every time.", True, About.CHANGING),
    (programs.INTERACTIVE, "`{}` waits for a person.", False, About.INTERACTIVE),
    (programs.ACCOUNTS, "`{}` uses a person's login.", False, About.SECRET),
)


def handle(it: Interpreter, inv: Invocation) -> None:
    """One command."""
    facts = it.facts
    name = inv.program
    if "exec" in inv.wrapped and not inv.call.context.isolated:
        facts.must_run("It replaces the script by another program.", about=About.ENDING)
        facts.ends = "any"
    if name in {"nohup", "setsid"}:
        facts.must_run("It starts something in the background, which a build would not keep.", about=About.SERVICE)
        return
    if not name:
        return
    if name == UNKNOWN:
        facts.must_run("Which command it runs is not known before it runs.", certain=False)
        _anything(it)
    elif inv.plain and "/" not in inv.path and name in it.scope.functions:
        it.function(name, inv.args, inv.call)
    else:
        _command(it, inv)


def _command(it: Interpreter, inv: Invocation) -> None:
    name = inv.program
    by_path = "/" in inv.path and inv.path.rpartition("/")[0] not in _STANDARD_FOLDERS
    manager = commands_packages.manager_of(name)
    if by_path and manager is None and name not in programs.SHELLS:
        script(it, inv.path)
        return
    if by_path:
        it.file(inv.path, writes=False)
    handler = _HANDLERS.get(name)
    if inv.args and all(text in _VERSION for text in inv.texts) and (handler is None or name in programs.SHELLS):
        if name not in programs.QUIET:
            _looks(it)
    elif handler is not None:
        handler(it, inv)
    elif name in programs.QUIET:
        it.facts.observes = name not in {"echo", "printf"}
    elif manager is not None:
        commands_packages.packages(it, inv, manager)
        if it.facts.run is not None and name in programs.ACCOUNTS:
            it.facts.fills.discard("system")
    elif name in programs.SYSTEM_CONFIG:
        _system(it, inv)
    elif _INTERPRETER.match(name) or name in programs.INTERPRETERS:
        interpreter(it, inv)
    else:
        _by_name(it, inv)


def _looks(it: Interpreter) -> None:
    """`node --version`: only prints, but needs what it prints about."""
    it.facts.observes = True
    it.facts.needs.add("system")
    it.facts.reads.add("PATH")


def _by_name(it: Interpreter, inv: Invocation) -> None:
    """Programs that are known to belong to a task, and those that are not known at all."""
    facts, name = it.facts, inv.program
    if name in programs.BUILDS:
        build(it, inv)
        return
    for names, sentence, certain, about in _SENTENCES:
        if name in names:
            facts.must_run(sentence.format(name), certain=certain, about=about)
            return
    facts.must_run(f"It is not known what {name} does.", certain=False)
    each(it, [arg for arg in inv.args if arg.text.startswith(("/", "~", "./", "../"))], writes=True)
    _anything(it)


def _anything(it: Interpreter) -> None:
    """A program that may install, read and change whatever it likes."""
    it.facts.environment = True
    it.facts.needs.add("system")
    it.facts.fills.add("system")
    it.facts.reads.add("PATH")
    it.works_here()


def _system(it: Interpreter, inv: Invocation) -> None:
    """Programs that change the system's own configuration."""
    what = programs.SYSTEM_CONFIG[inv.program]
    it.facts.needs.add("system")
    it.facts.fills.add(f"system {what}")
    it.facts.needs.add(f"system {what}")
    if what == "packages":
        it.facts.fills.add("system")
        it.facts.fetches = True
    each(it, [arg for arg in inv.args if arg.text.startswith(("/", "~", "./", "../"))], writes=True)
    layer = "system packages" if what == "packages" else "configuration"
    it.facts.may_cache(f"{inv.program} changes the system itself, the same for every task.", layer=layer)


def script(it: Interpreter, path: str) -> None:
    """A program that is called by its path: an earlier line's installer, or something of the workspace."""
    it.file(path, writes=False)
    _anything(it)
    name = path.rpartition("/")[2]
    if it.is_made(path) and (_INSTALLER_NAME.match(name) or path.endswith((".sh", ".run", ".bash"))):
        it.facts.may_cache(f"It runs {path}, which an earlier line put there.", certain=False, layer=TOOLCHAINS)
    else:
        it.facts.must_run(f"It is not known what {path.replace(UNKNOWN, '…')} does.", certain=False)


def build(it: Interpreter, inv: Invocation) -> None:
    """`make` and its like: on a source tree that an earlier line fetched, or on the workspace."""
    facts = it.facts
    facts.environment = True
    facts.needs.add("system")
    facts.reads.add("PATH")
    targets = {"install", "--install"} & set(inv.texts) or any(text.endswith("-install") for text in inv.texts)
    installs = inv.program == "makepkg" or (inv.program in _MAKES and targets)
    if installs:
        facts.fills.add("system")
    folders = split_args(inv.args, words("-C -B -S --directory --build -f -j -G")).values(
        words("-C --directory --build -S")
    )
    each(it, folders, writes=True)
    if not folders:
        facts.reads.add(FOLDER)
    made = all(it.is_made(arg.text) for arg in folders) if folders else it.moved and it.is_made(".")
    if made:
        if not folders:
            it.file(".", writes=True)
        facts.may_cache(f"It runs {inv.program} in a folder that this script made.", certain=False, layer=TOOLS)
    else:
        facts.must_run(
            f"{inv.program} works on the project in the current folder, which a build does not have.",
            about=About.WORKSPACE,
        )


def interpreter(it: Interpreter, inv: Invocation) -> None:
    """`python -m pip` and `python -m venv` are known; other programs are not looked into."""
    facts = it.facts
    texts = inv.texts
    facts.needs.add("system")
    facts.environment = True
    facts.reads.add("PATH")
    if "-m" in texts and texts.index("-m") + 1 < len(texts):
        at = texts.index("-m") + 1
        module, rest = texts[at], inv.args[at + 1 :]
        manager = commands_packages.manager_of(module)
        if manager is not None:
            inner = Invocation(module, module, rest, inv.call, inv.wrapped)
            commands_packages.packages(it, inner, manager)
            return
        if module in {"venv", "virtualenv"}:
            commands_packages.virtual_environment(it, inv, rest)
            return
        if module == "ensurepip":
            facts.fills.add("python")
            facts.may_cache("It installs pip.", layer=TOOLS)
            return
        if module in {"site", "sysconfig", "platform"}:
            facts.observes = True
            return
    operands = split_args(inv.args, words("-c -e -m -W -X -r -I")).operands
    if operands and not {"-c", "-e", "-m", "-p", "-r"} & set(texts):
        _script_file(it, inv, operands[0].text)
        return
    facts.fills.add("system")
    facts.must_run(f"It runs a {inv.program} program, which is not looked into.", certain=False)


def _script_file(it: Interpreter, inv: Invocation, path: str) -> None:
    it.file(path, writes=False)
    _anything(it)
    if it.is_made(path):
        it.facts.may_cache(f"It runs {path}, which an earlier line put there.", certain=False, layer=TOOLCHAINS)
    else:
        it.facts.must_run(f"It is not known what {path.replace(UNKNOWN, '…')} does.", certain=False)


def shell(it: Interpreter, inv: Invocation) -> None:
    """`bash`, `sh`: with a text, a file, or what comes down a pipe."""
    facts = it.facts
    split = split_args(inv.args, words("-O -o --rcfile --init-file"), stop=True)
    # `bash -` reads from the pipe.
    split.operands = [arg for arg in split.operands if arg.text != "-"]
    clusters = [name for name, _ in split.options if name.startswith("-") and not name.startswith("--")]
    text_given = any("c" in name for name in clusters)
    facts.reads.add("PATH")
    if text_given and split.operands:
        _shell_text(it, split.operands[0].text, split.operands[0].word.parts if split.operands[0].word else ())
    elif inv.call.feeder is not None and (not split.operands or any("s" in name for name in clusters)):
        _piped(it, inv.call)
    elif split.operands:
        word = split.operands[0].word
        sub = word.parts[0] if word is not None and len(word.parts) == 1 else None
        if isinstance(sub, Sub) and sub.process and _fetched(it, sub.body):
            installer(it)
        else:
            _script_file(it, inv, split.operands[0].text)
    elif inv.call.document is not None:
        it.nested(inv.call.document, sure=False)
    else:
        facts.must_run("It opens a shell, and what that runs is not known.", certain=False)
        _anything(it)


def _shell_text(it: Interpreter, text: str, parts: tuple[object, ...]) -> None:
    sub = parts[0] if len(parts) == 1 else None
    if isinstance(sub, Sub) and _fetched(it, sub.body):
        installer(it)
    elif text.startswith(UNKNOWN):
        it.facts.must_run("It runs a text as a script that is not known before it runs.", certain=False)
        _anything(it)
    else:
        it.nested(text)


def _piped(it: Interpreter, call: Call) -> None:
    """`curl URL | sh`; anything else that is piped into a shell is not known."""
    feeder: Call | None = call.feeder
    while feeder is not None:
        if _fetched(it, (feeder,)):
            installer(it)
            return
        if feeder.document is not None and not feeder.words[1:]:
            it.nested(feeder.document, sure=False)
            return
        feeder = feeder.feeder
    it.facts.must_run("It runs what comes down a pipe, which is not known before it runs.", certain=False)
    _anything(it)


def _fetched(it: Interpreter, actions: tuple[object, ...]) -> bool:
    """True if the actions are a download to standard output."""
    call = actions[-1] if actions else None
    if not isinstance(call, Call):
        return False
    inv = read_call(call, it.scope)
    return inv is not None and inv.program in _FETCHERS


def installer(it: Interpreter) -> None:
    """A downloaded installer."""
    facts = it.facts
    facts.environment = True
    facts.fetches = True
    facts.needs.add("system")
    facts.fills.add("system")
    facts.reads.add("PATH")
    facts.may_cache("It runs an installer that it downloads.", layer=TOOLCHAINS)


def systemctl(it: Interpreter, inv: Invocation) -> None:
    """`systemctl enable` only makes links; everything else speaks to a running system."""
    split = split_args(inv.args)
    command = split.operands[0].text if split.operands else ""
    if command in words("enable disable mask unmask preset set-default link revert") and not split.has("--now"):
        it.facts.needs.add("system")
        it.facts.fills.add("system configuration")
        it.facts.may_cache("It says which services start with the system.", certain=False, layer="configuration")
    else:
        it.facts.must_run("It starts or steers a service, which does not outlive a build.", about=About.SERVICE)


def switch_user(it: Interpreter, inv: Invocation) -> None:
    """`su USER -c TEXT`, `runuser`."""
    split = split_args(inv.args, words("-c --command -s --shell -g -G -u --user"))
    texts = split.values(words("-c --command"))
    if texts and not texts[0].text.startswith(UNKNOWN):
        it.nested(texts[0].text)
    elif inv.call.document is not None:
        it.nested(inv.call.document, sure=False)
    else:
        it.facts.must_run("It becomes another user, and what that does is not known.", certain=False)
        _anything(it)


_HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **commands_files.HANDLERS,
        **commands_net.HANDLERS,
        **commands_shell.HANDLERS,
        **dict.fromkeys(programs.SHELLS, shell),
        "systemctl": systemctl,
        "su": switch_user,
        "runuser": switch_user,
        "virtualenv": lambda it, inv: commands_packages.virtual_environment(it, inv, inv.args),
    }
)
