"""A task's container as a value, made of its plan and of what was found out before it is created."""

from __future__ import annotations

from collections.abc import Mapping

from agents_runner.containers.job import ContainerJob
from agents_runner.core import container as labels
from agents_runner.core.container import ContainerSpec, ImageInfo, task_container
from agents_runner.core.environment import Resources
from agents_runner.core.mounts import Mount
from agents_runner.core.secrets import SECRETS_PATH
from agents_runner.core.task_plan import WORKSPACE_PATH, DockerRunnerConfig
from agents_runner.images.planning import StartPlan
from agents_runner.launcher.files import DesktopStart, LauncherPlan, control_files, secrets_for
from agents_runner.launcher.tools import LAUNCH, home_of, unsafe_variables

STRICT_PIDS = 1024
"""How many processes a task under Strict has at most."""
STRICT_TMP_MIB = 2048
"""Size of /tmp under Strict, in memory: it counts for the task's memory, and is gone with the container."""


def task_job(
    config: DockerRunnerConfig,
    *,
    base: ImageInfo,
    image_id: str,
    start: StartPlan,
    mounts: tuple[Mount, ...] = (),
    login: Mapping[str, bytes] | None = None,
    desktop: DesktopStart | None = None,
    prompt: bytes = b"",
    network: str = "",
    secrets: Mapping[str, str],
) -> ContainerJob:
    """The container that runs a task over the image `image_id`; `base` is the image that the person chose."""
    grants = secrets_for(config.secrets, start.stages, agent=config.agent is not None)
    plan = LauncherPlan(
        token=config.token,
        kind="task",
        uid=config.uid,
        gid=config.gid,
        image_user=base.user,
        image_home=home_of(base),
        image_variables=unsafe_variables(base),
        variables=config.env_vars,
        fixed=_own_variables(config),
        stages=start.stages,
        desktop=desktop,
        mounted=tuple(mount.target for mount in mounts if not mount.read_only),
        login=login or {},
        agent=config.agent,
        prompt=prompt,
        secrets=grants,
        profile=config.profile,
    )
    spec = _spec(config, base=base, image_id=image_id, mounts=mounts, network=network, has_secrets=bool(grants))
    return _job(config, spec, control_files(plan), secrets)


def _own_variables(config: DockerRunnerConfig) -> dict[str, str]:
    """Those of ours, which no script's export may change."""
    return {
        "AGENTS_RUNNER": "1",
        "AGENTS_RUNNER_WORKSPACE": WORKSPACE_PATH,
        "AGENTS_RUNNER_TASK_ID": config.task_id,
        "AGENTS_RUNNER_ENVIRONMENT": config.environment_name,
    }


def _spec(
    config: DockerRunnerConfig,
    *,
    base: ImageInfo,
    image_id: str,
    mounts: tuple[Mount, ...],
    network: str,
    has_secrets: bool,
) -> ContainerSpec:
    """What the engine is asked for."""
    name = task_container(config.task_id)
    return ContainerSpec(
        name=name,
        image=image_id,
        entrypoint=LAUNCH,
        user="0:0" if base.user else "",
        withheld_variables=tuple(unsafe_variables(base)),
        labels={
            labels.CONTAINER_KIND: "task",
            labels.CONTAINER_NAME: name,
            labels.CONTAINER_TASK: config.task_id,
            labels.CONTAINER_ENVIRONMENT: config.environment_id,
            labels.CONTAINER_INSTANCE: config.instance,
        },
        mounts=mounts,
        ports=config.ports,
        resources=_limits(config),
        init=True,
        platform=config.platform,
        network=network,
        memory_folders=(SECRETS_PATH,) if has_secrets else (),
        scratch_folders={"/tmp": STRICT_TMP_MIB} if config.profile == "strict" else {},
        stdin=True,
        stdin_stays=True,
    )


def _limits(config: DockerRunnerConfig) -> Resources:
    """What the environment says, and under Strict no more processes than that profile has."""
    if config.profile != "strict":
        return config.resources
    return config.resources.model_copy(update={"pids": min(config.resources.pids or STRICT_PIDS, STRICT_PIDS)})


def adopted_job(config: DockerRunnerConfig, secrets: Mapping[str, str]) -> ContainerJob:
    """What is still to be known of a task's container that another process began."""
    spec = ContainerSpec(name=task_container(config.task_id), image="")
    return _job(config, spec, {}, secrets)


def _job(
    config: DockerRunnerConfig, spec: ContainerSpec, files: Mapping[str, bytes], secrets: Mapping[str, str]
) -> ContainerJob:
    return ContainerJob(
        kind="task",
        spec=spec,
        files=files,
        token=config.token,
        uid=config.uid,
        gid=config.gid,
        grants=config.secrets,
        secrets=secrets,
    )
