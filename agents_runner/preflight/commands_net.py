"""Commands that fetch: downloads and clones belong to the image if their target does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from agents_runner.preflight.commands_files import each
from agents_runner.preflight.facts import FOLDER, About
from agents_runner.preflight.interpret import Handler, Interpreter
from agents_runner.preflight.invocation import Arg, Invocation, Split, split_args
from agents_runner.preflight.places import UNKNOWN
from agents_runner.preflight.tables import words

_LOCAL = re.compile(
    r"(?:[a-z]+://)?(?:[^/@]*@)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|host\.docker\.internal)(?:[:/]|\Z)"
)
_LOGIN = re.compile(r"[a-z]+://[^/@\s]*:[^/@\s]+@")
_CURL_VALUED = words(
    "-o -H -d -X -u -A -e -b -c -T -F -x -m -w -K -E -r -C -y -Y -z --output --header --data --request --user "
    "--user-agent --referer --cookie --cookie-jar --upload-file --form --proxy --max-time --write-out --config "
    "--cert --range --continue-at --retry-delay --retry-max-time --connect-timeout --data-raw --data-binary --url "
    "--retry --output-dir --cacert --capath --key --resolve --json --data-urlencode --ciphers --tls-max --limit-rate"
)
_CURL_SENDS = words("-d -F -T --data --form --upload-file --data-raw --data-binary --json --data-urlencode")
_WGET_VALUED = words(
    "-O -P -o -a -t -T -U -e -i -w -Q --output-document --directory-prefix --output-file --tries --timeout --header "
    "--user-agent --user --password --post-data --post-file --ca-certificate --input-file --method --body-data"
)
_WGET_SENDS = words("--post-data --post-file --method --body-data")
_IDENTITY = re.compile(
    r"user\.|author\.|committer\.|credential|github\.|gpg\.|commit\.gpgsign|tag\.gpgsign|http\..*extraheader|sendemail\.|"
    r"url\..*insteadof|core\.sshcommand|include",
    re.IGNORECASE,
)
_GIT_VALUED = words("-C -c --git-dir --work-tree --namespace")
_CLONE_VALUED = words(
    "-b --branch --depth -o --origin -c --config --reference --separate-git-dir -j --jobs --filter --template -u"
)
_PINNED = words(
    "checkout switch reset submodule apply am lfs sparse-checkout worktree remote tag branch config gc clean restore"
)
_REFRESH = words("pull fetch merge rebase")
_LOOKS = words(
    "status log show diff rev-parse describe ls-files ls-tree cat-file blame shortlog grep ls-remote version help var"
)


def _fetches(it: Interpreter, urls: list[Arg]) -> None:
    facts = it.facts
    facts.needs.add("system")
    facts.fetches = True
    for arg in urls:
        for text in arg.texts:
            if _LOCAL.match(text):
                facts.must_run(
                    "It talks to a service on this machine, which only runs at task start.", about=About.SERVICE
                )
            if _LOGIN.match(text):
                facts.must_run("It holds a login, which no image may hold.", about=About.SECRET)


def _result(it: Interpreter, inv: Invocation) -> None:
    """A download that goes to standard output: into a pipe, a file, a variable or only onto the screen."""
    redirected = any(redirect.writes for redirect in inv.call.redirects)
    if not inv.call.feeds and not redirected and not inv.call.context.isolated:
        it.facts.must_run("It asks a server, whose answer may differ from one run to the next.", certain=False)


def curl(it: Interpreter, inv: Invocation) -> None:
    """`curl`."""
    split = split_args(inv.args, _CURL_VALUED)
    _fetches(it, split.operands + split.values(words("--url")))
    methods = {arg.text for arg in split.values(words("-X --request"))}
    if split.has(*_CURL_SENDS) or not methods <= {"GET", "HEAD"}:
        it.facts.must_run("It sends data to a server.", certain=False)
    if split.has("-u", "--user", "-n", "--netrc", "-K", "--config", "--cert", "-E"):
        it.facts.must_run("It logs in to a server.", about=About.SECRET)
    folders = split.values(words("--output-dir"))
    outputs = [arg for arg in split.values(words("-o --output")) if arg.text != "-"]
    clusters = "".join(name for name, _ in split.options if not name.startswith("--"))
    remote_name = "O" in clusters or split.has("--remote-name", "--remote-name-all", "-J")
    if folders:
        each(it, folders, writes=True, verb="Downloads to")
    elif outputs:
        each(it, outputs, writes=True, verb="Downloads to")
    elif remote_name:
        each(it, _remote_names(split), writes=True, verb="Downloads")
    else:
        _result(it, inv)


def _remote_names(split: Split) -> list[Arg]:
    """The names under which `curl -O` and `wget` save, in the current folder."""
    names = []
    for arg in split.operands:
        name = arg.text.partition("?")[0].rstrip("/").rpartition("/")[2]
        names.append(Arg(("./" + name if name and UNKNOWN not in name else ".",)))
    return names or [Arg((".",))]


def wget(it: Interpreter, inv: Invocation) -> None:
    """`wget`."""
    split = split_args(inv.args, _WGET_VALUED)
    _fetches(it, split.operands)
    if split.has(*_WGET_SENDS):
        it.facts.must_run("It sends data to a server.", certain=False)
    if split.has("--user", "--password", "--http-password"):
        it.facts.must_run("It logs in to a server.", about=About.SECRET)
    if split.has("--spider"):
        it.facts.must_run("It asks whether a server answers.", certain=False)
        return
    outputs = split.values(words("-O --output-document"))
    # -qO- and its like: the dash is part of the cluster.
    piped = any(name.endswith(("O-", "O -")) for name, _ in split.options) or any(arg.text == "-" for arg in outputs)
    folders = split.values(words("-P --directory-prefix"))
    if piped:
        _result(it, inv)
    elif outputs:
        each(it, outputs, writes=True, verb="Downloads to")
    elif folders:
        each(it, folders, writes=True, verb="Downloads to")
    else:
        each(it, _remote_names(split), writes=True, verb="Downloads")


def git(it: Interpreter, inv: Invocation) -> None:
    """`git`."""
    split = split_args(inv.args, _GIT_VALUED, stop=True)
    it.facts.needs.add("system")
    command = split.operands[0].text if split.operands else ""
    rest = split.operands[1:]
    folders = split.values(words("-C --work-tree --git-dir"))
    if command == "clone":
        _clone(it, rest, folders)
    elif command == "config":
        _config(it, rest, folders)
    elif command in {"", "version", "help"} or split.has("--version"):
        it.facts.observes = True
    elif command == "ls-remote":
        _fetches(it, rest)
        _result(it, inv)
    elif command == "lfs" and rest and rest[0].text == "install" and not any(a.text == "--local" for a in rest):
        it.file("~/.gitconfig", writes=True, verb="Sets up git-lfs in")
    else:
        _in_repository(it, command, folders)


def _clone(it: Interpreter, args: list[Arg], folders: list[Arg]) -> None:
    split = split_args(args, _CLONE_VALUED)
    urls = split.operands[:1]
    _fetches(it, urls)
    for arg in urls:
        for text in arg.texts:
            if text.startswith(("/", "./", "../", "~")):
                it.file(text, writes=False)
            if text.startswith(("git@", "ssh://")):
                it.facts.must_run(
                    "It clones with a person's SSH key, which no image may hold.", certain=False, about=About.SECRET
                )
    targets = split.operands[1:2]
    if not targets:
        name = urls[0].text.rstrip("/").rpartition("/")[2].removesuffix(".git") if urls else ""
        targets = [Arg((name if name and UNKNOWN not in name else ".",))]
    if folders:
        targets = [Arg((f"{folders[0].text}/{targets[0].text}",))]
    each(it, targets, writes=True, verb="Clones a repository to")


def _config(it: Interpreter, args: list[Arg], folders: list[Arg]) -> None:
    split = split_args(args, words("-f --file --type --default --comment --value"))
    operands = [arg for arg in split.operands if arg.text not in {"set", "unset", "get", "list"}]
    key = operands[0].text if operands else ""
    wide = split.has("--global", "--system")
    looks = split.has("--get", "--get-all", "--list", "-l", "--get-regexp") or (
        len(operands) == 1 and not split.has("--unset", "--unset-all", "--remove-section", "--add")
    )
    if _IDENTITY.match(key) and not looks:
        it.facts.must_run("It sets the identity or the login that git uses.", about=About.SECRET)
    path = "/etc/gitconfig" if split.has("--system") else "~/.gitconfig"
    if wide and looks:
        it.facts.observes = True
        it.file(path, writes=False)
    elif wide:
        it.file(path, writes=True, verb="Changes git's settings in")
    elif split.values(words("-f --file")):
        each(it, split.values(words("-f --file")), writes=not looks)
    else:
        _in_repository(it, "status" if looks else "config", folders)


def _in_repository(it: Interpreter, command: str, folders: list[Arg]) -> None:
    """A command on a repository that is there already: cloned by this script, or the workspace."""
    folder = folders[0].text if folders else "."
    if not folders and not it.moved:
        it.facts.reads.add(FOLDER)
        it.facts.must_run(
            "It works on the repository in the current folder, which may be the workspace.", about=About.WORKSPACE
        )
        return
    it.file(folder, writes=command not in _LOOKS, verb="Works on the repository in")
    it.facts.observes = command in _LOOKS
    if command in _REFRESH:
        it.facts.must_run(
            "It fetches what is new, which differs from one run to the next.", certain=False, about=About.CHANGING
        )
    elif command not in _PINNED | _LOOKS:
        it.facts.must_run(f"It is not known what git {command} changes here.", certain=False)
    elif not it.is_made(folder):
        it.facts.must_run("It works on a repository that this script did not clone.", certain=False)


HANDLERS: Mapping[str, Handler] = MappingProxyType({"curl": curl, "wget": wget, "wget2": wget, "git": git})
