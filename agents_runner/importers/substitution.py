"""`${...}` in a devcontainer.json: filled in where the value is certain, never with a secret of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.importers.words import quoted_inner

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PERSONAL = frozenset({"HOME", "USER", "LOGNAME", "TZ", "LANG", "LC_ALL"})
"""What may be read from this machine: it says who and where the person is, no more."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A text with its variables filled in."""

    value: str
    """What is not certain stands as it was."""
    shell: str
    """The same as the inside of the shell's double quotes, with the container's own variables left to the shell."""
    from_container: bool = False
    """True if a variable of the container is in it, so that only `shell` says it."""
    open: tuple[str, ...] = ()
    """The variables that could not be filled in, as written."""
    local: str = ""
    """The name of this machine's variable, if the text is that and nothing else."""


@dataclass(frozen=True, kw_only=True)
class Substitution:
    """`folder`: the project's folder on this machine. `environ`: this machine's variables."""

    folder: str
    environ: Mapping[str, str]
    container: Mapping[str, str]
    """The container's variables that are known."""

    def resolve(self, text: str) -> Resolved:
        values: list[str] = []
        shells: list[str] = []
        left: list[str] = []
        from_container = False
        at = 0
        for match in _VARIABLE.finditer(text):
            values.append(text[at : match.start()])
            shells.append(quoted_inner(text[at : match.start()]))
            at = match.end()
            kind, _, name = match[1].partition(":")
            if kind == "containerEnv" and _NAME.match(name.split(":", 1)[0]) and name not in self.container:
                name, colon, default = name.partition(":")
                from_container = True
                values.append(match[0])
                shells.append(f"${{{name}:-{quoted_inner(default)}}}" if colon else f"${{{name}}}")
                continue
            value = self._value(match[1])
            if value is None:
                left.append(match[0])
                values.append(match[0])
                shells.append(quoted_inner(match[0]))
            else:
                values.append(value)
                shells.append(quoted_inner(value))
        values.append(text[at:])
        shells.append(quoted_inner(text[at:]))
        whole = re.fullmatch(r"\$\{localEnv:([A-Za-z_][A-Za-z0-9_]*)(?::[^{}]*)?\}", text.strip())
        return Resolved(
            value="".join(values),
            shell="".join(shells),
            from_container=from_container,
            open=tuple(left),
            local=whole[1] if whole else "",
        )

    def _value(self, inner: str) -> str | None:
        kind, _, rest = inner.partition(":")
        name, colon, default = rest.partition(":")
        folder = self.folder.rstrip("/")
        fixed = {
            "localWorkspaceFolder": self.folder,
            "localWorkspaceFolderBasename": folder.rsplit("/", 1)[-1],
            "containerWorkspaceFolder": WORKSPACE_PATH,
            "containerWorkspaceFolderBasename": WORKSPACE_PATH.rsplit("/", 1)[-1],
            "workspaceFolder": WORKSPACE_PATH,
            "workspaceRoot": WORKSPACE_PATH,
        }
        if inner in fixed:
            return fixed[inner]
        if kind in {"localEnv", "env"}:
            if name in _PERSONAL and self.environ.get(name):
                return self.environ[name]
            if name == "USERPROFILE":  # Windows' word for HOME; both are written one behind the other
                return ""
            return default if colon and name not in self.environ else None
        return self.container.get(name) if kind == "containerEnv" else None
