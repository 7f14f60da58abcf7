"""A Dockerfile as an environment: its last stage's RUNs become steps, the build context becomes the workspace."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from agents_runner.core.errors import InvalidInput
from agents_runner.core.scripts import interpreter_of
from agents_runner.core.variables import check_variable
from agents_runner.importers import toolchains
from agents_runner.importers.collect import Collector, short
from agents_runner.importers.instructions import Instruction, parse_instructions
from agents_runner.importers.model import Block
from agents_runner.importers.project import joined
from agents_runner.importers.words import Part, expand, parse_word, split_words, to_shell

_SYSTEM = frozenset(
    [
        "/",
        "/bin",
        "/sbin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/usr/bin",
        "/usr/sbin",
        "/usr/lib",
        "/usr/share",
        "/usr/src",
        "/usr/local",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/usr/local/lib",
        "/usr/local/share",
        "/var",
        "/var/lib",
        "/var/tmp",
    ]
)
# A value that comes behind a RUN must not be seen by that RUN, if it changes what installers do.
_SHAPES_INSTALLS = re.compile(
    r"(?:NODE_ENV|RAILS_ENV|RACK_ENV|APP_ENV|HOME|USER|LD_.*|BUNDLE_.*|NPM_CONFIG_.*|PIP_.*|UV_.*|CARGO_.*|GO[A-Z]+|"
    r"PYTHON[A-Z]+|CC|CXX|CFLAGS|LDFLAGS|.*_PROXY)\Z",
    re.I,
)
_AUTO_ARGS = {
    "TARGETOS": "linux",
    "BUILDOS": "linux",
    "TARGETARCH": "$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')",
    "BUILDARCH": "$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')",
    "TARGETPLATFORM": "linux/$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')",
    "BUILDPLATFORM": "linux/$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')",
    "TARGETVARIANT": "",
}
_ECHO = re.compile(r"\becho\b[^|;&\n]*\\[abcefnrtv0\\]")
_URL = re.compile(r"https?://\S+\Z")
_GIT = re.compile(r"(?:https?://\S+\.git|git@\S+|git://\S+)(?:#\S*)?\Z")
_ARCHIVE = re.compile(r"\.(?:tar|tar\.(?:gz|xz|bz2|zst)|tgz|txz|tbz2?)\Z")
_NOT_A_START = "A task starts the agent in place of the image's program."


@dataclass(kw_only=True)
class _Stage:
    image: str
    name: str
    line: int
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(kw_only=True)
class _State:
    """Where the replay of the instructions stands."""

    c: Collector
    context: str
    escape: str
    overrides: Mapping[str, str]
    globals: dict[str, str]
    repeated: frozenset[str]
    """Names that ENV sets more than once."""
    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    auto: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    places: dict[str, str] = field(default_factory=dict)
    """Folder of the image that holds the project's files, to the folder of the project."""
    made: set[str] = field(default_factory=set)
    shell: tuple[str, ...] | None = None
    """None for one that cannot be used."""
    default_shell: bool = True
    ran: bool = False
    fed: bool = False
    """True once files of the project came in: until then every step is the same for each task."""
    links: dict[str, int] = field(default_factory=dict)
    """Folder of `places` to the number of blocks that stood before it."""

    def known(self) -> dict[str, str]:
        return {**self.args, **self.env}

    def text(self, word: str) -> str:
        """A word's value; what is not known counts as empty, as Docker has it."""
        return expand(parse_word(word, self.escape), self.known(), set())

    def path(self, word: str) -> str:
        return posixpath.normpath(posixpath.join(self.workdir, self.text(word)))


