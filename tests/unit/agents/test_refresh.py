"""S14: of what an agent leaves in its login file, only a refreshed token of the same account comes back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.agents.refresh import MAX_FILE, MAX_VALUE, RULES, accept_refresh

CODEX: dict[str, Any] = {
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": None,
    "tokens": {
        "id_token": "eyJ.old.id",
        "access_token": "eyJ.old.access",
        "refresh_token": "rt_old",
        "account_id": "11111111-2222-3333-4444-555555555555",
    },
    "last_refresh": "2026-03-01T10:00:00.123456789Z",
}
CLAUDE: dict[str, Any] = {
    "claudeAiOauth": {
        "accessToken": "sk-ant-oat01-old",
        "refreshToken": "sk-ant-ort01-old",
        "expiresAt": 1_790_000_000_000,
        "refreshTokenExpiresAt": 1_799_000_000_000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
        "subscriptionTypeSource": "profile",
        "subscriptionTypeVerifiedAt": 1_789_000_000_000,
        "rateLimitTier": None,
        "clientId": "00000000-1111-2222-3333-444444444444",
        "accountUuid": "11111111-2222-3333-4444-555555555555",
    },
    "mcpOAuth": {"tracker|1": {"accessToken": "t", "serverUrl": "https://tracker.example"}},
}
GEMINI: dict[str, Any] = {
    "access_token": "ya29.old",
    "refresh_token": "1//old",
    "scope": "openid email",
    "token_type": "Bearer",
    "id_token": "eyJ.old.id",
    "expiry_date": 1_790_000_000_000,
}
FILES = {".codex/auth.json": CODEX, ".claude/.credentials.json": CLAUDE, ".gemini/oauth_creds.json": GEMINI}
REFRESHED: dict[str, dict[str, Any]] = {
    ".codex/auth.json": {
        "tokens.id_token": "eyJ.new.id",
        "tokens.access_token": "eyJ.new.access",
        "tokens.refresh_token": "rt_new",
        "last_refresh": "2026-03-09T10:00:00Z",
    },
    ".claude/.credentials.json": {
        "claudeAiOauth.accessToken": "sk-ant-oat01-new",
        "claudeAiOauth.refreshToken": "sk-ant-ort01-new",
        "claudeAiOauth.expiresAt": 1_790_000_030_000,
        "claudeAiOauth.refreshTokenExpiresAt": 1_799_900_000_000,
        "claudeAiOauth.subscriptionTypeVerifiedAt": 1_789_900_000_000,
    },
    ".gemini/oauth_creds.json": {
        "access_token": "ya29.new",
        "id_token": "eyJ.new.id",
        "expiry_date": 1_790_000_030_000,
    },
}
GONE = object()


def changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with dotted places set, or taken out."""
    copied = copy.deepcopy(value)
    for place, new in changes.items():
        *folders, last = place.split(".")
        inner = copied
        for folder in folders:
            inner = inner[folder]
        if new is GONE:
            del inner[last]
        else:
            inner[last] = new
    return copied


def raw(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()


def accepted(name: str, changes: dict[str, Any], old: dict[str, Any] | None = None) -> bool:
    before = FILES[name] if old is None else old
    return accept_refresh(name, raw(before), raw(changed(before, changes)))


@pytest.mark.parametrize("name", FILES)
def test_a_refreshed_token_comes_back(name: str) -> None:
    assert accepted(name, REFRESHED[name])


@pytest.mark.parametrize("name", FILES)
def test_the_order_of_the_keys_does_not_count(name: str) -> None:
    new = dict(reversed(changed(FILES[name], REFRESHED[name]).items()))
    assert accept_refresh(name, raw(FILES[name]), json.dumps(new).encode())


@pytest.mark.parametrize("name", FILES)
def test_it_has_to_be_newer(name: str) -> None:
    place = ".".join(RULES[name].newer)
    older: list[Any] = ["2026-02-01T00:00:00Z", "2026-03-01T10:00:00.123456789Z", "soon", "", "9999999999", None, 5]
    if name != ".codex/auth.json":
        older = [1_789_999_999_999, 1_790_000_000_000, -1, 10**14, "1790000030000", None, True]
    for value in older:
        assert not accepted(name, REFRESHED[name] | {place: value}), value
    assert not accepted(name, {})


def test_times_are_compared_as_times() -> None:
    def newer(old: str, new: str) -> bool:
        return accepted(".codex/auth.json", {"last_refresh": new}, changed(CODEX, {"last_refresh": old}))

    assert newer("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.5Z")
    assert newer("2026-03-01T10:00:00+02:00", "2026-03-01T09:00:00Z")
    assert not newer("2026-03-01T09:00:00Z", "2026-03-01T10:00:00+02:00")
    assert newer("2026-03-01T10:00:00", "2026-03-01T10:00:01Z")


# -- everything else is refused -------------------------------------------------------------------------------

HARMFUL: list[tuple[str, dict[str, Any]]] = [
    (".codex/auth.json", {"tokens.account_id": "99999999-2222-3333-4444-555555555555"}),
    (".codex/auth.json", {"tokens.account_id": None}),
    (".codex/auth.json", {"OPENAI_API_KEY": "sk-somebody-elses"}),
    (".codex/auth.json", {"auth_mode": "apikey"}),
    (".codex/auth.json", {"base_url": "https://evil.example"}),
    (".codex/auth.json", {"tokens.extra": "x"}),
    (".codex/auth.json", {"tokens.refresh_token": GONE}),
    (".codex/auth.json", {"auth_mode": GONE}),
    (".codex/auth.json", {"tokens": "rt_new"}),
    (".codex/auth.json", {"tokens": None}),
    (".claude/.credentials.json", {"claudeAiOauth.scopes": ["user:inference", "org:create_api_key"]}),
    (".claude/.credentials.json", {"claudeAiOauth.subscriptionType": "free"}),
    (".claude/.credentials.json", {"claudeAiOauth.accountUuid": "99999999-2222-3333-4444-555555555555"}),
    (".claude/.credentials.json", {"claudeAiOauth.accountUuid": GONE}),
    (".claude/.credentials.json", {"claudeAiOauth.clientId": "somebody-else"}),
    (".claude/.credentials.json", {"claudeAiOauth.expiresAt": "1790000030000"}),
    (".claude/.credentials.json", {"mcpOAuth": {}}),
    (".claude/.credentials.json", {"mcpOAuth.tracker|1": {"accessToken": "t", "serverUrl": "https://evil.example"}}),
    (".claude/.credentials.json", {"hooks": {"PreToolUse": [{"command": "id"}]}}),
    (".claude/.credentials.json", {"apiKeyHelper": "curl evil.example"}),
    (".gemini/oauth_creds.json", {"scope": "openid email https://mail.google.com/"}),
    (".gemini/oauth_creds.json", {"token_type": "MAC"}),
    (".gemini/oauth_creds.json", {"type": "external_account"}),
    (".gemini/oauth_creds.json", {"refresh_token": GONE}),
]


@pytest.mark.parametrize(("name", "change"), HARMFUL)
def test_another_change_beside_the_tokens_is_refused(name: str, change: dict[str, Any]) -> None:
    new = changed(changed(FILES[name], REFRESHED[name]), change)
    assert not accept_refresh(name, raw(FILES[name]), raw(new))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        5,
        True,
        ["t"],
        {"a": "b"},
        "two\nlines",
        "nul\0",
        "\x1b[31m",
        "\u202e",
        "x" * (MAX_VALUE + 1),
        "\ud800",
    ],
)
def test_a_token_is_one_line_of_sane_size(name: str, value: object) -> None:
    for place in (".".join(where) for where in RULES[name].tokens):
        assert not accepted(name, REFRESHED[name] | {place: value})


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "new",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"not json",
        b"\xff\xfe{}",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"\0" * 100,
    ],
)
def test_what_is_no_such_file_is_refused(name: str, new: bytes) -> None:
    assert not accept_refresh(name, raw(FILES[name]), new)
    assert not accept_refresh(name, new, raw(FILES[name]))
    assert not accept_refresh(name, new, new)


