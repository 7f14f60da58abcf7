"""Which agents there are, and what a container is given to start one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents_runner.agents import registry
from agents_runner.agents.builtin import BUILTIN
from agents_runner.core.errors import InvalidInput
from agents_runner.core.settings import CustomAgent, Settings
from agents_runner.core.task_plan import AgentLaunch

OWN = CustomAgent(
    argv=("mytool", "--ask", "{prompt_file}"), login=(".mytool/auth.json",), environment={"MODE": "batch"}
)
SETTINGS = Settings(agents={"mytool": OWN})

ARGV = {
    "codex": [
        "codex",
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        "A",
        "-",
    ],
    "claude": ["claude", "-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions", "A"],
    "copilot": ["copilot", "--allow-all", "--no-ask-user", "--no-color", "--output-format", "json", "A"],
    "gemini": ["gemini", "--yolo", "--output-format", "stream-json", "A"],
    "shell": ["/bin/sh", "/run/agents-runner/in/shell.sh", "{prompt_file}", "A"],
    "demo": ["/bin/sh", "/run/agents-runner/in/demo.sh", "A"],
    "mytool": ["mytool", "--ask", "{prompt_file}", "A"],
}
LOGINS = {
    "codex": [".codex/auth.json"],
    "claude": [".claude/.credentials.json"],
    "copilot": [".copilot/config.json"],
    "gemini": [".gemini/google_accounts.json", ".gemini/oauth_creds.json"],
    "shell": [],
    "demo": [],
    "mytool": [".mytool/auth.json"],
}
OTHERS = (
    ".ssh/id_ed25519",
    ".aws/credentials",
    ".kube/config",
    ".docker/config.json",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".gitconfig",
    ".config/gh/hosts.yml",
    ".config/gcloud/credentials.db",
    ".azure/accessTokens.json",
    ".cargo/credentials.toml",
    ".claude.json",
    ".claude/settings.json",
    ".codex/config.toml",
    ".gemini/settings.json",
    ".gemini/.env",
    ".copilot/settings.json",
    ".copilot/mcp-config.json",
)
CANARY = "canary-copilotTokens-value"


def launch(name: str, home: Path, args: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> AgentLaunch:
    return registry.launch(registry.resolve(name, SETTINGS), args=args, home=home, environ=environ or {})


def put(path: Path, text: str = CANARY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with every agent's login and much that is nobody's business."""
    for path in (*OTHERS, *(path for paths in LOGINS.values() for path in paths)):
        put(tmp_path / path)
    return tmp_path


# -- names ----------------------------------------------------------------------------------------------------


def test_the_built_in_agents_come_first() -> None:
    names = ("codex", "claude", "copilot", "gemini", "shell", "demo")
    assert registry.agent_names(Settings()) == names
    assert registry.agent_names(SETTINGS) == (*names, "mytool")
    assert registry.agent_names(Settings(agents={"codex": OWN})) == names


def test_the_persons_own_agent_wins() -> None:
    assert registry.resolve("codex", Settings(agents={"codex": OWN})).argv == OWN.argv
    assert registry.resolve("codex", Settings()) is BUILTIN["codex"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cluade", "Did you mean claude?"),
        ("mytol", "Did you mean mytool?"),
        ("", "There are codex, claude, copilot, gemini, shell, demo, mytool."),
        ("nothing like it", "There are codex, claude, copilot, gemini, shell, demo, mytool."),
    ],
)
def test_an_unknown_agent_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        registry.resolve(name, SETTINGS)
    assert (caught.value.field, caught.value.hint) == ("agent", hint)
    assert repr(name) in caught.value.message


@pytest.mark.parametrize("path", ["/etc/shadow", "~/.ssh/id", "../other/.codex/auth.json", ".a/../../b"])
def test_an_own_agents_login_stays_below_the_home(path: str) -> None:
    with pytest.raises(InvalidInput, match="not below the home"):
        registry.resolve("x", Settings(agents={"x": CustomAgent(argv=("x",), login=(path,))}))


@pytest.mark.parametrize(
    "own",
    [
        CustomAgent(argv=("",)),
        CustomAgent(argv=("x", "a\0b")),
        CustomAgent(argv=("x",), environment={"A B": "1"}),
        CustomAgent(argv=("x",), environment={"AGENTS_RUNNER_TASK_ID": "1"}),
    ],
)
def test_an_own_agent_that_cannot_be_started_is_refused(own: CustomAgent) -> None:
    with pytest.raises(InvalidInput) as caught:
        registry.resolve("x", Settings(agents={"x": own}))
    assert caught.value.field == "agent"


# -- what is started ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARGV)
def test_argv(name: str, tmp_path: Path) -> None:
    assert list(launch(name, tmp_path, ("A",)).argv) == ARGV[name]
    assert list(launch(name, tmp_path).argv) == [word for word in ARGV[name] if word != "A"]


@pytest.mark.parametrize("name", ["codex", "claude", "copilot", "gemini"])
def test_a_missing_agent_has_a_hint(name: str, tmp_path: Path) -> None:
    assert "npm install -g @" in launch(name, tmp_path).install_hint
    assert BUILTIN[name].check == (name, "--version")


