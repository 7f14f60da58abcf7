"""The agents that come with the program: a literal table.

What is said about their behaviour was tried with Codex 0.169, Claude Code 2.1, Copilot CLI 1.0 and Gemini CLI 0.61:
each takes a prompt of 1 MiB on standard input, and every tool is allowed, because the container is the sandbox.
"""

from __future__ import annotations

from agents_runner.agents.model import Agent, LoginFile
from agents_runner.core.task_plan import CONTROL_PATH

_PROGRAMS = CONTROL_PATH + "/in"

CODEX = Agent(
    name="codex",
    title="Codex",
    # A `-` for the prompt reads standard input.
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
    login_hint="Run `codex login` on this machine.",
    check=("codex", "--version"),
    install_hint="Add `npm install -g @openai/codex` to the cached preflight.",
)

CLAUDE = Agent(
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
    login_hint="Run `claude` on this machine and log in, or give the environment an ANTHROPIC_API_KEY.",
    check=("claude", "--version"),
    # The image says which version runs.
    environment={"DISABLE_AUTOUPDATER": "1"},
    # As root it refuses to skip its questions unless told that it is in a sandbox, which it is.
    root_environment={"IS_SANDBOX": "1"},
    install_hint="Add `npm install -g @anthropic-ai/claude-code` to the cached preflight.",
)

COPILOT = Agent(
    name="copilot",
    title="GitHub Copilot",
    # Without -p it takes standard input as the prompt. --allow-all-tools would deny every path outside the
    # workspace and every URL, because nobody is there to be asked.
    argv=("copilot", "--allow-all", "--no-ask-user", "--no-color", "--output-format", "json", "{args}"),
    # Where the system has a keyring the token is in there, and the file holds only what the program remembers.
    login=(
        LoginFile(
            path=".copilot/config.json", home_variable="COPILOT_HOME", words=("copilotTokens", "copilot_tokens")
        ),
    ),
    login_hint="Give the environment a COPILOT_GITHUB_TOKEN; a login in the system's keyring cannot be taken along.",
    check=("copilot", "--version"),
    environment={"COPILOT_AUTO_UPDATE": "false"},
    install_hint="Add `npm install -g @github/copilot` to the cached preflight.",
)

GEMINI = Agent(
    name="gemini",
    title="Gemini",
    argv=("gemini", "--yolo", "--output-format", "stream-json", "{args}"),
    # Which kind of login to use is in settings.json, beside much else that is not to go along; the variable says it.
    login=(
        LoginFile(
            path=".gemini/oauth_creds.json",
            home_variable="GEMINI_CLI_HOME",
            variable_path=".gemini/oauth_creds.json",
            environment={"GOOGLE_GENAI_USE_GCA": "true"},
        ),
        LoginFile(
            path=".gemini/google_accounts.json",
            home_variable="GEMINI_CLI_HOME",
            variable_path=".gemini/google_accounts.json",
            required=False,
        ),
    ),
    login_hint="Run `gemini` on this machine and log in, or give the environment a GEMINI_API_KEY.",
    check=("gemini", "--version"),
    # In a folder that it does not trust it takes --yolo back, and then refuses to start without a terminal.
    environment={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    install_hint="Add `npm install -g @google/gemini-cli` to the cached preflight; it needs Node.js 20 or newer.",
)

SHELL = Agent(
    name="shell",
    title="Shell script",
    argv=("/bin/sh", f"{_PROGRAMS}/shell.sh", "{prompt_file}"),
    program="shell.sh",
)

DEMO = Agent(name="demo", title="Demo", argv=("/bin/sh", f"{_PROGRAMS}/demo.sh"), program="demo.sh")

BUILTIN: dict[str, Agent] = {agent.name: agent for agent in (CODEX, CLAUDE, COPILOT, GEMINI, SHELL, DEMO)}
