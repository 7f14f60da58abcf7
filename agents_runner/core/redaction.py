"""Keeping secret values out of what is shown and kept."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
MIN_SECRET = 6
"""Shorter values are not looked for: they would blank ordinary text."""


def _forms(secret: str) -> set[str]:
    """The secret as it stands and in the encodings in which it commonly turns up."""
    raw = secret.encode("utf-8")
    return {secret, quote(secret, safe=""), base64.b64encode(raw).decode("ascii"), secret.strip()}


def contains_secret(text: str, secrets: Iterable[str]) -> bool:
    """True if any secret of at least `MIN_SECRET` characters is in the text, plain or encoded."""
    return any(
        form in text
        for secret in secrets
        if len(secret) >= MIN_SECRET
        for form in _forms(secret)
        if len(form) >= MIN_SECRET
    )


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked; the longest forms first, so that no part of one stays."""
    forms = {
        form for secret in secrets if len(secret) >= MIN_SECRET for form in _forms(secret) if len(form) >= MIN_SECRET
    }
    if not forms:
        return text
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.sub(pattern, MASK, text)


_SECRET_NAME = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|APIKEY|API_KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(?:$|_)", re.I
)
_SECRET_VALUE = re.compile(
    r"(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|glpat-[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.)"
)


def looks_secret(name: str, value: str) -> bool:
    """True for a variable that by its name or its value's shape is a token, key or password."""
    return len(value) >= MIN_SECRET and bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))
