"""Gathers what one import finds out, and makes the draft of it."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents_runner.core.environment import DEFAULT_BASE_IMAGE, MAX_NAME
from agents_runner.core.errors import InvalidInput
from agents_runner.core.mounts import Mount, check_mounts, parse_mount
from agents_runner.core.ports import parse_ports
from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.core.variables import check_variable
from agents_runner.importers.assemble import assemble
from agents_runner.importers.model import Block, Draft, Gap, Kind, ShellTools
from agents_runner.importers.project import Project

_SECRET = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|SECRETS|PASSWORD|PASSWD|PASS|PAT|CREDENTIAL|CREDENTIALS|APIKEY|KEY|AUTH)(?:$|_)", re.I
)
_PUBLIC = re.compile(r"PUBLIC|KEYRING|KEYMAP|KEYBOARD|_KEY_(?:ID|NAME|PATH|FILE)$", re.I)
_SHOWN = 100
_MOST = 100
_MOST_BLOCKS = 400
_MOST_SHOWN = 200


def looks_secret(name: str) -> bool:
    """True for a variable whose name says that its value is not for everybody."""
    return bool(_SECRET.search(name)) and not _PUBLIC.search(name)


def short(text: str, limit: int = _SHOWN) -> str:
    """A text on one line, cut where it gets long; what no terminal should get is left out."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


