"""Addresses of repositories: which git is given, and what of one is ever shown."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents_runner.core.errors import InvalidInput
from agents_runner.core.redaction import MASK
from agents_runner.core.repository_url import (
    check_branch,
    check_url,
    holds_credentials,
    protocols,
    shown_fields,
    shown_url,
    without_credentials,
)

TOKEN = "ghp_s3cr3tTOKENs3cr3tTOKEN0123456789"
GOOD = (
    "https://git.example/team/project.git",
    "https://git.example:8443/team/project.git",
    "https://team@dev.example.com/team/project/_git/project",
    "https://git.example/@scope/project",
    "https://git.example:8443/@scope/project",
    "https://git.example/a:b@c",
    "https://[::1]:8443/@scope/project",
    "ssh://git@git.example:2222/team/project.git",
    "git@git.example:team/project.git",
    "git@git.example:team/a@b:c.git",
    "/srv/repositories/a b:c@d",
    "file:///srv/repositories/project",
    "http://127.0.0.1:8080/project.git",
    "http://localhost/project",
    "http://[::1]:8080/project",
    "https://git.example/projékt?ref=a@b:c",
)
WITH_CREDENTIALS = (
    f"https://user:{TOKEN}@git.example/p.git",
    f"http://user:{TOKEN}@git.example/p.git",
    f"http://user:{TOKEN}@127.0.0.1:8080/p.git",
    f"https://:{TOKEN}@git.example/p.git",
    f"https://{TOKEN}@git.example/p.git",
    f"https://{TOKEN}:x-oauth-basic@git.example/p.git",
    f"https://user%3A{TOKEN}@git.example/p.git",
    f"https://user:{TOKEN}%40%2f@git.example/p.git",
    f"https://user:{TOKEN}@more@git.example/p.git",
    f"https://user:{TOKEN}/more@git.example/p.git",
    f"https://user:12/{TOKEN}@git.example/p.git",
    f"https://user:a/{TOKEN}/@x/@git.example/p.git",
    f"https://user:{TOKEN}?a#b@git.example/p.git",
    f"https://me@corp.example:{TOKEN}@git.example/p.git",
    f"HTTPS://user:{TOKEN}@git.example/p.git",
    f"ssh://git:{TOKEN}@git.example/p.git",
    f"git://user:{TOKEN}@git.example/p.git",
    f"file://user:{TOKEN}@/srv/p",
    f"user:{TOKEN}@git.example:p.git",
    f"user:{TOKEN}/more@git.example:p.git",
    f"https://git.example/p.git?access_token={TOKEN}",
    f"https://git.example/p.git?a=b&private_token={TOKEN}#x",
)


@pytest.mark.parametrize("url", GOOD)
def test_m4_an_address_without_credentials_is_git_s(url: str) -> None:
    assert check_url(url) == url
    assert not holds_credentials(url)


@pytest.mark.parametrize("url", WITH_CREDENTIALS)
def test_m4_a_password_in_an_address_is_refused_and_shown_nowhere(url: str) -> None:
    assert holds_credentials(url)
    with pytest.raises(InvalidInput) as error:
        check_url(url)
    assert error.value.field == "workspace"
    assert "secrets" in error.value.hint
    assert "credential helper" in error.value.hint
    said = f"fatal: unable to access '{url}': The requested URL returned error: 403"
    shown = str(shown_fields({"workspace": {"type": "git", "url": url}, "name": "x"}))
    for text in (
        error.value.message,
        error.value.hint,
        shown_url(url),
        shown,
        *([without_credentials(said)] * ("://" in url)),
    ):
        assert TOKEN not in text
        assert "more" not in text
    ends = ("git.example/p.git", "127.0.0.1:8080/p.git", "/srv/p", "example:p.git", "***", "#x")
    assert shown_url(url).endswith(ends)


@pytest.mark.parametrize(
    "url",
    [
        "http://git.example/p.git",
        "http://127.0.0.1.evil.example/p",
        "http://localhost.evil.example/p",
        "git://git.example/p.git",
        "ext::sh -c id",
        "--upload-pack=id",
        "-b",
        "https://git.example/p\0q",
        "https://git.example/p\x1b[2J",
        "https://git.example/p q",
        "/srv/p\0q",
        "/srv/p\nq",
        "ftp://git.example/p",
        "",
        "relative/path",
    ],
)
def test_m4_other_addresses_are_refused_at_the_field(url: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_url(url)
    assert error.value.field == "workspace"


def test_m4_what_git_may_speak() -> None:
    assert protocols("https://git.example/p") == protocols("ssh://git.example/p") == "https:ssh:file"
    assert protocols("http://127.0.0.1:1/p") == "https:ssh:file:http"


def test_m4_other_words_of_a_line_stay() -> None:
    line = "Cloning 'https://git.example/p' to me@example.com: 50% of http://a.example/@x"
    assert without_credentials(line) == line
    assert without_credentials("from ssh://git@git.example/p now") == "from ssh://git.example/p now"
    assert without_credentials("see https://h.example/p?token=abc&x=1") == f"see https://h.example/p?token={MASK}&x=1"


SECRET = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=4, max_size=20).filter(
    lambda text: not text.isdigit() and text not in "https://git.example/p.git"
)


@example("/000", "https", "user")
@given(SECRET, st.sampled_from(["https", "http", "ssh"]), st.sampled_from(["user", "", "a.b@c.example"]))
def test_m4_whatever_the_password_is_made_of(secret: str, scheme: str, user: str) -> None:
    url = f"{scheme}://{user}:{secret}x@git.example/p.git"
    assert holds_credentials(url)
    assert secret not in shown_url(url).replace("https://git.example/p.git", "").replace(
        "ssh://git.example/p.git", ""
    )
    with pytest.raises(InvalidInput):
        check_url(url)


@pytest.mark.parametrize(
    "branch", ["--upload-pack=x", "-b", "/x", "a..b", "a b", "a\0b", "a\nb", "x.lock", "x/", "a\x1bb"]
)
def test_m4_a_branch_is_a_name(branch: str) -> None:
    with pytest.raises(InvalidInput) as error:
        check_branch(branch)
    assert error.value.field == "workspace"