def add_dockerfile(
    c: Collector, relative: str, *, context: str, args: Mapping[str, str] | None = None, target: str = ""
) -> None:
    """Take a Dockerfile of the project over. `context`: the build context's folder; `args`: build arguments."""
    instructions, escape = parse_instructions(c.read(relative), relative)
    stages, before = _stages(instructions, relative)
    chosen = _chosen(stages, target, c)
    overrides = dict(args or {})
    global_args = _global_args(before, overrides, escape)
    chain = _chain(stages, chosen, global_args, escape)
    _base_image(c, chain[0], global_args, escape)
    others = [stage for stage in stages[: chosen + 1] if stage not in chain]
    if others:
        c.missing(
            f"{len(others)} other build stage{'s' if len(others) > 1 else ''} "
            f"({', '.join(short(stage.name or stage.image) for stage in others)})",
            "Only the stage that the image is made of is carried over; files that others build are not there.",
            "Write what is needed from them into the cached preflight.",
        )
    names = [
        name
        for stage in chain
        for one in stage.instructions
        if one.word == "ENV"
        for name, _ in _pairs(one.rest, escape)
    ]
    state = _State(
        c=c,
        context=context,
        escape=escape,
        overrides=overrides,
        globals=global_args,
        repeated=frozenset(name for name, count in Counter(names).items() if count > 1),
        shell=("/bin/sh", "-c"),
    )
    first = len(c.setup)
    for stage in chain:
        state.args, state.auto = {}, {}
        for one in stage.instructions:
            _HANDLERS[one.word](state, one)
    _link_places(state, c.setup[first:])


# -- stages -----------------------------------------------------------------------------------------


def _stages(instructions: tuple[Instruction, ...], name: str) -> tuple[list[_Stage], list[Instruction]]:
    stages: list[_Stage] = []
    before: list[Instruction] = []
    for one in instructions:
        if one.word == "FROM":
            words = one.rest.split()
            named = len(words) >= 3 and words[1].upper() == "AS"
            stages.append(_Stage(image=words[0] if words else "", name=words[2] if named else "", line=one.line))
            stages[-1].instructions.extend(
                Instruction(word="FROM", rest=f"--{flag}={value}", line=one.line) for flag, value in one.flags
            )
        elif stages:
            stages[-1].instructions.append(one)
        elif one.word == "ARG":
            before.append(one)
        else:
            raise InvalidInput(
                f"{name} has {one.word} before its FROM (line {one.line}).", "Correct it there, then import it again."
            )
    if not stages:
        raise InvalidInput(f"{name} has no FROM.", "Choose a Dockerfile.")
    return stages, before


def _chosen(stages: list[_Stage], target: str, c: Collector) -> int:
    if not target:
        return len(stages) - 1
    for number, stage in enumerate(stages):
        if stage.name.lower() == target.lower():
            return number
    c.missing(f"build target {target}", "The Dockerfile has no stage of that name; its last one is used.")
    return len(stages) - 1


