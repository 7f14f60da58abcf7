"""Keeping secret values out of what is shown and kept."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from agents_runner.core.unescape import Unescaped, unescaped

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""What a line may hold in the middle of a secret without a person seeing it."""
MASK = "***"
MIN_SECRET = 6
"""Shorter values are not looked for: they would blank ordinary text."""
_SHOWN = 4
"""A line may end with fewer characters than this of a secret's beginning; what follows them is masked."""
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----\Z")
_LONGEST = 8192
"""Characters of a form that is looked for over several lines."""
_ANSI = re.compile(r"\x1b(?:\[[0-9;:?<=>!]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()#][0-9A-Za-z]|[@-Z\\-_])")


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The secret inside any base64 text, whatever stands before it: one form for each of the three shifts."""
    yield base64.b64encode(raw).decode("ascii")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # Whole groups of three bytes only: the others mix with their neighbours.
            inner = encode(raw[(3 - shift) % 3 :][: (len(raw) - (3 - shift) % 3) // 3 * 3]).decode("ascii")
            if len(inner) >= 8:
                yield inner


def _plain_forms(secret: str) -> set[str]:
    """The secret as it stands, and its lines."""
    forms = {secret, secret.strip(), _CONTROL.sub("", secret)}
    # A secret of several lines is never on one line of a log: each of them is looked for by itself.
    lines = [line.strip() for line in re.split(r"[\r\n\0]+", secret) if not _ARMOUR.match(line.strip())]
    forms |= {"".join(lines), *lines}
    return {form for form in forms if len(form) >= MIN_SECRET}


def _forms(secret: str) -> set[str]:
    """The secret as it stands, its lines, and the encodings in which it commonly turns up.

    Others that are made of escapes are found by taking the escapes away (`core.unescape`); those that are here are
    also found where a program breaks them over lines.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    quoted = json.dumps(secret)[1:-1]
    url = quote(raw, safe="")
    forms = {url, re.sub("%..", lambda match: match[0].lower(), url), url.replace("%20", "+")}
    forms |= {quoted, quoted.replace("/", "\\/"), json.dumps(secret, ensure_ascii=False)[1:-1]}
    # As the shells print it: `set` and `export -p` of several, `declare -p`, `printf %q`.
    forms |= {secret.replace("'", "'\\''"), secret.replace("'", "'\"'\"'"), re.sub(r'([\\"$`])', r"\\\1", secret)}
    forms |= {re.sub(r"([^A-Za-z0-9_@%+=:./~#-])", r"\\\1", secret), html.escape(secret), *_base64_forms(raw)}
    return {form for form in forms if len(form) >= MIN_SECRET} | _plain_forms(secret)


