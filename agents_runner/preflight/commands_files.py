"""Commands that work on files: their paths decide the stage."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agents_runner.preflight.facts import About
from agents_runner.preflight.interpret import Handler, Interpreter
from agents_runner.preflight.invocation import Arg, Invocation, split_args
from agents_runner.preflight.places import UNKNOWN, absolute
from agents_runner.preflight.programs import ACTIVATIONS, FILE_ALIASES, FILES, Files
from agents_runner.preflight.tables import words

_REMOVERS = words("rm rmdir unlink mv")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|git@")
_MODE = re.compile(r"-[rwxXst]+\Z")
_FILE_TESTS = words("-e -f -d -s -r -w -x -L -h -p -S -b -c -g -u -k -O -G -a -N -nt -ot -ef")
_TAR_VALUED = words("-f -C -T -X --file --directory --exclude --transform --owner --group --mode --files-from -I")


def each(it: Interpreter, args: list[Arg], *, writes: bool, verb: str = "") -> None:
    """Note files, one for each text that an argument may be."""
    for arg in args:
        for text in arg.texts:
            if text and not _URL.match(text):
                it.file(text, writes=writes, verb=verb)


def by_table(it: Interpreter, inv: Invocation, files: Files) -> None:
    """A program whose treatment of its operands is in the table."""
    skip = files.skip
    args = inv.args
    if inv.program == "chmod" and any(_MODE.match(text) for text in inv.texts):
        skip = 0
    split = split_args(args, files.valued)
    if split.has(*files.unless):
        skip = 0
    operands = [arg for arg in split.operands[skip:] if arg.text != "-"]
    each(it, split.values(files.targets), writes=True)
    each(it, split.values(files.sources), writes=False)
    if inv.program in _REMOVERS:
        it.facts.files_removed.update(absolute(text, it.folder) for arg in operands for text in arg.texts)
    if files.writes == "none":
        it.facts.observes = True
        each(it, operands, writes=False)
    elif files.writes == "all" or (inv.program == "install" and split.has("-d", "--directory")):
        each(it, operands, writes=True)
    elif split.values(files.targets):
        each(it, operands, writes=files.removes)
    else:
        sources = operands[:-1]
        last = operands[-1:]
        if inv.program == "ln":
            _link(it, inv, sources, last)
            return
        each(it, sources, writes=files.removes)
        each(it, last, writes=True)


def _link(it: Interpreter, inv: Invocation, sources: list[Arg], last: list[Arg]) -> None:
    """`ln`: a symbolic link's target is only named, but a link into the workspace belongs to the workspace."""
    if not sources and last:
        it.file(last[0].text.rpartition("/")[2] or UNKNOWN, writes=True, verb="Links")
        sources = last
        last = []
    for arg in sources:
        for text in arg.texts:
            relative = not text.startswith(("/", "~", UNKNOWN))
            # A relative target counts from the link's folder, not from the current one.
            if not (relative and any(t.startswith("-") and "s" in t for t in inv.texts)):
                it.file(text, writes=False)
    each(it, last, writes=True, verb="Links")


def test(it: Interpreter, inv: Invocation) -> None:
    """`[`, `[[` and `test`: the operands of file tests are read."""
    it.facts.observes = True
    args = inv.args
    for index, arg in enumerate(args):
        if arg.text in _FILE_TESTS:
            _tested(it, args[index + 1 : index + 2])
            if arg.text in {"-nt", "-ot", "-ef"} and index:
                _tested(it, [args[index - 1]])


def _tested(it: Interpreter, args: list[Arg]) -> None:
    steady = it.facts.steady
    for arg in args:
        for text in arg.texts:
            if text and text != "]":
                it.file(text, writes=False)
                if activation(text) is not None:
                    it.facts.steady = steady


def activation(path: str) -> bool | None:
    """For a known file of shell code: True if reading it in twice does no harm; None for any other."""
    for ending, harmless in ACTIVATIONS.items():
        if path.endswith(ending) or (ending.endswith("*") and path.startswith(ending[:-1])):
            return harmless
    return None


def sed(it: Interpreter, inv: Invocation) -> None:
    """`sed` and `perl -i`: in place it changes its files, else it only reads them."""
    valued = words("-e -f -E" if inv.program == "perl" else "-e -f -l --expression --file")
    split = split_args(inv.args, valued)
    in_place = any(name.startswith(("-i", "--in-place")) or _clustered_i(name) for name, _ in split.options)
    if inv.program == "perl" and not in_place:
        it.facts.must_run("It runs a program of its own, which is not looked into.", certain=False)
    given = split.has("-e", "-f", "--expression", "--file") or any(name.endswith("e") for name, _ in split.options)
    operands = split.operands if given else split.operands[1:]
    it.facts.observes = not in_place
    each(it, operands, writes=in_place)


def _clustered_i(name: str) -> bool:
    return not name.startswith("--") and "i" in name[1:] and name[1:].isalpha()


