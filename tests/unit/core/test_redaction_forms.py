"""Masking: the forms in which tools print a secret, made by the tools themselves where they are at hand."""

from __future__ import annotations

import html
import json
import os
import shlex
import subprocess
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.core.redaction import MASK, Redactor, contains_secret, redact
from agents_runner.core.unescape import unescaped

SECRETS = (
    "p4ss$w`rd\"with'all\\of !it",
    "a/b+c=d&e<f>g?h#i%41j",
    "naïve-пароль-\N{KEY}-x",
    "spaces and\ttab",
    "~tilde,comma{brace}[x]*?",
)


def bash(program: str, secret: str, locale: str) -> str:
    done = subprocess.run(
        ["bash", "-c", program],
        env={"T": secret, "PATH": os.environ["PATH"], "LC_ALL": locale},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "program",
    [
        "declare -p T", "export -p | grep -a 'T='", "printf '%q\\n' \"$T\"", "set | grep -a ^T=", "echo \"${T@Q}\"",
        "set -x; : \"$T\" 2>&1", "printf 'T=%s\\0' \"$T\"", "alias t=\"$T\"; alias -p",
    ],
)  # fmt: skip
def test_m7_what_the_shell_prints(program: str, secret: str, locale: str) -> None:
    text = bash(program, secret, locale)
    redactor = Redactor([secret])
    shown = "\n".join(redactor.line("stdout", line) for line in text.splitlines())
    assert not text or program.startswith("set -x") or MASK in shown
    rest = shown.replace(MASK, "")
    for start in range(len(secret) - 8):
        assert secret[start : start + 8] not in rest
    assert program.startswith("set -x") or contains_secret(text, [secret])


def _upper(text: str) -> str:
    return "".join(f"\\u{unit:04X}" for unit in _units(text))


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


FORMS = {
    "json": json.dumps,
    "json of PHP": lambda one: json.dumps(one).replace("/", "\\/"),
    "json, each character": lambda one: f'"{_upper(one)}"',
    "json, each character, small": lambda one: f'"{_upper(one).lower()}"',
    "json for HTML": lambda one: (
        json.dumps(one).replace("<", "\\u003c").replace(">", "\\u003E").replace("&", "\\u0026")
    ),
    "json of .NET": lambda one: (
        json.dumps(one).replace("+", "\\u002B").replace("'", "\\u0027").replace("=", "\\u003d")
    ),
    "javascript": lambda one: "".join(f"\\x{byte:02x}" for byte in one.encode()),
    "javascript, braces": lambda one: "".join(f"\\u{{{ord(char):x}}}" for char in one),
    "octal": lambda one: "".join(f"\\{byte:03o}" for byte in one.encode()),
    "python": repr,
    "python, ascii": ascii,
    "python's shell": shlex.quote,
    "url": lambda one: quote(one, safe=""),
    "url, small": lambda one: "".join(c if c.isalnum() and c < "~" else quote(c, safe="").lower() for c in one),
    "url, path": quote,
    "form": quote_plus,
    "url, each character": lambda one: "".join(f"%{byte:02x}" for byte in one.encode()),
    "html": html.escape,
    "html, numbers": lambda one: "".join(f"&#{ord(char)};" for char in one),
    "html, hexadecimal": lambda one: "".join(f"&#x{ord(char):X};" for char in one),
    "xml": lambda one: html.escape(one).replace("&#x27;", "&apos;"),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("name", FORMS)
def test_m7_escaped_forms(name: str, secret: str) -> None:
    text = FORMS[name](secret)
    line = Redactor([secret]).line("stdout", f"a {text} b")
    assert line.startswith("a ")
    assert line.endswith(" b")
    assert line.replace(MASK, "") in ("a  b", 'a "" b', "a '' b", "a $'' b")
    assert contains_secret(text, [secret])
    assert MASK in redact(f"said: {text}", [secret])


@pytest.mark.parametrize("inside", ["\r", "\0", "\b", "\x1b[31m", "\x7f", "\x07", "\0\r"])
@pytest.mark.parametrize("place", range(1, 11))
def test_m7_invisible_characters_inside_do_not_hide_it(inside: str, place: int) -> None:
    secret = "s3cr3t-t0ken"
    redactor = Redactor([secret])
    assert redactor.line("stdout", f"it is {secret[:place]}{inside}{secret[place:]}!") == f"it is {MASK}!"
    wide = secret.encode("utf-16-le").decode("latin-1")
    assert redactor.line("stdout", f"<{wide}>") == f"<{MASK}>"
    assert redactor.line("stdout", f"50%{inside}100%") == f"50%{inside}100%"


@pytest.mark.parametrize("between", ["\r", "\n", "\r\n", "\n\r", "\0"])
def test_m7_a_secret_that_has_them_itself_is_masked_whole_and_by_lines(between: str) -> None:
    secret = f"first-half{between}second-half"
    redactor = Redactor([secret])
    whole = [redactor.line("stdout", line) for line in secret.split("\n")]
    assert "".join(whole).replace(MASK, "").strip("\r\0\n") == ""
    assert redactor.line("stderr", "first-halfsecond-half") == MASK
    assert redactor.line("stderr", json.dumps(secret)).replace(MASK, "").strip('"\\urn0d') == ""


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=6, max_size=20),
    st.sampled_from([name for name in FORMS if name != "python, ascii"]),
)
def test_m7_any_secret_in_any_form(secret: str, name: str) -> None:
    text = FORMS[name](secret)
    assert contains_secret(f"x {text} y", [secret])
    assert MASK in Redactor([secret]).line("stdout", f"x {text} y")


@given(st.text(max_size=60))
def test_m7_a_part_of_the_text_without_escapes_comes_from_a_part_of_it(text: str) -> None:
    for decoded in unescaped(text):
        for start in range(len(decoded.text)):
            begin, end = decoded.span(start, start + 1)
            assert 0 <= begin < end <= len(text)
        if decoded.text:
            assert decoded.span(0, len(decoded.text))[1] <= len(text)


def test_m7_ordinary_lines_with_escapes_stay_as_they_are() -> None:
    redactor = Redactor(SECRETS)
    for line in (
        "C:\\new\\table",
        "50% done &amp; more",
        "a\\",
        "%",
        "&#0;",
        "\\u12",
        "&#x110000;",
        "\\U99999999 \\ud83d",
    ):
        assert redactor.line("stdout", line) == line