def test_variables(tmp_path: Path) -> None:
    assert launch("claude", tmp_path).root_environment == {"IS_SANDBOX": "1"}
    assert launch("claude", tmp_path).environment == {"DISABLE_AUTOUPDATER": "1"}
    assert launch("gemini", tmp_path).environment == {"GEMINI_CLI_TRUST_WORKSPACE": "true"}
    assert launch("mytool", tmp_path).environment == {"MODE": "batch"}


@pytest.mark.parametrize(("name", "program"), [("shell", "shell.sh"), ("demo", "demo.sh")])
def test_our_own_programs_go_along(name: str, program: str, tmp_path: Path) -> None:
    files = launch(name, tmp_path).files
    assert list(files) == [program]
    assert files[program].startswith("#!/bin/sh\n")


def test_it_survives_the_disk(home: Path) -> None:
    for name in ARGV:
        one = launch(name, home, ("--model", "x y"))
        assert AgentLaunch.model_validate_json(one.model_dump_json()) == one


# -- logins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOGINS)
def test_s13_only_the_chosen_agents_login_goes_along(name: str, home: Path) -> None:
    one = launch(name, home)
    assert sorted(one.login) == LOGINS[name]
    assert {Path(path) for path in one.login.values()} == {home / path for path in LOGINS[name]}
    assert CANARY not in one.model_dump_json()


def test_without_a_login_nothing_goes_along(tmp_path: Path) -> None:
    assert all(launch(name, tmp_path).login == {} for name in LOGINS)


def test_gemini_is_told_to_use_the_login(home: Path) -> None:
    assert launch("gemini", home).environment["GOOGLE_GENAI_USE_GCA"] == "true"


def test_copilots_file_without_a_token_stays_here(home: Path) -> None:
    put(home / ".copilot/config.json", '{"firstLaunchAt": "2026-01-01T00:00:00.000Z"}')
    assert launch("copilot", home).login == {}


@pytest.mark.parametrize(
    ("name", "variable", "path", "target"),
    [
        ("codex", "CODEX_HOME", "auth.json", ".codex/auth.json"),
        ("claude", "CLAUDE_CONFIG_DIR", ".credentials.json", ".claude/.credentials.json"),
        ("copilot", "COPILOT_HOME", "config.json", ".copilot/config.json"),
        ("gemini", "GEMINI_CLI_HOME", ".gemini/oauth_creds.json", ".gemini/oauth_creds.json"),
    ],
)
def test_a_moved_configuration_folder_is_found(
    name: str, variable: str, path: str, target: str, home: Path, tmp_path: Path
) -> None:
    moved = put(tmp_path / "else where" / path)
    environ = {variable: str(tmp_path / "else where")}
    assert launch(name, home, environ=environ).login[target] == str(moved)
    # The variable counts, also where the folder is empty: the agent here would find no login either.
    assert launch(name, home, environ={variable: str(tmp_path / "empty")}).login == {}
    assert launch(name, home, environ={variable: ""}).login[target] == str(home / target)


def test_what_is_no_regular_file_of_sane_size_stays_here(home: Path) -> None:
    login = home / ".codex/auth.json"
    login.write_bytes(b" " * (registry.MAX_LOGIN_BYTES + 1))
    assert launch("codex", home).login == {}
    login.unlink()
    login.mkdir()
    assert launch("codex", home).login == {}
    login.rmdir()
    os.mkfifo(login)
    assert launch("codex", home).login == {}
    login.unlink()
    login.symlink_to(home / "nowhere")
    assert launch("codex", home).login == {}
    login.unlink()
    login.symlink_to(login)
    assert launch("codex", home).login == {}


def test_a_link_is_followed_to_the_file(home: Path) -> None:
    real = put(home / "dotfiles/codex/auth.json")
    (home / ".codex/auth.json").unlink()
    (home / ".codex/auth.json").symlink_to(real)
    assert launch("codex", home).login == {".codex/auth.json": str(real)}


def test_the_state_of_the_logins(home: Path, tmp_path: Path) -> None:
    found = {name: (there, text) for name, there, text in registry.logins(home, {})}
    assert found["claude"] == (True, "logged in (~/.claude/.credentials.json)")
    assert list(found) == ["codex", "claude", "copilot", "gemini"]
    assert all(there for there, _ in found.values())

    missing = {name: (there, text) for name, there, text in registry.logins(tmp_path / "nobody", {})}
    assert not any(there for there, _ in missing.values())
    assert missing["codex"][1] == "no login on this machine (~/.codex/auth.json). Run `codex login` on this machine."
    assert "COPILOT_GITHUB_TOKEN" in missing["copilot"][1]
    assert registry.host_login_state(BUILTIN["shell"], tmp_path) == (True, "needs no login")
    own = registry.resolve("mytool", SETTINGS)
    assert registry.host_login_state(own, tmp_path / "nobody", {})[0] is False
    assert CANARY not in repr(found)