@dataclass(kw_only=True)
class Collector:
    """Fields, blocks, gaps and notes of one import, in the order in which they were found."""

    kind: Kind
    project: Project
    allow_mounts: frozenset[str] = frozenset()
    """Real paths outside the project that a person named: those mounts are taken over."""
    name: str = ""
    base_image: str = ""
    sources: list[Path] = field(default_factory=list)
    env_vars: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    resources: dict[str, Any] = field(default_factory=dict)
    desktop: bool = False
    setup: list[Block] = field(default_factory=list)
    """Done once: what of it can be baked goes to the cached preflight."""
    start: list[Block] = field(default_factory=list)
    """Done at every task start."""
    remarks: list[str] = field(default_factory=list)
    """Comments at the end of the run preflight."""
    _gaps: dict[Gap, None] = field(default_factory=dict)
    _notes: dict[str, None] = field(default_factory=dict)

    # -- reading -----------------------------------------------------------------------------------

    def read(self, relative: str) -> str:
        """A file of the project; it becomes one of the draft's sources."""
        text = self.project.read(relative)
        path = self.project.root / relative
        if path not in self.sources:
            self.sources.append(path)
        return text

    # -- telling -----------------------------------------------------------------------------------

    def missing(self, what: str, why: str, hint: str = "") -> None:
        """Report something that is not carried over, once."""
        self._gaps[Gap(what=short(what), why=short(why, 300), hint=short(hint, 300))] = None

    def note(self, sentence: str) -> None:
        self._notes[short(sentence, 400)] = None

    # -- fields ------------------------------------------------------------------------------------

    def variable(self, name: str, value: str) -> None:
        """An environment variable with its value; one that no container can get is reported."""
        try:
            check_variable(name, value)
        except InvalidInput as error:
            self.missing(f"variable {name}", error.message, error.hint)
            return
        self.env_vars[name] = value

    def secret(self, name: str) -> None:
        """A variable whose value is a person's secret: only its name is taken over."""
        try:
            check_variable(name, "")
        except InvalidInput as error:
            self.missing(f"secret {name}", error.message, error.hint)
            return
        if name not in self.secrets:
            self.secrets.append(name)
            self.missing(
                f"the value of {name}",
                "Secrets are not read from this machine.",
                f"Only the name is taken over: give the environment's secret {name} its value.",
            )

    def mount(self, text: str, shown: str = "") -> None:
        """A mount, if the rules for mounts allow it beside the others."""
        if len(self.mounts) >= _MOST:
            self.missing("more mounts", f"More than {_MOST} are named.")
            return
        try:
            mounts: list[Mount] = [parse_mount(one) for one in (*self.mounts, text)]
            check_mounts(mounts, WORKSPACE_PATH)
        except InvalidInput as error:
            self.missing(f"mount {shown or text}", error.message, error.hint)
            return
        self.mounts.append(text)

    def port(self, text: str, shown: str = "") -> None:
        """A port, if the rules for ports allow it; one that is there already is passed over."""
        if text in self.ports:
            return
        if len(self.ports) >= _MOST:
            self.missing("more ports", f"More than {_MOST} are named.")
            return
        try:
            parse_ports([*self.ports, text])
        except InvalidInput as error:
            self.missing(f"port {shown or text}", error.message, error.hint)
            return
        self.ports.append(text)

    def steps(self, blocks: Iterable[Block]) -> None:
        self.setup.extend(blocks)

    def link(self, folder: str, target: str, texts: Iterable[str], *, at: int = 0) -> None:
        """Make a folder of the image a link into the workspace, if one of the texts names it.

        `target` is a word of the shell, `at` the place among the set-up's blocks.
        """
        named = re.compile(rf"(?<![\w./-]){re.escape(folder)}(?![\w-])")
        if not any(named.search(text) for text in texts):
            return
        word = shlex.quote(folder)
        parent = posixpath.dirname(folder)
        made = (
            f"mkdir -p {shlex.quote(parent)}\n" if parent.count("/") > 1 or parent in {"/workspaces", "/app"} else ""
        )
        text = f"{made}[ -e {word} ] || ln -s {target} {word}\n"
        self.setup.insert(at, Block(name=f"{folder} in the workspace", text=text))
        self.note(f"{folder} is named by the file, so the run preflight makes it a link to the workspace.")

    # -- the result --------------------------------------------------------------------------------

    def draft(self, tools: ShellTools) -> Draft:
        """Everything put together. Raises InvalidInput for more commands than anybody would write."""
        if len(self.setup) + len(self.start) > _MOST_BLOCKS:
            raise InvalidInput(
                f"The file holds more than {_MOST_BLOCKS} commands.", "Put them into a script, and import that."
            )
        scripts = assemble(self.setup, self.start, self.remarks, known=tuple(self.env_vars), tools=tools)
        fields: dict[str, Any] = {
            "name": self.shown_name(),
            "workspace": {"type": "folder", "path": str(self.project.root)},
            "base_image": self.base_image,
            "cached_preflight_script": scripts.cached,
            "run_preflight_script": scripts.run,
            "cache_container_build": bool(scripts.cached),
            "headless_desktop_enabled": self.desktop,
            "cache_desktop_build": self.desktop,
            "env_vars": self.env_vars,
            "secrets": tuple(self.secrets),
            "mounts": tuple(self.mounts),
            "ports": tuple(self.ports),
            "resources": self.resources,
        }
        notes = [*self._notes]
        gaps = list(dict.fromkeys((*self._gaps, *scripts.gaps)))
        if len(gaps) > _MOST_SHOWN:
            left = len(gaps) - _MOST_SHOWN
            gaps = [*gaps[:_MOST_SHOWN], Gap(what=f"{left} more things", why="The report would be too long.")]
        if scripts.cached:
            notes.append("The cached preflight is baked into an image: caching is on.")
        image = self.base_image or DEFAULT_BASE_IMAGE
        if self.base_image:
            notes.append(f"The agent's program must be in {short(image)}, or be installed by the cached preflight.")
        else:
            notes.append(f"No base image is named; the application's own, {image}, is used.")
        return Draft(
            kind=self.kind,
            sources=tuple(self.sources),
            folder=self.project.root,
            name=fields["name"],
            fields={name: value for name, value in fields.items() if value},
            report=tuple(gaps),
            notes=(*notes[:_MOST_SHOWN], *scripts.moved),
        )

    def shown_name(self) -> str:
        """A name that an environment can have."""
        for text in (self.name, self.project.root.name, "imported"):
            clean = " ".join("".join(one if one.isprintable() else " " for one in text).split())[:MAX_NAME].strip()
            if clean:
                return clean
        return "imported"
