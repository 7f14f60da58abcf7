"""Which changed login comes back to the host: a refreshed token of the same account, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents_runner.agents.refresh import accept_refresh
from agents_runner.runner.tasks.login import write_refreshed

TOKENS: dict[str, Any] = {"id_token": "a", "access_token": "b", "refresh_token": "c", "account_id": "me"}
OLD: dict[str, Any] = {"OPENAI_API_KEY": None, "tokens": TOKENS, "last_refresh": "2026-01-01T00:00:00Z"}
FRESH = TOKENS | {"access_token": "B", "refresh_token": "C"}
NEW = OLD | {"tokens": FRESH, "last_refresh": "2026-02-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"last_refresh": "2025-01-01T00:00:00Z"}, False),
        ({"last_refresh": OLD["last_refresh"]}, False),
        ({"tokens": FRESH | {"account_id": "other"}}, False),
        ({"tokens": FRESH | {"extra": "x"}}, False),
        ({"tokens": FRESH | {"access_token": "x" * 200_000}}, False),
        ({"tokens": FRESH | {"access_token": "a\nb"}}, False),
        ({"tokens": FRESH | {"access_token": ""}}, False),
        ({"tokens": "x"}, False),
        ({"OPENAI_API_KEY": "planted"}, False),
        ({"hooks": {"x": "rm"}}, False),
    ],
)
def test_s14_only_a_refreshed_token_comes_back(tmp_path: Path, change: dict[str, Any], accepted: bool) -> None:
    host = tmp_path / ".codex" / "auth.json"
    host.parent.mkdir()
    old, new = json.dumps(OLD).encode(), json.dumps(NEW | change).encode()
    host.write_bytes(old)
    host.chmod(0o600)
    write_refreshed("codex", ".codex/auth.json", str(host), old, new)
    assert host.read_bytes() == (new if accepted else old)
    assert host.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in host.parent.iterdir()] == ["auth.json"]


def test_s14_a_login_elsewhere_keeps_its_rule(tmp_path: Path) -> None:
    host = tmp_path / "auth.json"
    host.write_bytes(json.dumps(OLD).encode())
    write_refreshed("codex", ".codex/auth.json", str(host), json.dumps(OLD).encode(), json.dumps(NEW).encode())
    assert json.loads(host.read_bytes()) == NEW


def test_s14_a_login_that_changed_meanwhile_counts_more(tmp_path: Path) -> None:
    host = tmp_path / "auth.json"
    host.write_bytes(b"newer still")
    write_refreshed("codex", ".codex/auth.json", str(host), json.dumps(OLD).encode(), json.dumps(NEW).encode())
    assert host.read_bytes() == b"newer still"


@given(st.binary(max_size=200))
def test_s14_nothing_else_is_ever_accepted(data: bytes) -> None:
    for path in (".codex/auth.json", ".claude/.credentials.json", ".gemini/oauth_creds.json", ".bashrc"):
        assert not accept_refresh(path, json.dumps(OLD).encode(), data)