def _global_args(before: list[Instruction], overrides: Mapping[str, str], escape: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in before:
        for name, default in _arg_pairs(one.rest, escape):
            if name in overrides:
                found[name] = overrides[name]
            elif default is not None:
                found[name] = expand(parse_word(default, escape), found, set())
    return found


def _chain(stages: list[_Stage], chosen: int, known: Mapping[str, str], escape: str) -> list[_Stage]:
    """The stage and those that it is built on, lowest first."""
    chain = [stages[chosen]]
    number = chosen
    while True:
        image = expand(parse_word(chain[0].image, escape), known, set()).lower()
        below = next((n for n in range(number - 1, -1, -1) if stages[n].name and stages[n].name.lower() == image), -1)
        if below < 0:
            return chain
        chain.insert(0, stages[below])
        number = below


def _base_image(c: Collector, stage: _Stage, known: Mapping[str, str], escape: str) -> None:
    unknown: set[str] = set()
    image = expand(parse_word(stage.image, escape), known, unknown).strip()
    if unknown or not image:
        c.missing(
            f"FROM {stage.image}",
            f"The value of {', '.join(sorted(unknown)) or 'the image'} is not known here.",
            "Choose the base image yourself.",
        )
    elif image == "scratch":
        c.missing("FROM scratch", "An empty image has no shell for the scripts.", "Choose a base image.")
    else:
        c.base_image = image


# -- one handler an instruction ---------------------------------------------------------------------


def _from(state: _State, one: Instruction) -> None:
    state.c.missing(f"FROM {one.rest}", "Images are taken for the engine's own platform.", "")


def _arg(state: _State, one: Instruction) -> None:
    for name, default in _arg_pairs(one.rest, state.escape):
        if name in state.overrides:
            state.args[name] = state.overrides[name]
        elif default is not None:
            state.args[name] = state.text(default)
        elif name in state.globals:
            state.args[name] = state.globals[name]
        elif name in _AUTO_ARGS:
            state.auto[name] = _AUTO_ARGS[name]
        else:
            state.c.missing(
                f"ARG {name} (line {one.line})",
                "It has no value of its own; the steps see it empty.",
                "Set it as a variable of the environment if they need it.",
            )


def _env(state: _State, one: Instruction) -> None:
    for name, raw in _pairs(one.rest, state.escape):
        try:
            check_variable(name, "")
        except InvalidInput as error:
            state.c.missing(f"ENV {name} (line {one.line})", error.message, error.hint)
            continue
        parts = parse_word(raw, state.escape)
        unknown: set[str] = set()
        value = expand(parts, state.known(), unknown)
        late = state.ran and bool(_SHAPES_INSTALLS.match(name))
        if unknown or late or name in state.repeated:
            _export(state, one, name, parts, late=late)
            if unknown:
                state.env.pop(name, None)
            else:
                state.env[name] = value
        else:
            state.env[name] = value
            state.c.variable(name, value)


def _export(state: _State, one: Instruction, name: str, parts: list[Part], *, late: bool) -> None:
    line = f"export {name}={to_shell(parts, state.known())}\n"
    state.c.setup.append(Block(name=f"ENV {name} (line {one.line})", text=line, lasting=True, baked=not state.fed))
    if late:
        state.c.note(f"ENV {name} stands behind a RUN, so the cached preflight sets it at that place.")
    else:
        state.c.note(f"ENV {name} builds on a value of the image, so the cached preflight sets it.")


def _workdir(state: _State, one: Instruction) -> None:
    state.workdir = state.path(one.rest)


def _user(state: _State, one: Instruction) -> None:
    user = state.text(one.rest).split(":", 1)[0]
    if user not in {"root", "0"}:
        state.c.missing(
            f"USER {user} (line {one.line})",
            "The scripts run as the base image's own user, the agent as you.",
            "What a later step puts into the home folder is handed over to you; a fixed /home path must be changed.",
        )


def _shell(state: _State, one: Instruction) -> None:
    words = one.array or []
    program = words[0].rsplit("/", 1)[-1] if words else ""
    state.default_shell = False
    state.shell = tuple(words) if program in {"sh", "bash", "dash", "ash"} else None
    if state.shell is None:
        state.c.missing(f"SHELL {one.rest} (line {one.line})", "Scripts are run by bash.", "")


def _run(state: _State, one: Instruction) -> None:
    state.ran = True
    where = f"RUN (line {one.line})"
    reason = _mounts(state, one)
    if reason:
        state.c.missing(f"{where}: {one.rest}", reason, "Write it into the run preflight, with what it needs.")
        return
    if state.shell is None and one.array is None:
        state.c.missing(f"{where}: {one.rest}", "It is written for another shell.", "Write it anew for bash.")
        return
    text, options = _shell_text(state, one)
    if text is None:
        state.c.missing(f"{where}: {one.rest}", options, "Write it into the cached preflight as a file of its own.")
        return
    place = _place(state)
    prelude = _prelude(state, text, options)
    errexit = bool(re.search(r"(?<!\S)-[a-z]*e", options))
    name = f"Dockerfile line {one.line}: {_title(text)}"
    block = Block(name=name, text=text, errexit=errexit, place=place, prelude=prelude, baked=not state.fed)
    state.c.setup.append(block)


def _title(text: str) -> str:
    for piece in re.split(r"\n|;|&&", text):
        words = piece.strip()
        if words and not words.startswith(("#", "set -", "set +")):
            return " ".join(words.split()[:5])
    return "RUN"


def _mounts(state: _State, one: Instruction) -> str:
    """Report the options of a RUN; the reason if it cannot do without one of them."""
    for flag, value in one.flags:
        options = dict(part.partition("=")[::2] for part in value.split(","))
        kind = options.get("type", "bind") if flag == "mount" else ""
        what = f"RUN --{flag}={value} (line {one.line})"
        if kind in {"cache", "tmpfs"}:
            state.c.missing(what, "A step has no cache mounts; its layer is kept instead.")
        elif kind in {"secret", "ssh"}:
            return f"It needs a {kind} of the build (--mount={value}), which no layer may see."
        elif kind == "bind" and options.get("from"):
            return f"It reads files of another stage or image (--mount={value})."
        elif kind == "bind":
            target = options.get("target") or options.get("dst") or options.get("destination") or "."
            _map(state, options.get("source") or options.get("src") or ".", state.path(target), one, "bind mount")
        else:
            state.c.missing(what, "A step runs with the network and the rights of every other.")
    return ""


def _shell_text(state: _State, one: Instruction) -> tuple[str | None, str]:
    """The text for bash and its shell's options; None and the reason where there is none."""
    words = one.array
    if words is not None:
        if len(words) >= 3 and re.search(r"(?:^|/)(?:ba|da|a)?sh\Z", words[0]) and re.match(r"-[a-z]*c\Z", words[-2]):
            return words[-1], " ".join(words[1:-1])
        return shlex.join(words), ""
    options = " ".join((state.shell or ())[1:])
    if not one.heredocs:
        return _spaced(one.rest), options
    first = one.heredocs[0]
    only = re.fullmatch(r"<<-?[\"']?[^\s\"']+[\"']?", one.rest.strip())
    if only and len(one.heredocs) == 1:
        return _heredoc_script(first.body, first.name, options)
    bodies = "".join(f"{doc.body}{doc.name}\n" for doc in one.heredocs)
    return f"{one.rest}\n{bodies}", options


def _heredoc_script(body: str, name: str, options: str) -> tuple[str | None, str]:
    interpreter = interpreter_of(body)
    if interpreter.kind != "other":
        flags = " ".join(interpreter.words)
        text = body.partition("\n")[2] if body.startswith("#!") else body
        return text, flags if body.startswith("#!") else options
    program = interpreter.words[0].rsplit("/", 1)[-1]
    if re.fullmatch(r"python[0-9.]*|node|perl|ruby", program) and len(interpreter.words) == 1:
        return f"{program} - <<'{name}'\n{body}{name}\n", ""
    return None, f"It is a script for {short(interpreter.words[0])}."


def _spaced(text: str) -> str:
    """One blank between words, where that is safe: joined continuations are full of them."""
    return text if "`" in text or '"$(' in text else " ".join(split_words(text))


def _prelude(state: _State, text: str, options: str) -> str:
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in state.args.items()
        if name not in state.env and re.search(rf"\b{re.escape(name)}\b", text)
    ]
    lines += [
        f'export {name}="{value}"' for name, value in state.auto.items() if re.search(rf"\b{re.escape(name)}\b", text)
    ]
    if "pipefail" in options and "|" in text.replace("||", ""):
        lines.append("set -o pipefail")
    flags = "".join(sorted(set("".join(re.findall(r"(?<!\S)-([a-z]+)", options))) & set("ux")))
    if flags:
        lines.append(f"set -{flags}")
    if state.default_shell and _ECHO.search(text) and toolchains.is_debian(state.c.base_image):
        lines.append("shopt -s xpg_echo  # the image's sh has an echo that knows \\n")
    return "\n".join(lines)


