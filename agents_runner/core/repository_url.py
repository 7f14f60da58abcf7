"""Rules for the address and the branch of a repository: what git may be given, and what of it may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from agents_runner.core.errors import InvalidInput
from agents_runner.core.redaction import MASK, looks_secret

FIELD = "workspace"
_CLONED = re.compile(r"(?:https?|ssh|file)://[^\s]+\Z|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[^\s]+\Z|/[^\0\n]+\Z")
_HERE = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?:[/?#]|\Z)")
"""Without encryption, but it stays on this machine."""
_WITH_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\S*)")
_HOST = re.compile(r"(?P<name>[^:@\[\]]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d*))?")
_QUERY = re.compile(r"([?&;][^=&;#\s]*(?:token|secret|passw|password|auth|key)[^=&;#\s]*=)([^&;#\s]+)", re.I)
_LONG_USER = 20
"""Characters from which a user's name in an https address is taken for a token, as several hosts take one there."""


def check_url(url: str) -> str:
    """The address if git may clone it. Raises InvalidInput at the field `workspace`, with nothing secret in it."""
    if holds_credentials(url):
        raise InvalidInput(
            f"The repository's address {shown_url(url)!r} holds a password or token, which other people could see.",
            "Take it out: git asks your credential helper (or use ssh); a task gets tokens as secrets.",
            field=FIELD,
        )
    if url.startswith("http://") and not _HERE.match(url):
        raise InvalidInput(
            f"{shown_url(url)!r} is not encrypted: who is between could put anything into the clone.",
            "Write https://..., or ssh://...",
            field=FIELD,
        )
    if not _CLONED.match(url) or not url.isprintable():
        raise InvalidInput(
            f"{shown_url(url)!r} is no repository that can be cloned.",
            "Write https://..., ssh://..., user@host:path or the path of a local repository.",
            field=FIELD,
        )
    return url


def check_branch(branch: str) -> str:
    """The branch's name if git may be given it. Raises InvalidInput at the field `workspace`."""
    bad = branch.startswith(("-", "/")) or ".." in branch or re.search(r"[\s~^:?*\[\\\x00-\x1f\x7f]", branch)
    if bad or branch.endswith((".lock", "/", ".")):
        raise InvalidInput(f"{branch!r} is no branch's name.", "Write it as `git branch` shows it.", field=FIELD)
    return branch


def protocols(url: str) -> str:
    """What git may speak for this address, as GIT_ALLOW_PROTOCOL wants it: redirects included."""
    return "https:ssh:file:http" if _HERE.match(url) else "https:ssh:file"


def holds_credentials(url: str) -> bool:
    """True for an address with a password or a token in it, also where its characters were not encoded."""
    if _QUERY.search(url):
        return True
    match = _WITH_SCHEME.match(url)
    if match is None:
        # user:password@host:path is none of git's forms, but it is typed.
        return bool(re.match(r"[^@:/]+:[^@]*@", url))
    user = unquote(_user_of(match[2]))
    if ":" in user:
        return True
    return match[1].lower() in ("http", "https") and (len(user) >= _LONG_USER or looks_secret("", user))


def _user_of(rest: str) -> str:
    """What stands before the host, of an address without its scheme: everything to the last `@` that is not a path's.

    A password with `/`, `?` or `@` in it, as people paste it, is not cut there.
    """
    user, at, _ = rest.rpartition("@")
    before = re.split(r"[/?#]", user, maxsplit=1)
    if not at or len(before) == 1:
        return user
    host = _HOST.fullmatch(before[0])
    if host is None:
        return user
    # A host with a port, or a user whose password begins so? Hosts beside this machine have a dot.
    port_of_a_user = host["port"] is not None and "." not in host["name"] and host["name"] != "localhost"
    return user if port_of_a_user and not host["name"].startswith("[") else ""


def without_credentials(text: str) -> str:
    """The text with every address in it as it may be shown and logged: without user, password and token."""
    return _WITH_SCHEME.sub(_shown, text)


def shown_url(url: str) -> str:
    """One address as it may be shown."""
    shown = without_credentials(url)
    return MASK + "@" + shown.rpartition("@")[2] if "://" not in shown and holds_credentials(shown) else shown


def _shown(match: re.Match[str]) -> str:
    rest = match[2]
    user = _user_of(rest)
    rest = rest[len(user) + 1 :] if rest.startswith(user + "@") else rest
    return f"{match[1]}://{_QUERY.sub(lambda found: found[1] + MASK, rest)}"


def shown_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An environment's fields as they may be printed and exported: an address in them without its credentials."""
    found = dict(fields)
    workspace = found.get("workspace")
    if isinstance(workspace, Mapping) and isinstance(workspace.get("url"), str):
        url = workspace["url"]
        found["workspace"] = {**workspace, "url": shown_url(url) if holds_credentials(url) else url}
    return found
