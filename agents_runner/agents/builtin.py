"""The agents that come with the program: a literal table."""

from __future__ import annotations

from agents_runner.agents.model import Agent, LoginFile
from agents_runner.core.launch import CONTROL_PATH

_PROGRAMS = CONTROL_PATH + "/in"

BUILTIN: dict[str, Agent] = {
    agent.name: agent
    for agent in (
        Agent(
            name="codex",
            title="Codex",
            # The container is the sandbox; a `-` for the prompt reads standard input.
            argv=(
                "codex",
                "exec",
                "--json",
                "--skip-git-repo-check",
                "--dangerously-bypass-approvals-and-sandbox",
                "{args}",
                "-",
            ),
            login=(LoginFile(path=".codex/auth.json", home_variable="CODEX_HOME"),),
            check=("codex", "--version"),
            install_hint="Add `npm install -g @openai/codex` to the cached preflight.",
        ),
        Agent(
            name="claude",
            title="Claude Code",
            argv=(
                "claude",
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--dangerously-skip-permissions",
                "{args}",
            ),
            login=(LoginFile(path=".claude/.credentials.json", home_variable="CLAUDE_CONFIG_DIR"),),
            check=("claude", "--version"),
            # As root it refuses to skip its questions unless told that it is in a sandbox, which it is.
            root_environment={"IS_SANDBOX": "1"},
            install_hint="Add `npm install -g @anthropic-ai/claude-code` to the cached preflight.",
        ),
        Agent(
            name="copilot",
            title="GitHub Copilot",
            argv=("copilot", "--allow-all-tools", "--no-color", "{args}"),
            login=(LoginFile(path=".copilot/config.json", home_variable="COPILOT_HOME"),),
            check=("copilot", "--version"),
            install_hint="Add `npm install -g @github/copilot` to the cached preflight.",
        ),
        Agent(
            name="gemini",
            title="Gemini",
            argv=("gemini", "--yolo", "--output-format", "stream-json", "{args}"),
            login=(
                LoginFile(path=".gemini/oauth_creds.json"),
                LoginFile(path=".gemini/google_accounts.json", required=False),
                LoginFile(path=".gemini/settings.json", required=False),
            ),
            check=("gemini", "--version"),
            install_hint="Add `npm install -g @google/gemini-cli` to the cached preflight.",
        ),
        Agent(
            name="shell",
            title="Shell script",
            argv=("/bin/sh", f"{_PROGRAMS}/shell.sh", "{prompt_file}"),
            program="shell.sh",
        ),
        Agent(name="demo", title="Demo", argv=("/bin/sh", f"{_PROGRAMS}/demo.sh"), program="demo.sh"),
    )
}
