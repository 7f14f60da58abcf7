"""Which changed login file may be copied back: a refreshed token of the same account, and nothing else.

An agent that refreshes its token inside a container makes the token on this machine void, so the new one has to
come back. Everything else in such a file could change how the agent behaves here, so it has to stay as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MAX_FILE = 256 * 1024
MAX_VALUE = 16_384
Where = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RefreshRule:
    """For one kind of login file: what a refresh changes. All paths are keys from the file's own object down."""

    tokens: tuple[Where, ...]
    """Texts that may be other ones: not empty, printable, of sane size."""
    newer: Where
    """The time (ISO text, or a number) that must be later."""
    account: Where = ()
    """A text that names the account; () where the file holds none."""
    times: tuple[Where, ...] = ()
    """Further numbers that may change."""


RULES: dict[str, RefreshRule] = {
    ".codex/auth.json": RefreshRule(
        tokens=(("tokens", "id_token"), ("tokens", "access_token"), ("tokens", "refresh_token")),
        newer=("last_refresh",),
        account=("tokens", "account_id"),
    ),
    ".claude/.credentials.json": RefreshRule(
        tokens=(("claudeAiOauth", "accessToken"), ("claudeAiOauth", "refreshToken")),
        newer=("claudeAiOauth", "expiresAt"),
        times=(("claudeAiOauth", "refreshTokenExpiresAt"), ("claudeAiOauth", "subscriptionTypeVerifiedAt")),
    ),
    ".gemini/oauth_creds.json": RefreshRule(
        tokens=(("access_token",), ("id_token",), ("refresh_token",)),
        newer=("expiry_date",),
        times=(("refresh_token_expires_in",),),
    ),
}
"""By the file's path below the home folder, as a container has it. Copilot's tokens are not refreshed."""


def accept_refresh(path: str, old: bytes, new: bytes) -> bool:
    """True only if `new` is the login file `old` with fresh tokens of the same account. Never raises.

    `path` is the file's below the home folder in a container, wherever this machine keeps it.
    """
    rule = RULES.get(path)
    if rule is None or len(new) > MAX_FILE:
        return False
    try:
        before, after = _object(old), _object(new)
        return before is not None and after is not None and _refreshed(before, after, rule)
    except RecursionError:
        return False


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Another reader might take the other one of two values under the same key."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _refreshed(old: Mapping[str, Any], new: Mapping[str, Any], rule: RefreshRule) -> bool:
    if rule.account and not _is_text(_at(old, rule.account)):
        return False
    free = {*rule.tokens, *rule.times, rule.newer}
    return _equal_but(old, new, free, ()) and _is_later(_at(new, rule.newer), _at(old, rule.newer))


def _equal_but(old: Any, new: Any, free: set[Where], where: Where) -> bool:
    """The same keys, kinds and values all the way down, but for fresh values at the free places."""
    if where in free:
        return _same_kind(old, new)
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_equal_but(old[key], new[key], free, (*where, key)) for key in old)
    return type(old) is type(new) and bool(old == new)


def _same_kind(old: Any, new: Any) -> bool:
    if isinstance(old, str):
        return _is_text(new)
    return (_is_time(old) and _is_time(new)) or (old is None and new is None)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_VALUE and value.isascii() and value.isprintable()


def _is_time(value: Any) -> bool:
    """A number of seconds or milliseconds since the epoch, or of seconds to go."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**14


def _at(value: Any, where: Where) -> Any:
    for key in where:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is_later(new: Any, old: Any) -> bool:
    if _is_time(new) and _is_time(old):
        return bool(new > old)
    if not isinstance(new, str) or not isinstance(old, str):
        return False
    try:
        return _moment(new) > _moment(old)
    except (ValueError, OverflowError):
        return False


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
