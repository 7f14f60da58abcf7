"""Logins: the chosen agent's own files go in as copies; nothing else does, and the host's stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docker.conftest import MakeEnvironment
from tests.support.cli import Cli

CANARIES = (  # noqa: SIM905 - easier to read than a list
    ".claude/.credentials.json .claude.json .gemini/oauth_creds.json .copilot/config.json .ssh/id_rsa .netrc .npmrc "
    ".git-credentials .aws/credentials .config/gh/hosts.yml .docker/config.json .pypirc .kube/config"
).split()
TOKENS = {"id_token": "a", "access_token": "b", "refresh_token": "c", "account_id": "me"}
LOGIN = {"OPENAI_API_KEY": None, "tokens": TOKENS, "last_refresh": "2026-01-01T00:00:00Z"}
FRESH = LOGIN | {"tokens": TOKENS | {"access_token": "fresh"}, "last_refresh": "2026-02-01T00:00:00Z"}
STUB = """cat >/usr/local/bin/codex <<'END'
#!/bin/sh
grep -rl 'canar[y]' "$HOME" /workspace /run /etc /tmp /opt /var /mnt 2>/dev/null | sed 's/^/found: /'
cat "$HOME/.codex/auth.json"; echo
cat "$HOME/.codex/config.toml"
ls -ln "$HOME/.codex"
echo 'evil = true' >>"$HOME/.codex/config.toml"
cat >"$HOME/.codex/auth.json"
END
chmod +x /usr/local/bin/codex
mkdir -p ~/.codex && echo 'from = "the cached preflight"' >~/.codex/config.toml
"""


@pytest.fixture
def person(tmp_path: Path, ar_home: Path) -> Cli:
    home = tmp_path / "person"
    for name in CANARIES:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"canary of {name}")
    (home / ".codex").mkdir()
    (home / ".codex" / "auth.json").write_text(json.dumps(LOGIN))
    (home / ".codex" / "config.toml").write_text("# canary: the host's own configuration\n")
    return Cli(home=ar_home, env={"HOME": str(home), "CODEX_HOME": ""})


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("cached", ["true", "false"])
def test_s13_s14_only_the_chosen_login_goes_in_and_nothing_comes_back(
    make_environment: MakeEnvironment, person: Cli, tmp_path: Path, cached: str
) -> None:
    name = make_environment(agent="codex", cached_preflight_script=STUB, cache_container_build=cached)
    before = tree(tmp_path / "person")
    done = person("run", name, '{"hooks": "planted"}', "--json")
    assert [line for line in done.log if line.startswith("found: ")] == []
    assert json.dumps(LOGIN) in done.log
    assert 'from = "the cached preflight"' in done.log
    assert any(line.startswith("-rw-------") and line.endswith("auth.json") for line in done.log)
    assert tree(tmp_path / "person") == before


def test_s14_a_refreshed_token_comes_back_whole(
    make_environment: MakeEnvironment, person: Cli, tmp_path: Path
) -> None:
    name = make_environment(agent="codex", cached_preflight_script=STUB)
    before = tree(tmp_path / "person")
    person("run", name, "-", "--json", input=json.dumps(FRESH))
    after = tree(tmp_path / "person")
    assert json.loads(after.pop(".codex/auth.json")) == FRESH
    before.pop(".codex/auth.json")
    assert after == before


def test_an_agent_that_is_not_in_the_image_says_how_to_install_it(
    make_environment: MakeEnvironment, cli: Cli
) -> None:
    done = cli("run", make_environment(agent="claude"), "hello", "--json", check=False)
    assert done.code == 127
    assert "claude is not in the image" in done.result["error"]
    assert "npm install -g @anthropic-ai/claude-code" in done.result["hint"]
