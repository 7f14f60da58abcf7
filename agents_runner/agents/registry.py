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
from agents_runner.core.settings import CustomAgent, Settings
from agents_runner.core.task_plan import AgentLaunch
from agents_runner.core.variables import check_variables

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
    if not own.argv[0].strip() or any("\0" in word for word in own.argv):
        raise InvalidInput(f"The command of agent {name} cannot be run.", "Correct its argv.", field="agent")
    for path in own.login:
        if path.startswith(("/", "~")) or ".." in path.split("/"):
            raise InvalidInput(
                f"The login file {path!r} of agent {name} is not below the home folder.",
                "Write it as a path inside it, for example .mytool/auth.json.",
                field="agent",
            )
    try:
        check_variables(own.environment)
    except InvalidInput as error:
        raise InvalidInput(f"Agent {name}: {error.message}", error.hint, field="agent") from error
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
    found = [(file, path) for file in agent.login if (path := _source(file, home, environ)) is not None]
    environment = dict(agent.environment)
    for file, _ in found:
        environment |= file.environment
    return AgentLaunch(
        name=agent.name,
        argv=tuple(argv),
        environment=environment,
        root_environment=dict(agent.root_environment),
        login={file.path: str(path) for file, path in found},
        files={agent.program: _program(agent.program)} if agent.program else {},
        install_hint=agent.install_hint,
    )


def _program(name: str) -> str:
    return resources.files("agents_runner.agents.programs").joinpath(name).read_text("utf-8")


def _source(file: LoginFile, home: Path, environ: Mapping[str, str] | None) -> Path | None:
    """This machine's file, if it is a regular one of sane size that can be read and holds a login."""
    folder = (os.environ if environ is None else environ).get(file.home_variable, "") if file.home_variable else ""
    path = Path(folder) / (file.variable_path or Path(file.path).name) if folder else home / file.path
    try:
        if not path.is_file() or path.stat().st_size > MAX_LOGIN_BYTES or not os.access(path, os.R_OK):
            return None
        if file.words and not any(word.encode() in path.read_bytes() for word in file.words):
            return None
        return path.resolve()
    except (OSError, ValueError):
        return None


def host_login_state(agent: Agent, home: Path, environ: Mapping[str, str] | None = None) -> tuple[bool, str]:
    """Whether what logs the agent in is on this machine, and a sentence about it."""
    needed = [file for file in agent.login if file.required]
    if not needed:
        return True, "needs no login"
    where = ", ".join(f"~/{file.path}" for file in needed)
    if all(_source(file, home, environ) is not None for file in needed):
        return True, f"logged in ({where})"
    return False, f"no login on this machine ({where}). {agent.login_hint}".rstrip()


def logins(home: Path, environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, bool, str]]:
    """For the doctor: each built-in agent that needs a login, whether it is here, and a sentence about it."""
    for agent in BUILTIN.values():
        if agent.login:
            yield agent.name, *host_login_state(agent, home, environ)
