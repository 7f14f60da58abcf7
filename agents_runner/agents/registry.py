"""Finding an agent by its name, and making of it what a task's container is given."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from agents_runner.agents.builtin import BUILTIN
from agents_runner.agents.model import Agent, LoginFile
from agents_runner.core.errors import InvalidInput
from agents_runner.core.launch import AgentLaunch
from agents_runner.core.settings import CustomAgent, Settings

MAX_LOGIN_BYTES = 1024 * 1024


def agent_names(settings: Settings) -> tuple[str, ...]:
    """Built-in agents first, then the person's own."""
    return (*BUILTIN, *(name for name in settings.agents if name not in BUILTIN))


def resolve(name: str, settings: Settings) -> Agent:
    """The agent of that name; the person's own wins. Raises InvalidInput at the field `agent`."""
    own = settings.agents.get(name)
    if own is not None:
        return _custom(name, own)
    if name in BUILTIN:
        return BUILTIN[name]
    names = agent_names(settings)
    near = difflib.get_close_matches(name, names, 2)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(names)}."
    raise InvalidInput(f"There is no agent {name!r}.", hint, field="agent")


def _custom(name: str, own: CustomAgent) -> Agent:
    for path in own.login:
        if path.startswith(("/", "~")) or ".." in path.split("/"):
            raise InvalidInput(
                f"The login file {path!r} of agent {name} is not below the home folder.",
                "Write it as a path inside it, for example .mytool/auth.json.",
                field="agent",
            )
    return Agent(
        name=name,
        title=name,
        argv=own.argv,
        login=tuple(LoginFile(path=path) for path in own.login),
        check=(own.argv[0], "--version"),
        environment=own.environment,
        install_hint=f"Install {own.argv[0]} in the cached preflight.",
    )


def launch(
    agent: Agent, *, args: tuple[str, ...], home: Path, environ: Mapping[str, str] | None = None
) -> AgentLaunch:
    """What a container needs to start it: only this agent's login files, and only those that are there."""
    argv: list[str] = []
    for word in agent.argv:
        argv += args if word == "{args}" else (word,)
    if "{args}" not in agent.argv:
        argv += args
    login = {file.path: str(path) for file in agent.login if (path := _source(file, home, environ)) is not None}
    files = {agent.program: _program(agent.program)} if agent.program else {}
    return AgentLaunch(
        name=agent.name,
        argv=tuple(argv),
        environment=dict(agent.environment),
        root_environment=dict(agent.root_environment),
        login=login,
        files=files,
        install_hint=agent.install_hint,
    )


def _program(name: str) -> str:
    return resources.files("agents_runner.agents.programs").joinpath(name).read_text("utf-8")


def _source(file: LoginFile, home: Path, environ: Mapping[str, str] | None) -> Path | None:
    """The host's file, if it is a regular one of sane size that can be read."""
    folder = (os.environ if environ is None else environ).get(file.home_variable, "") if file.home_variable else ""
    path = Path(folder) / Path(file.path).name if folder else home / file.path
    try:
        if path.is_file() and path.stat().st_size <= MAX_LOGIN_BYTES and os.access(path, os.R_OK):
            return path.resolve()
    except OSError:
        return None
    return None


def logins(home: Path, environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, bool, str]]:
    """For the doctor: agent, whether its login is on this machine, and a sentence about it."""
    for agent in BUILTIN.values():
        needed = [file for file in agent.login if file.required]
        if not needed:
            continue
        found = all(_source(file, home, environ) is not None for file in needed)
        where = ", ".join(f"~/{file.path}" for file in needed)
        yield agent.name, found, f"logged in ({where})" if found else f"no login on this machine ({where})"
