"""Which changed login file may be copied back: a refreshed token of the same account, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_VALUE = 16_384


@dataclass(frozen=True, kw_only=True)
class RefreshRule:
    """For one login file: the object that holds the tokens, what must stay, and what must grow."""

    tokens: str
    """Key of the object with the tokens; "" for the file's own object."""
    same: tuple[tuple[str, ...], ...]
    """Paths of values that name the account: equal in both."""
    newer: tuple[str, ...]
    """Path of the value (ISO time or number) that must be greater in the new file."""


RULES: dict[str, RefreshRule] = {
    ".codex/auth.json": RefreshRule(
        tokens="tokens", same=(("tokens", "account_id"), ("OPENAI_API_KEY",)), newer=("last_refresh",)
    ),
    ".claude/.credentials.json": RefreshRule(
        tokens="claudeAiOauth",
        same=(("claudeAiOauth", "scopes"), ("claudeAiOauth", "subscriptionType")),
        newer=("claudeAiOauth", "expiresAt"),
    ),
    ".gemini/oauth_creds.json": RefreshRule(tokens="", same=(("scope",), ("token_type",)), newer=("expiry_date",)),
}


def accept_refresh(path: str, old: bytes, new: bytes) -> bool:
    """True only if `new` is `old` with fresh tokens: same shape, same account, later. `path` is below home."""
    rule = next((rule for name, rule in RULES.items() if path == name or path.endswith("/" + name)), None)
    if rule is None:
        return False
    before, after = _object(old), _object(new)
    if before is None or after is None or not _same_shape(before, after):
        return False
    if any(_at(before, where) != _at(after, where) for where in rule.same):
        return False
    if not _only_tokens_differ(before, after, rule):
        return False
    return _greater(_at(after, rule.newer), _at(before, rule.newer))


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _same_shape(old: Any, new: Any) -> bool:
    """The same keys and kinds of values all the way down; texts of a sane size, without line ends."""
    if isinstance(old, Mapping):
        return (
            isinstance(new, Mapping)
            and old.keys() == new.keys()
            and all(_same_shape(old[key], new[key]) for key in old)
        )
    if isinstance(old, list):
        return isinstance(new, list) and old == new
    if isinstance(old, str):
        return isinstance(new, str) and len(new) <= MAX_VALUE and new.isprintable() and bool(new) == bool(old)
    return type(old) is type(new)


def _only_tokens_differ(old: Mapping[str, Any], new: Mapping[str, Any], rule: RefreshRule) -> bool:
    allowed = {rule.tokens, rule.newer[0]} if rule.tokens else set(old)
    return all(old[key] == new[key] for key in old if key not in allowed)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _greater(new: Any, old: Any) -> bool:
    def numeric(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    if numeric(new) and numeric(old):
        return bool(new > old)
    return isinstance(new, str) and isinstance(old, str) and new > old
