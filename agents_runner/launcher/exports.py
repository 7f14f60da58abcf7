"""Exported variables as files: what the launcher wrote, what an image carries, and what a script changed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agents_runner.core.redaction import contains_secret, looks_secret

IMAGE_EXPORTS = "/etc/agents-runner/exports.sh"
IMAGE_FUNCTIONS = "/etc/agents-runner/functions.bash"
Exports = dict[str, str | None]
"""Variable name to its value; None means that the script unset it."""

_START = re.compile(r"(?:export|declare -x|typeset -x) ([A-Za-z_][A-Za-z0-9_]*)(=)?|unset ([A-Za-z_][A-Za-z0-9_]*)\n")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# Set anew for every process: never a script's own export.
_NEVER = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "HOSTNAME", "USER", "LOGNAME", "BASHOPTS", "SHELLOPTS"})


def parse_exports(data: bytes) -> Exports:
    """Read `export NAME='value'` lines in the spellings of bash, dash and busybox; other text is skipped.

    Bytes that are no UTF-8 survive as surrogates; `render_exports` writes them back.
    """
    text = data.decode("utf-8", "surrogateescape")
    found: Exports = {}
    at = 0
    while at < len(text):
        match = _START.match(text, at)
        if not match:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end + 1
            continue
        at = match.end()
        if match[3]:
            found[match[3]] = None
        elif match[2]:
            found[match[1]], at = _word(text, at)
    return {
        name: value for name, value in found.items() if name not in _NEVER and not name.startswith("AGENTS_RUNNER")
    }


def _word(text: str, at: int) -> tuple[str, int]:
    """One shell word from `at` to its unquoted line end: its value and where the next line starts."""
    out: list[str] = []
    while at < len(text) and text[at] != "\n":
        char = text[at]
        if char == "'":
            end = text.find("'", at + 1)
            end = len(text) if end < 0 else end
            out.append(text[at + 1 : end])
            at = end + 1
        elif char == '"':
            at = _double_quoted(text, at + 1, out)
        elif char == "$" and text.startswith("'", at + 1):
            at = _ansi_quoted(text, at + 2, out)
        elif char == "\\" and at + 1 < len(text):
            out.append(text[at + 1])
            at += 2
        else:
            out.append(char)
            at += 1
    return "".join(out), at + 1


def _double_quoted(text: str, at: int, out: list[str]) -> int:
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text) and text[at + 1] in '"\\$`\n':
            at += 1
        out.append(text[at])
        at += 1
    return at + 1


def _ansi_quoted(text: str, at: int, out: list[str]) -> int:
    """`$'...'`: how bash writes what its locale cannot print, bytes as octal numbers."""
    found = bytearray()
    while at < len(text) and text[at] != "'":
        match = _ESCAPE.match(text, at)
        if match is None:
            found += text[at].encode("utf-8", "surrogateescape")
            at += 1
        else:
            found += bytes([int(match[1], 8) & 0xFF]) if match[1] else _ESCAPED.get(match[2], match[2]).encode()
            at = match.end()
    out.append(found.decode("utf-8", "surrogateescape"))
    return at + 1


def difference(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Exports:
    """What a script changed: new and changed values, and names that are gone as None."""
    changed: Exports = {name: value for name, value in after.items() if before.get(name) != value}
    changed.update({name: None for name, value in before.items() if value is not None and name not in after})
    return changed


def render_exports(exports: Mapping[str, str | None]) -> bytes:
    """The file that an image carries: lines that any POSIX shell reads back."""
    lines = []
    for name, value in sorted(exports.items()):
        if value is None:
            lines.append(f"unset {name}\n")
        else:
            escaped = value.replace("'", "'\\''")
            lines.append(f"export {name}='{escaped}'\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def without_secret_values(exports: Mapping[str, str | None], secrets: Mapping[str, str]) -> tuple[Exports, list[str]]:
    """Drop every variable whose value holds a secret or looks like one; returns the rest and the dropped names.

    A variable that is unset holds nothing. `secrets` are the values that are known, by name.
    """
    kept: Exports = {}
    dropped: list[str] = []
    for name, value in exports.items():
        if value is not None and (contains_secret(value, secrets.values()) or looks_secret(name, value)):
            dropped.append(name)
        else:
            kept[name] = value
    return kept, sorted(dropped)