# -- files ------------------------------------------------------------------------------------------


def _copy(state: _State, one: Instruction) -> None:
    where = f"{one.word} {one.rest}"
    flags = dict(one.flags)
    words = one.array if one.array is not None else split_words(one.rest, state.escape)
    if len(words) < 2:
        state.c.missing(f"{where} (line {one.line})", "It names no target.")
        return
    *sources, target = words
    if "from" in flags:
        _copy_from(state, one, state.text(flags["from"]))
        return
    heredocs = {doc.name: doc for doc in one.heredocs}
    for source in sources:
        name = re.sub(r"\A<<-?[\"']?|[\"']\Z", "", source)
        if source.startswith("<<") and name in heredocs:
            _write(state, one, heredocs[name].body, name, target, several=len(sources) > 1)
        elif one.word == "ADD" and (_URL.match(source) or _GIT.match(source)):
            _fetch(state, one, state.text(source), target)
        else:
            _copy_file(state, one, state.text(source), target, flags, several=len(sources) > 1)


def _copy_from(state: _State, one: Instruction, image: str) -> None:
    tool = toolchains.uv() if re.search(r"astral-sh/uv(?:[:@]|\Z)", image) else None
    if tool is not None and toolchains.is_debian(state.c.base_image):
        state.c.setup.append(tool)
        state.c.note(f"COPY --from={image} (line {one.line}) became uv's own installer.")
        return
    state.c.missing(
        f"COPY --from={image} {one.rest} (line {one.line})",
        "Files of other stages and images are not there.",
        "Install what is needed in the cached preflight.",
    )