def tar(it: Interpreter, inv: Invocation) -> None:
    """`tar`: reads or writes its archive, writes or reads the folder it is in."""
    args = inv.args
    mode = ""
    if args and not args[0].text.startswith("-"):
        # The old way: letters first, their words behind them.
        mode, rest = args[0].text, args[1:]
        args = [Arg((f"-{mode}",)), *rest]
    split = split_args(args, _TAR_VALUED)
    letters = mode + "".join(name.lstrip("-") for name, _ in split.options if not name.startswith("--"))
    names = {name for name, _ in split.options}
    archives = [arg for arg in split.values(words("-f --file")) if arg.text != "-"]
    folders = split.values(words("-C --directory"))
    extracts = "x" in letters or bool(names & {"--extract", "--get"})
    creates = "c" in letters or "--create" in names
    each(it, archives, writes=creates, verb="Packs")
    if extracts:
        each(it, folders or [Arg((".",))], writes=True, verb="Unpacks to")
    elif creates:
        each(it, split.operands, writes=False)
    else:
        it.facts.observes = True


def unzip(it: Interpreter, inv: Invocation) -> None:
    """`unzip`: into `-d FOLDER`, else into the current one."""
    split = split_args(inv.args, FILES["unzip"].valued)
    each(it, split.operands[:1], writes=False)
    if split.has("-l", "-t", "-v", "-Z"):
        it.facts.observes = True
    else:
        each(it, split.values(words("-d")) or [Arg((".",))], writes=True, verb="Unpacks to")


def find(it: Interpreter, inv: Invocation) -> None:
    """`find`: the folders before its first test, and what it does to what it finds."""
    folders: list[Arg] = []
    for arg in inv.args:
        if arg.text.startswith(("-", "(", "!", "\\")):
            break
        folders.append(arg)
    texts = inv.texts
    changes = "-delete" in texts
    for flag in ("-exec", "-execdir", "-ok", "-okdir"):
        if flag in texts:
            command = texts[texts.index(flag) + 1 : texts.index(flag) + 2]
            if command and FILE_ALIASES.get(command[0], command[0]) in FILES:
                changes = changes or FILES[FILE_ALIASES.get(command[0], command[0])].writes != "none"
            else:
                it.facts.must_run("What it does to the files that it finds is not known.", certain=False)
    it.facts.observes = not changes
    each(it, folders or [Arg((".",))], writes=changes)


def dd(it: Interpreter, inv: Invocation) -> None:
    """`dd`: `if=` is read, `of=` is written."""
    for text in inv.texts:
        if text.startswith(("if=", "of=")):
            it.file(text[3:], writes=text.startswith("of="))


def gpg(it: Interpreter, inv: Invocation) -> None:
    """`gpg`: keys for package sources belong to the image, a person's keys do not."""
    split = split_args(inv.args, words("-o --output --keyring --keyserver --homedir --recv-keys --export -r -u"))
    each(it, split.values(words("-o --output --keyring")), writes=True, verb="Writes")
    if split.has(
        "--gen-key", "--full-generate-key", "--quick-generate-key", "--generate-key", "--sign", "-s", "--decrypt"
    ):
        it.facts.must_run("It uses or makes a person's keys.", about=About.SECRET)
    elif split.has("--recv-keys", "--recv-key", "--import", "--receive-keys"):
        each(it, split.operands if split.has("--import") else [], writes=False)
        it.facts.fetches = True
        it.facts.may_cache("It adds keys to a key ring, which is part of the image.", layer="system packages")
    else:
        each(it, split.operands, writes=False)


def openssl(it: Interpreter, inv: Invocation) -> None:
    """`openssl`: new keys and random bytes differ from one run to the next."""
    command = inv.texts[0] if inv.args else ""
    if command in {"rand", "genrsa", "genpkey", "req", "dhparam", "ecparam", "gendsa", "passwd"}:
        it.facts.must_run(
            "It makes random values, which would be the same in every task if they were baked.", about=About.CHANGING
        )
        return
    split = split_args(inv.args[1:], words("-in -out -CAfile -inform -outform -connect -servername -days"))
    if command == "s_client":
        it.facts.must_run("It talks to a server, whose answer may differ.", certain=False)
    each(it, split.values(words("-in -CAfile")), writes=False)
    each(it, split.values(words("-out")), writes=True)


def plain_output(it: Interpreter, inv: Invocation) -> None:
    """`patch`, `cpio` and their like: on what is in the current folder, as far as arguments do not say more."""
    split = split_args(inv.args, words("-d --directory -i --input -p -D"))
    folders = split.values(words("-d --directory -D"))
    each(it, split.values(words("-i --input")), writes=False)
    each(it, folders or split.operands[:1] or [Arg((".",))], writes=True)


def _table_handler(name: str) -> Callable[[Interpreter, Invocation], None]:
    files = FILES[name]
    return lambda it, inv: by_table(it, inv, files)


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **{name: _table_handler(name) for name in FILES},
        **{alias: _table_handler(name) for alias, name in FILE_ALIASES.items()},
        "[": test,
        "[[": test,
        "test": test,
        "sed": sed,
        "gsed": sed,
        "perl": sed,
        "tar": tar,
        "bsdtar": tar,
        "gtar": tar,
        "unzip": unzip,
        "find": find,
        "dd": dd,
        "gpg": gpg,
        "gpg2": gpg,
        "openssl": openssl,
        "patch": plain_output,
        "cpio": plain_output,
        "7z": plain_output,
    }
)
