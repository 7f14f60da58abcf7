"""From an environment and a click on Run to the frozen plan of the task: the one planner of every kind of run."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from agents_runner.core.checks import TASK_CHECKS, Check, FieldProblem, check_texts, problems_found
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
from agents_runner.core.task_plan import WORKSPACE_PATH, AgentLaunch, DockerRunnerConfig
from agents_runner.launcher.files import new_token
from agents_runner.workspace.folders import MountRules, resolve_input, resolve_mount, resolve_workspace

DESKTOP_SHM_MB = 1024
MAX_INPUT_BYTES = 2 * 10**9
"""How large a declared input may be: each is read before every start."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the plan needs to know of this machine: the person, and where the application keeps its files."""

    uid: int
    gid: int
    state_dir: Path
    instance: str = ""
    isolates: bool = False
    """The settings keep all tasks of this machine from each other's ports."""
    max_layer_bytes: int = 0
    """What the settings let the files of one layer have; 0 is no limit."""


def this_host(state_dir: Path, instance: str, engine: EngineInfo | None = None) -> Host:
    """The person as a container sees them: on a rootless engine the container's root is the person."""
    root = engine is not None and engine.rootless
    uid, gid = (0, 0) if root else (os.getuid(), os.getgid())
    return Host(uid=uid, gid=gid, state_dir=state_dir, instance=instance)


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
    kind: Literal["task", "test"] = "task",
) -> DockerRunnerConfig:
    """Resolve everything. Raises InvalidInput at the first field that cannot be used."""
    for problem in problems_of(environment, host):
        raise problem.error()
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
        cached_preflight_script=environment.cached_preflight_script,
        run_preflight_script=environment.run_preflight_script,
        env_vars=environment.env_vars,
        secrets=environment.secret_grants,
        input_files=_input_files(environment),
        mounts=_mounts(environment, host),
        ports=parse_ports(environment.ports),
        resources=_resources(environment),
        workspace=_workspace(environment, host),
        profile=environment.profile,
        isolated=host.isolates,
        max_layer_bytes=host.max_layer_bytes,
        build_timeout_s=environment.build_timeout_s,
        run_preflight_timeout_s=environment.run_preflight_timeout_s or 0,
        task_timeout_s=environment.task_timeout_s or 0,
        package_caches=environment.package_caches,
        uid=host.uid,
        gid=host.gid,
        agent=agent,
        token=new_token(),
        instance=host.instance,
    )


def without_caches(config: DockerRunnerConfig) -> DockerRunnerConfig:
    """The same task from the base image: everything is done at its start."""
    return config.model_copy(update={"desktop_cache_enabled": False, "container_cache_enabled": False})


def problems_of(environment: Environment, host: Host) -> tuple[FieldProblem, ...]:
    """Everything that would stop a task of this environment, each at its field."""
    found = problems_found(environment, (check_texts, *TASK_CHECKS))
    if problems_found(environment, (check_texts,)):
        return found  # no path of it can be looked at
    return found + tuple(
        problem
        for problem in problems_found(environment, _checks_of(host))
        if all(problem.field != one.field for one in found)
    )


# -- one check a field ------------------------------------------------------------------------------


def _checks_of(host: Host) -> tuple[Check, ...]:
    """The checks that look at this machine."""
    return partial(_workspace, host=host), partial(_mounts, host=host), partial(_check_inputs, host=host)


def _check_inputs(environment: Environment, host: Host) -> None:
    for path in environment.cache_inputs:
        resolve_input(path, field="cache_inputs", state_dir=host.state_dir)
        with contextlib.suppress(OSError, RuntimeError):
            if Path(path).expanduser().stat().st_size > MAX_INPUT_BYTES:
                raise InvalidInput(
                    f"{path} is larger than {MAX_INPUT_BYTES // 10**9} GB, too large to be read before each start.",
                    "Name a smaller file that changes with it.",
                    field="cache_inputs",
                )


def _rules(environment: Environment, host: Host) -> MountRules:
    return MountRules(state_dir=host.state_dir, allowed=environment.allow_mounts)


def _mounts(environment: Environment, host: Host) -> tuple[Mount, ...]:
    rules = _rules(environment, host)
    mounts = tuple(resolve_mount(parse_mount(text), rules) for text in environment.mounts)
    check_mounts(mounts, WORKSPACE_PATH)
    return mounts


def _workspace(environment: Environment, host: Host) -> Workspace:
    workspace = environment.workspace
    if isinstance(workspace, FolderWorkspace):
        return FolderWorkspace(path=resolve_workspace(workspace.path, _rules(environment, host)))
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
            found[path] = _digest(Path(path).expanduser())
        except OSError:
            found[path] = "absent"
    return found


def _digest(path: Path) -> str:
    """SHA-256 of an ordinary file, read in pieces; a pipe or a device is not waited for. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no ordinary file")
        return hashlib.file_digest(file, "sha256").hexdigest()