def _copy_file(
    state: _State, one: Instruction, source: str, target: str, flags: dict[str, str], *, several: bool
) -> None:
    destination = state.path(target)
    folder_target = several or target.rstrip("\"'").endswith(("/", "/.")) or _is_dot(target)
    inside = joined(state.context, source.lstrip("/"))
    if inside == ".." or inside.startswith("../"):
        state.c.missing(
            f"{one.word} {source} (line {one.line})", "It is outside of the project's folder.", "Mount it by hand."
        )
        return
    real = state.c.project.inside(inside)
    is_folder = real is not None and real.is_dir()
    exact = destination if is_folder or not folder_target else posixpath.join(destination, posixpath.basename(inside))
    if _map(state, source, exact, one, one.word, folder=is_folder):
        return
    if one.word == "ADD" and _ARCHIVE.search(source):
        state.c.missing(
            f"ADD {source} {target} (line {one.line})",
            "A build has no files of the project, and ADD unpacks this one.",
            f"Unpack it in the run preflight: tar -xf {_in_workspace(inside)} -C {shlex.quote(destination)}",
        )
        return
    what = f"{_in_workspace(inside)}{'/.' if is_folder else ''}"
    parent = destination if is_folder or folder_target else posixpath.dirname(destination)
    lines = [f"{_made(parent)}cp -a {what} {shlex.quote(destination)}{'/' if folder_target else ''}"]
    if "chmod" in flags and re.fullmatch(r"[0-7ugoarwxX+=,-]+", flags["chmod"]):
        lines.append(f"chmod {flags['chmod']} {shlex.quote(exact)}")
    state.fed = True
    state.c.setup.append(Block(name=f"{one.word} {source} (line {one.line})", text="\n".join(lines) + "\n"))
    state.c.missing(
        f"{one.word} {source} {target} (line {one.line})",
        "A build has no files of the project.",
        "The run preflight copies it from the workspace, and what needs it runs there as well.",
    )


def _made(folder: str) -> str:
    """The line that makes a folder, "" for those that every image has."""
    return "" if folder in _SYSTEM else f"mkdir -p {shlex.quote(folder)}\n"


def _is_dot(target: str) -> bool:
    return target.strip("\"'") in {".", ".."}


def _map(state: _State, source: str, destination: str, one: Instruction, word: str, *, folder: bool = True) -> bool:
    """Note that a folder of the image stands for a folder of the project; False if this copy is something else."""
    inside = joined(state.context, source.lstrip("/"))
    whole = joined(state.context, ".") == inside
    home = destination if whole and folder else state.workdir
    if home in _SYSTEM or not (destination == home or destination.startswith(home + "/")):
        return False
    below = posixpath.relpath(destination, home)
    base = "." if inside == "." else inside
    if below == ".":
        offset = base if folder else posixpath.dirname(base) or "."
    elif base == below or base.endswith("/" + below):
        offset = base[: -len(below)].rstrip("/") or "."
    elif any(char in posixpath.basename(base) for char in "*?["):
        offset = posixpath.dirname(base) or "."
    else:
        return False
    if state.places.setdefault(home, offset) != offset:
        return False
    state.fed = True
    state.links.setdefault(home, len(state.c.setup))
    state.c.missing(
        f"{word} {source} to {destination} (line {one.line})",
        "A build has no files of the project.",
        f"The steps after it that work in {home} work in the workspace instead.",
    )
    return True


def _link_places(state: _State, blocks: list[Block]) -> None:
    """Where a value or a command names a folder that is the workspace here, the folder becomes a link to it."""
    texts = [*state.c.env_vars.values(), *(block.text for block in blocks)]
    for home in sorted(state.places, key=lambda one: -state.links[one]):
        if home not in state.made:
            state.c.link(home, _in_workspace(state.places[home]), texts, at=state.links[home])


