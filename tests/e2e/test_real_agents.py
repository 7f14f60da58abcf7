"""The whole task of each real agent: installed by a cached preflight, its model on the address of the bridge."""

from __future__ import annotations

import ipaddress
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import pytest

from tests.e2e.models import claude_model, codex_model, gemini_model
from tests.e2e.models.loopback import Served
from tests.support.agents import SET_UP
from tests.support.cli import Cli, Done

# A step of its own, on the one that all share. Gemini needs a newer Node.js than Debian 12 has.
MORE = """# step: more agents
npm install -g node@22
hash -r
npm install -g @google/gemini-cli @github/copilot
"""
CODEX = """
mkdir -p ~/.codex
cat >~/.codex/config.toml <<END
model = "stub"
model_provider = "stub"
[model_providers.stub]
name = "stub"
base_url = "$MODEL/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
END
export OPENAI_API_KEY=not-a-real-key
"""
CLAUDE = """
export ANTHROPIC_BASE_URL="$MODEL" ANTHROPIC_API_KEY=not-a-real-key CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
"""
COPILOT = """
export COPILOT_OFFLINE=true COPILOT_PROVIDER_BASE_URL="$MODEL/v1" COPILOT_PROVIDER_WIRE_API=responses
export COPILOT_PROVIDER_API_KEY=not-a-real-key COPILOT_MODEL=gpt-5.4
"""
GEMINI = """
mkdir -p ~/.gemini
echo '{"security": {"auth": {"selectedType": "gemini-api-key"}}}' >~/.gemini/settings.json
export GOOGLE_GEMINI_BASE_URL="$MODEL" GEMINI_API_KEY=not-a-real-key GEMINI_MODEL=gemini-2.5-pro
"""
PROMPT = (
    "--help \"quoted\" 'prompt' \\ with `touch canary` and $(touch canary)\n\n"
    "\tindented, \U0001f600, שלום, e\u0301, and 100% of it arrives"
)
LONG_PROMPT = (
    "".join(f"{number:07d} 'line' $(touch canary) `id`\n" for number in range(29_000))[: 1024 * 1024] + "end."
)
MADE = "made by an agent\n"
RIGHTS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
COMMAND = (
    f"grep -E '^({'|'.join(RIGHTS)}):' /proc/self/status >rights.txt; "
    "printf 'made by an agent\\n' >made.txt; git --version; pwd"
)