def test_a_file_that_grew_is_refused() -> None:
    new = raw(changed(CODEX, REFRESHED[".codex/auth.json"]))
    assert accept_refresh(".codex/auth.json", raw(CODEX), new)
    assert not accept_refresh(".codex/auth.json", raw(CODEX), new + b" " * MAX_FILE)


def test_a_key_that_stands_twice_is_refused() -> None:
    new = raw(changed(CODEX, REFRESHED[".codex/auth.json"])).decode()
    twice = new.replace('"refresh_token"', '"refresh_token": "other", "refresh_token"')
    assert json.loads(twice) == json.loads(new)
    assert not accept_refresh(".codex/auth.json", raw(CODEX), twice.encode())


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(constant: str) -> None:
    new = raw(changed(GEMINI, REFRESHED[".gemini/oauth_creds.json"])).decode().replace("1790000030000", constant)
    assert not accept_refresh(".gemini/oauth_creds.json", raw(GEMINI), new.encode())


def test_an_account_without_a_name_cannot_be_compared() -> None:
    old = changed(CODEX, {"tokens.account_id": None})
    assert not accepted(".codex/auth.json", REFRESHED[".codex/auth.json"], old)


@pytest.mark.parametrize("value", [None, {"tokens": None, "last_refresh": None}, {"tokens": {}}])
def test_an_api_key_alone_is_never_refreshed(value: object) -> None:
    old = {"OPENAI_API_KEY": "sk-old"} | (value if isinstance(value, dict) else {})
    assert not accept_refresh(".codex/auth.json", raw(old), raw(old | {"OPENAI_API_KEY": "sk-new"}))


@pytest.mark.parametrize(
    "path",
    ["/home/me/.copilot/config.json", "/home/me/.codex/config.toml", "/home/me/.claude/settings.json", "", "/"],
)
def test_other_files_never_come_back(path: str) -> None:
    for name, value in FILES.items():
        assert not accept_refresh(path, raw(value), raw(changed(value, REFRESHED[name])))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(name=st.sampled_from(sorted(FILES)), old=st.binary(max_size=60), new=st.binary(max_size=60))
def test_no_bytes_are_too_strange(name: str, old: bytes, new: bytes) -> None:
    assert not accept_refresh(name, old, new)


@given(name=st.sampled_from(sorted(FILES)), data=st.data(), value=JSON)
def test_whatever_stands_elsewhere_is_refused(name: str, data: st.DataObject, value: object) -> None:
    rule, old = RULES[name], FILES[name]
    new = changed(old, REFRESHED[name])
    folder = data.draw(st.sampled_from([key for key in ("", "tokens", "claudeAiOauth") if not key or key in old]))
    free = {
        where[-1] for where in (*rule.tokens, *rule.times, rule.newer) if where[:-1] == ((folder,) if folder else ())
    }
    inner = new[folder] if folder else new
    key = data.draw(st.sampled_from(sorted(set(inner) - free)) | st.text(max_size=8))
    if key in free or inner.get(key, GONE) == value or (folder == "" and isinstance(inner.get(key), dict)):
        return
    inner[key] = value
    assert not accept_refresh(name, raw(old), raw(new))