def _place(state: _State) -> str:
    """Where a RUN runs, as a word of the shell."""
    for home in sorted(state.places, key=len, reverse=True):
        if state.workdir == home or state.workdir.startswith(home + "/"):
            below = joined(state.places[home], posixpath.relpath(state.workdir, home))
            return _in_workspace(below)
    if state.workdir not in _SYSTEM and state.workdir not in state.made:
        state.made.add(state.workdir)
        state.c.setup.append(
            Block(
                name=f"WORKDIR {state.workdir}",
                text=f"mkdir -p {shlex.quote(state.workdir)}\n",
                lasting=True,
                baked=True,
            )
        )
    return shlex.quote(state.workdir)


def _in_workspace(inside: str) -> str:
    """A path of the project as a word of the shell; wildcards stay wildcards."""
    if inside in {"", "."}:
        return '"$AGENTS_RUNNER_WORKSPACE"'
    pieces = re.split(r"([*?]|\[[^\]]*\])", "/" + inside)
    return '"$AGENTS_RUNNER_WORKSPACE"' + "".join(
        piece if number % 2 else shlex.quote(piece) if piece else "" for number, piece in enumerate(pieces)
    )


def _write(state: _State, one: Instruction, body: str, name: str, target: str, *, several: bool) -> None:
    path = state.path(target)
    path = posixpath.join(path, name) if several or target.endswith("/") else path
    text = f"{_made(posixpath.dirname(path))}cat > {shlex.quote(path)} <<'{name}'\n{body}{name}\n"
    state.c.setup.append(Block(name=f"{one.word} {path} (line {one.line})", text=text, baked=not state.fed))


def _fetch(state: _State, one: Instruction, url: str, target: str) -> None:
    path = state.path(target)
    if _GIT.match(url):
        address, _, branch = url.partition("#")
        option = f" --branch {shlex.quote(branch)}" if branch else ""
        line = f"git clone{option} {shlex.quote(address)} {shlex.quote(path)}\n"
    else:
        if target.endswith("/"):
            path = posixpath.join(path, posixpath.basename(url.split("?", 1)[0]))
        line = f"curl -fsSL --create-dirs -o {shlex.quote(path)} {shlex.quote(url)}\n"
    state.c.setup.append(Block(name=f"ADD {url} (line {one.line})", text=line, baked=not state.fed))
    state.c.note(f"ADD {url} (line {one.line}) became a download in the cached preflight.")


# -- what a container would start with --------------------------------------------------------------


def _expose(state: _State, one: Instruction) -> None:
    for word in split_words(one.rest, state.escape):
        text = state.text(word).lower().removesuffix("/tcp")
        if not re.fullmatch(r"\d+(?:/udp)?", text):
            state.c.missing(f"EXPOSE {text} (line {one.line})", "It is no single port.", "Add the ports by hand.")
            continue
        state.c.port(f"0:{text}", f"{text} (EXPOSE, line {one.line})")
        state.c.note(f"Port {text} is published on a free port of this machine (EXPOSE).")


def _entry(state: _State, one: Instruction) -> None:
    state.c.missing(f"{one.word} {one.rest} (line {one.line})", _NOT_A_START, "The agent can start it.")


def _unused(state: _State, one: Instruction) -> None:
    state.c.missing(f"{one.word} {one.rest} (line {one.line})", "Environments have nothing of this kind.")


def _ignored(state: _State, one: Instruction) -> None:
    """Labels and the author's name change nothing in a container."""


_HANDLERS = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "WORKDIR": _workdir,
    "USER": _user,
    "SHELL": _shell,
    "RUN": _run,
    "COPY": _copy,
    "ADD": _copy,
    "EXPOSE": _expose,
    "ENTRYPOINT": _entry,
    "CMD": _entry,
    "HEALTHCHECK": _unused,
    "STOPSIGNAL": _unused,
    "VOLUME": _unused,
    "ONBUILD": _unused,
    "LABEL": _ignored,
    "MAINTAINER": _ignored,
}


# -- names and values -------------------------------------------------------------------------------


def _pairs(rest: str, escape: str) -> list[tuple[str, str]]:
    """ENV's names and raw values, in both of its forms."""
    words = split_words(rest, escape)
    if not words:
        return []
    if "=" not in words[0]:
        head, _, value = rest.strip().partition(" ")
        return [(head, value.strip())]
    return [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals]


def _arg_pairs(rest: str, escape: str) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for word in split_words(rest, escape):
        name, equals, default = word.partition("=")
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            found.append((name, default if equals else None))
    return found