Serve = Callable[[str, int, str], AbstractContextManager[Served]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One agent: its model, what its run preflight sets, what its image needs."""

    agent: str
    serve: Serve
    settings: str
    set_up: str = SET_UP
    exact: bool = True
    """False for a program that itself takes the white space at the prompt's ends away and puts words before it."""


CASES = {
    case.agent: case
    for case in (
        Case(agent="codex", serve=codex_model.serve, settings=CODEX),
        Case(agent="claude", serve=claude_model.serve, settings=CLAUDE),
        Case(agent="copilot", serve=codex_model.serve, settings=COPILOT, set_up=SET_UP + MORE, exact=False),
        Case(agent="gemini", serve=gemini_model.serve, settings=GEMINI, set_up=SET_UP + MORE),
    )
}


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who runs the command line, and where that person's workspace is."""

    cli: Cli
    workspace: Path
    uid: int
    gid: int
    scripts: Path

    def environment(self, case: Case, base: str, model: str) -> str:
        """An environment whose cached layer depends on nothing but the set-up, so that all share it."""
        sets = ["--set", f"base_image={base}", "--set", f"workspace={self.workspace}", "--set", f"agent={case.agent}"]
        run = f"#!/bin/bash\nset -eu\nMODEL={model}\n{case.settings}"
        for name, text in (("cached_preflight_script", case.set_up), ("run_preflight_script", run)):
            path = self.scripts / name
            path.write_text(text)
            path.chmod(0o644)
            sets += ["--set", f"{name}=@{path}"]
        self.cli("env", "create", case.agent, "--set", "cache_container_build=true", *sets)
        return case.agent

    def run(self, name: str, prompt: str) -> Done:
        return self.cli("run", name, "-", "--json", input=prompt)


@pytest.fixture
def me(cli: Cli, tmp_path: Path) -> Person:
    """Whoever runs the tests: root, in a build machine."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Person(cli=cli, workspace=workspace, uid=os.getuid(), gid=os.getgid(), scripts=tmp_path)


@pytest.fixture
def ordinary(user_cli: Cli, ordinary_user: pwd.struct_passwd, user_folder: Path) -> Person:
    """An ordinary user of this machine."""
    workspace = user_folder / "workspace"
    workspace.mkdir()
    os.chown(workspace, ordinary_user.pw_uid, ordinary_user.pw_gid)
    uid, gid = ordinary_user.pw_uid, ordinary_user.pw_gid
    return Person(cli=user_cli, workspace=workspace, uid=uid, gid=gid, scripts=user_folder)


@pytest.fixture(scope="session")
def gateway() -> Iterator[str]:
    """This machine's address on the bridge that containers are on."""
    client = docker.from_env()
    try:
        config = client.api.inspect_network("bridge")["IPAM"]["Config"][0]
        # An engine that has just started does not name it yet: it is the subnet's first.
        yield config.get("Gateway") or str(ipaddress.ip_network(config["Subnet"])[1])
    finally:
        client.close()


def whole_task(case: Case, person: Person, base: str, gateway: str) -> None:
    with case.serve(gateway, 0, COMMAND) as served:
        name = person.environment(case, base, f"http://{gateway}:{served.port}")
        first = person.run(name, PROMPT)
        check(case, person, served, first, PROMPT)
        assert first.phase("build.env")["cache"] in ("built", "hit")

        served.requests.clear()
        second = person.run(name, LONG_PROMPT)
        check(case, person, served, second, LONG_PROMPT)
        assert second.phase("build.env")["cache"] == "hit"
        assert second.result["image"] == first.result["image"]


def check(case: Case, person: Person, served: Served, done: Done, prompt: str) -> None:
    """The task did what the model asked for, and the model was asked with the prompt."""
    assert (done.result["event"], done.result["state"], done.result["exit_code"]) == ("result", "succeeded", 0)
    assert done.phase("agent")["state"] == "finished"
    assert done.phase("preflight.cached") == {}
    made = person.workspace / "made.txt"
    assert made.read_text() == MADE
    assert (made.stat().st_uid, made.stat().st_gid) == (person.uid, person.gid)
    made.unlink()
    # A new environment's profile is Standard: what the agent starts holds no right, and can get none.
    rights = dict(line.split(":\t") for line in (person.workspace / "rights.txt").read_text().splitlines())
    assert {name: int(value, 16) for name, value in rights.items()} == dict.fromkeys(RIGHTS, 0) | {"NoNewPrivs": 1}
    (person.workspace / "rights.txt").unlink()
    assert not list(person.workspace.rglob("canary"))
    texts = served.texts()
    assert prompt in texts if case.exact else any(text.endswith(prompt.strip()) for text in texts)
    said = [(one["kind"], one["text"]) for one in done.events if one["event"] == "agent"]
    assert ("message", "The command has run.") in said
    assert any(kind == "command" and "made.txt; git --version" in text for kind, text in said)
    assert any(kind == "result" for kind, _ in said)
    assert not [text for kind, text in said if kind == "error"]


@pytest.mark.parametrize("agent", CASES)
def test_a_whole_task(agent: str, me: Person, debian_base: str, gateway: str) -> None:
    whole_task(CASES[agent], me, debian_base, gateway)


@pytest.mark.parametrize("agent", ["codex", "claude"])
def test_a_whole_task_of_an_ordinary_user(agent: str, ordinary: Person, agents_base: str, gateway: str) -> None:
    """On a base that has the agents: their layer is this user's own, and installing them once is enough to see."""
    case = replace(CASES[agent], set_up=f"command -v {agent}\n")
    whole_task(case, ordinary, agents_base, gateway)
