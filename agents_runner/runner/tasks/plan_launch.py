"""From an environment and a click on Run to the frozen plan of the task: the one planner of every kind of run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agents_runner.core.container import EngineInfo
from agents_runner.core.environment import (
    Environment,
    FolderWorkspace,
    GitWorkspace,
    NoWorkspace,
    Resources,
    Workspace,
)
from agents_runner.core.errors import InvalidInput
from agents_runner.core.mounts import Mount, check_mounts, parse_mount
from agents_runner.core.ports import parse_ports
from agents_runner.core.repository_url import check_branch, check_url
from agents_runner.core.scripts import check_script, normalise
from agents_runner.core.secrets import check_secrets
from agents_runner.core.task_plan import WORKSPACE_PATH, AgentLaunch, DockerRunnerConfig
from agents_runner.core.variables import check_variables
from agents_runner.workspace.folders import resolve_mount, resolve_source, resolve_workspace

DESKTOP_SHM_MB = 1024
IMAGE_REF_HINT = "For example debian:bookworm or lunamidori5/pixelarch:emerald."


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the plan needs to know of this machine: the person, and where the application keeps its files."""

    uid: int
    gid: int
    state_dir: Path
    instance: str = ""


def this_host(state_dir: Path, instance: str, engine: EngineInfo | None = None) -> Host:
    """The person as a container sees them: on a rootless engine the container's root is the person."""
    if engine is not None and engine.rootless:
        return Host(uid=0, gid=0, state_dir=state_dir, instance=instance)
    return Host(uid=os.getuid(), gid=os.getgid(), state_dir=state_dir, instance=instance)


def check_prompt(prompt: str) -> bytes:
    """The prompt's bytes. Raises InvalidInput for an empty one or one that is no text."""
    if not prompt.strip():
        raise InvalidInput("The prompt is empty.", "Say what the agent is to do.", field="prompt")
    try:
        return prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "The prompt is not valid Unicode.", "Paste it again as plain text.", field="prompt"
        ) from error


def plan_launch(
    environment: Environment,
    *,
    task_id: str,
    agent: AgentLaunch | None,
    host: Host,
    kind: Literal["task", "interactive", "test"] = "task",
) -> DockerRunnerConfig:
    """Resolve everything. Raises InvalidInput at the first field that cannot be used."""
    for problem in (problem for check in _CHECKS for problem in check(environment, host)):
        raise problem
    return DockerRunnerConfig(
        kind=kind,
        task_id=task_id,
        environment_id=environment.id,
        environment_name=environment.name,
        base_image=environment.base_image.strip(),
        pull=environment.pull,
        headless_desktop_enabled=environment.headless_desktop_enabled,
        desktop_cache_enabled=environment.headless_desktop_enabled and environment.cache_desktop_build,
        container_cache_enabled=environment.cache_container_build,
        preflight_enabled=environment.preflight_enabled,
        cached_preflight_script=normalise(environment.cached_preflight_script),
        run_preflight_script=normalise(environment.run_preflight_script),
        env_vars=environment.env_vars,
        secrets=environment.secret_grants,
        input_files=_input_files(environment),
        mounts=_mounts(environment, host),
        ports=parse_ports(environment.ports),
        resources=_resources(environment),
        workspace=_workspace(environment, host),
        build_timeout_s=environment.build_timeout_s,
        run_preflight_timeout_s=environment.run_preflight_timeout_s or 0,
        task_timeout_s=environment.task_timeout_s or 0,
        package_caches=environment.package_caches,
        uid=host.uid,
        gid=host.gid,
        agent=agent,
        token=secrets.token_hex(16),
        instance=host.instance,
    )


def without_caches(config: DockerRunnerConfig) -> DockerRunnerConfig:
    """The same task from the base image: everything is done at its start."""
    return config.model_copy(update={"desktop_cache_enabled": False, "container_cache_enabled": False})


def problems_of(environment: Environment, host: Host) -> tuple[InvalidInput, ...]:
    """Everything that would stop a task of this environment, each at its field."""
    return tuple(problem for check in _CHECKS for problem in check(environment, host))


# -- one check a field ------------------------------------------------------------------------------

Check = Callable[[Environment, Host], list[InvalidInput]]