def secret_forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """All that is looked for, longest first; of secrets of at least `MIN_SECRET` characters."""
    found = {form for secret in secrets if len(secret) >= MIN_SECRET for form in _forms(secret)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _plain_of(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple({form for one in secrets if len(one) >= MIN_SECRET for form in _plain_forms(one)})


def contains_secret(text: str, secrets: Iterable[str]) -> bool:
    """True if any secret of at least `MIN_SECRET` characters is in the text, plain or encoded."""
    secrets = tuple(secrets)
    plain = _plain_of(secrets)
    return any(form in text for form in secret_forms(secrets)) or any(
        form in decoded.text for decoded in unescaped(text) for form in plain
    )


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret masked; overlapping ones as one."""
    return Redactor(secrets).text(text)


Span = tuple[int, int]


class Redactor:
    """Masks secrets in texts and in lines of a stream, also where one goes on in the next line.

    A secret that a program breaks over several lines is masked from its fourth character on at the latest.
    `glue` is what a stream's reader puts behind a line that it had to cut.
    """

    def __init__(self, secrets: Iterable[str], glue: str = "") -> None:
        secrets = tuple(secrets)
        self._forms = secret_forms(secrets)
        self._plain = _plain_of(secrets)
        self._glue = glue
        self._open: dict[str, set[tuple[int, int]]] = {}
        """For each stream: which form its last line ended in, and how many of its characters were there."""
        self._ends: dict[str, list[tuple[int, int]]] = {}
        for number, form in enumerate(self._forms):
            # A ruler of dashes is no beginning of a key.
            over_lines = len(form) <= _LONGEST and "\n" not in form and not form.startswith("-----BEGIN")
            for length in range(1, len(form)) if over_lines else ():
                self._ends.setdefault(form[max(0, length - _SHOWN) : length], []).append((number, length))

    def __bool__(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        """A text without its secrets, when it is no part of a stream."""
        return _masked(text, self.found_in(text))

    def line(self, stream: str, line: str) -> str:
        """The next line of a stream."""
        if not self._forms:
            return line
        glued = bool(self._glue) and line.endswith(self._glue)
        body = line[: -len(self._glue)] if glued else line
        # Colours in the middle of a secret must not hide it; a line that is masked loses them.
        bare = _ANSI.sub("", body) if "\x1b" in body else body
        bare = bare if bare.isprintable() else _CONTROL.sub("", bare)
        spans = self.found_in(bare) + self._over_lines(stream, bare)
        return (_masked(bare, spans) if spans else body) + (self._glue if glued else "")

    def found_in(self, text: str) -> list[Span]:
        """The places of secrets in a text, plain or encoded: start and end of each, in characters."""
        spans = _places(text, self._forms)
        for decoded in unescaped(text) if self._forms else ():
            spans += self._behind_escapes(decoded)
        return spans

    def _behind_escapes(self, decoded: Unescaped) -> list[Span]:
        return [decoded.span(start, stop) for start, stop in _places(decoded.text, self._plain)]

    def _over_lines(self, stream: str, line: str) -> list[Span]:
        """Where the line goes on with what the last one began, and where it begins what the next may go on with."""
        if not line:
            return []
        spans: list[Span] = []
        still_open: set[tuple[int, int]] = set()
        for number, length in self._open.get(stream, ()):
            rest = self._forms[number][length:]
            if line.startswith(rest):
                spans.append((0, len(rest)))
            elif rest.startswith(line):
                still_open.add((number, length + len(line)))
                if length + len(line) >= _SHOWN:
                    spans.append((0, len(line)))
        for number, length in self._begun_in(line):
            still_open.add((number, length))
            if length >= _SHOWN:
                spans.append((len(line) - length, len(line)))
        self._open[stream] = still_open
        return spans

    def _begun_in(self, line: str) -> Iterator[tuple[int, int]]:
        """Forms whose beginning is the line's end, and how many characters of it."""
        for size in range(1, min(_SHOWN, len(line)) + 1):
            for number, length in self._ends.get(line[-size:], ()):
                if line.endswith(self._forms[number][:length]):
                    yield number, length


class KnownSecrets:
    """Every secret's value that this process has had in its hands: what is written about it is written without them.

    Safe from every thread.
    """

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        self._redactor: Redactor | None = None
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Remember one more value, which no log entry holds from now on."""
        if value in self._values:
            return
        with self._lock:
            self._values |= {value}
            self._redactor = None  # made when there is something to mask

    def text(self, text: str) -> str:
        """The text with all of them masked."""
        with self._lock:
            if self._redactor is None:
                self._redactor = Redactor(self._values)
            redactor = self._redactor
        return redactor.text(text)

    def __repr__(self) -> str:
        return f"KnownSecrets({len(self._values)} values)"


def _places(text: str, forms: Iterable[str]) -> list[Span]:
    spans: list[Span] = []
    for form in forms:
        at = text.find(form)
        while at >= 0:
            spans.append((at, at + len(form)))
            at = text.find(form, at + 1)
    return spans


def _masked(text: str, spans: list[Span]) -> str:
    """The text with each run of overlapping or touching spans as one mask."""
    parts: list[str] = []
    done = 0
    for start, stop in sorted(spans):
        if start > done or not parts:
            parts += [text[done:start], MASK]
        done = max(done, stop)
    return "".join([*parts, text[done:]])


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
