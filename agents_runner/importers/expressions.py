"""`${{ ... }}` in a workflow: filled in where the value is certain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agents_runner.core.task_plan import WORKSPACE_PATH

# Bounded: an unclosed one must not make each of the others look through the whole text.
_EXPRESSION = re.compile(r"\$\{\{([^{}]{0,500})\}\}")
_NAMED = re.compile(r"(secrets|env|matrix|vars)\.([A-Za-z_][\w-]*)\Z")
_FIXED = {
    "github.workspace": WORKSPACE_PATH,
    "runner.temp": "/tmp",
    "runner.os": "Linux",
    "github.token": "",
}
_TRUE = re.compile(r"(?:true|always\(\)|success\(\)|!\s*cancelled\(\)|runner\.os\s*==\s*'Linux')\Z", re.I)
_FALSE = re.compile(
    r"(?:false|failure\(\)|cancelled\(\)|runner\.os\s*==\s*'(?:Windows|macOS)'|runner\.os\s*!=\s*'Linux')\Z", re.I
)


@dataclass(kw_only=True)
class Expressions:
    """`env`: the workflow's variables with known values; `matrix`: the first combination."""

    env: dict[str, str] = field(default_factory=dict)
    matrix: dict[str, str] = field(default_factory=dict)
    on_secret: Callable[[str], None] = lambda _name: None
    on_matrix: Callable[[str, str], None] = lambda _name, _value: None

    def value(self, text: str) -> tuple[str, list[str]]:
        """The text with what is known filled in, and the expressions that are not."""
        left: list[str] = []

        def fill(match: re.Match[str]) -> str:
            found = self._known(match[1].strip())
            if found is None:
                left.append(match[0])
                return match[0]
            return found

        filled = _EXPRESSION.sub(fill, text)
        return filled, left or _open(filled)

    def shell(self, text: str) -> tuple[str, list[str]]:
        """The same for a script: secrets become the variables that hold them."""
        left: list[str] = []

        def fill(match: re.Match[str]) -> str:
            inner = match[1].strip()
            name = self.secret(inner)
            if name:
                self.on_secret(name)
                return f"${{{name}}}"
            if inner == "github.workspace":
                return "${AGENTS_RUNNER_WORKSPACE}"
            found = self._known(inner)
            if found is None:
                left.append(match[0])
                return match[0]
            return found

        filled = _EXPRESSION.sub(fill, text)
        return re.sub(r"(?<=\$)(\{?)GITHUB_WORKSPACE\b", r"\1AGENTS_RUNNER_WORKSPACE", filled), left or _open(filled)

    def secret(self, inner: str) -> str:
        """The name of a secret, "" for every other expression."""
        if inner in {"github.token", "secrets.GITHUB_TOKEN"}:
            return "GITHUB_TOKEN"
        match = _NAMED.match(inner)
        return match[2].replace("-", "_") if match and match[1] == "secrets" else ""

    def whole_secret(self, text: str) -> str:
        """The name of the secret that a value is, "" if it is something else."""
        match = _EXPRESSION.fullmatch(text.strip())
        return self.secret(match[1].strip()) if match else ""

    def _known(self, inner: str) -> str | None:
        if _FIXED.get(inner):
            return _FIXED[inner]
        match = _NAMED.match(inner)
        if match is None:
            return None
        if match[1] == "env":
            return self.env.get(match[2])
        if match[1] == "matrix" and match[2] in self.matrix:
            self.on_matrix(match[2], self.matrix[match[2]])
            return self.matrix[match[2]]
        return None


def _open(text: str) -> list[str]:
    """An expression that was not even recognised, such as one with braces in it."""
    at = text.find("${{")
    return [text[at : at + 40]] if at >= 0 else []


def condition(text: str) -> bool | None:
    """What an `if:` says here: True, False, None if that is not known."""
    inner = text.strip()
    match = _EXPRESSION.fullmatch(inner)
    inner = match[1].strip() if match else inner
    if not inner or _TRUE.match(inner):
        return True
    return False if _FALSE.match(inner) else None


def first_of(matrix: object) -> Mapping[str, str]:
    """The first value of each of a matrix' lists."""
    if not isinstance(matrix, dict):
        return {}
    return {
        str(key): one[0] for key, one in matrix.items() if isinstance(one, list) and one and isinstance(one[0], str)
    }