def _caught(act: Callable[[], object]) -> list[InvalidInput]:
    try:
        act()
    except InvalidInput as error:
        return [error]
    return []


def _check_image(environment: Environment, _host: Host) -> list[InvalidInput]:
    ref = environment.base_image.strip()
    if not ref:
        return [InvalidInput("The environment has no base image.", IMAGE_REF_HINT, field="base_image")]
    if ref.startswith("-") or any(char.isspace() or not char.isprintable() for char in ref):
        return [InvalidInput(f"{ref!r} is no image's name.", IMAGE_REF_HINT, field="base_image")]
    name = ref.rsplit("/", 1)[-1].split(":", 1)[0].split("@", 1)[0]
    if ref.startswith(("agent-runner-env:", "agent-runner-desktop:")):
        return [
            InvalidInput(f"{ref} is a cached layer, which may be cleaned away.", IMAGE_REF_HINT, field="base_image")
        ]
    if not name or name != name.lower():
        return [InvalidInput(f"{ref!r} is no image's name: it has capitals.", IMAGE_REF_HINT, field="base_image")]
    return []


def _check_workspace(environment: Environment, host: Host) -> list[InvalidInput]:
    return _caught(lambda: _workspace(environment, host))


def _check_scripts(environment: Environment, _host: Host) -> list[InvalidInput]:
    return _caught(lambda: check_script(environment.cached_preflight_script, "cached_preflight_script")) + _caught(
        lambda: check_script(environment.run_preflight_script, "run_preflight_script")
    )


def _check_variables(environment: Environment, _host: Host) -> list[InvalidInput]:
    return _caught(lambda: check_variables(environment.env_vars))


def _check_secrets(environment: Environment, _host: Host) -> list[InvalidInput]:
    def check() -> None:
        check_secrets(environment.secret_grants, variables=environment.env_vars, targets=_targets(environment))

    return _caught(check)


def _targets(environment: Environment) -> tuple[str, ...]:
    """Where the mounts go, of those that can be read; the others have an error of their own."""
    found = []
    for text in environment.mounts:
        with contextlib.suppress(InvalidInput):
            found.append(parse_mount(text).target)
    return tuple(found)


def _check_mounts(environment: Environment, host: Host) -> list[InvalidInput]:
    return _caught(lambda: _mounts(environment, host))


def _check_ports(environment: Environment, _host: Host) -> list[InvalidInput]:
    return _caught(lambda: parse_ports(environment.ports))


def _check_inputs(environment: Environment, host: Host) -> list[InvalidInput]:
    def check() -> None:
        for path in environment.cache_inputs:
            resolve_source(path, field="cache_inputs", state_dir=host.state_dir)

    return _caught(check)


_CHECKS: tuple[Check, ...] = (
    _check_image,
    _check_workspace,
    _check_scripts,
    _check_variables,
    _check_secrets,
    _check_mounts,
    _check_ports,
    _check_inputs,
)


def _mounts(environment: Environment, host: Host) -> tuple[Mount, ...]:
    mounts = tuple(resolve_mount(parse_mount(text), state_dir=host.state_dir) for text in environment.mounts)
    check_mounts(mounts, WORKSPACE_PATH)
    return mounts


def _workspace(environment: Environment, host: Host) -> Workspace:
    workspace = environment.workspace
    if isinstance(workspace, FolderWorkspace):
        return FolderWorkspace(path=resolve_workspace(workspace.path, state_dir=host.state_dir))
    if isinstance(workspace, GitWorkspace):
        check_url(workspace.url)
        if workspace.branch:
            check_branch(workspace.branch)
        return workspace
    return NoWorkspace()


def _resources(environment: Environment) -> Resources:
    """Browsers on a desktop need more shared memory than the engine's default of 64 MiB."""
    found = environment.resources
    if environment.headless_desktop_enabled and found.shm_mb is None:
        return found.model_copy(update={"shm_mb": DESKTOP_SHM_MB})
    return found


def _input_files(environment: Environment) -> dict[str, str]:
    """Declared files as path to SHA-256; a file that cannot be read is keyed as absent."""
    found: dict[str, str] = {}
    for path in environment.cache_inputs:
        try:
            found[path] = hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()
        except OSError:
            found[path] = "absent"
    return found
