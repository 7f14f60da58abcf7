"""A layer as values: the container that makes it, and how that container becomes an image."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from agents_runner.containers.job import ContainerJob
from agents_runner.core import container as labels
from agents_runner.core.container import CommitSpec, ContainerSpec, ImageInfo, build_container
from agents_runner.core.environment import Resources
from agents_runner.core.imageplan import RECIPE_VERSION, Layer
from agents_runner.core.secrets import SECRETS_PATH, SecretGrant, SecretValues
from agents_runner.core.task_plan import WORKSPACE_PATH
from agents_runner.images.packagecaches import MOUNTED_AT
from agents_runner.launcher.files import LauncherPlan, Stage, control_files, secrets_for
from agents_runner.launcher.tools import LAUNCH, home_of, unsafe_variables

LEFT_ALONE_S = 20
"""How long after its limit a build that no application follows any more ends by itself, in seconds."""
HARMLESS_COMMAND = ("/bin/sh",)


def is_layer(image: ImageInfo | None, layer: Layer) -> bool:
    """True if the image behind the layer's tag is that layer, and not just something with its tag."""
    return (
        image is not None
        and image.is_ours()
        and image.labels.get(labels.IMAGE_KEY) == layer.key
        and image.labels.get(labels.IMAGE_REF) == layer.tag
    )


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What holds for every layer of one task."""

    uid: int
    gid: int
    env_vars: Mapping[str, str]
    timeout_s: int
    max_bytes: int = 0
    """What the files of one layer may have together; 0 is no limit."""
    resources: Resources = Resources()
    secrets: Mapping[str, str] = field(default_factory=SecretValues)
    """Values by name: those that the build may see reach its container, none may stay in the image."""
    grants: tuple[SecretGrant, ...] = ()
    environment_id: str = ""
    package_cache: bool = False


def layer_job(
    layer: Layer, parent: ImageInfo, options: BuildOptions, *, token: str, instance: str, cache: str
) -> ContainerJob:
    """The container that runs a layer's script over its parent; `cache` names its package cache's volume, if any."""
    stages = (Stage(phase=f"build.{layer.kind}", scripts=(layer.inputs.script,)),)
    grants = secrets_for(options.grants, stages)
    plan = LauncherPlan(
        token=token,
        kind="build",
        uid=options.uid,
        gid=options.gid,
        image_user=parent.user,
        image_home=home_of(parent),
        image_variables=unsafe_variables(parent),
        variables=layer.inputs.env_vars,
        fixed={"AGENTS_RUNNER": "1", "AGENTS_RUNNER_WORKSPACE": WORKSPACE_PATH},
        stages=stages,
        volumes=parent.volumes,
        package_cache=bool(cache),
        secrets=grants,
        limit_s=options.timeout_s + LEFT_ALONE_S,
    )
    return ContainerJob(
        kind="build",
        spec=_spec(layer, parent, options, instance=instance, cache=cache, has_secrets=bool(grants)),
        files=control_files(plan),
        token=token,
        uid=options.uid,
        gid=options.gid,
        grants=grants,
        secrets=options.secrets,
    )


def _spec(
    layer: Layer, parent: ImageInfo, options: BuildOptions, *, instance: str, cache: str, has_secrets: bool
) -> ContainerSpec:
    """What the engine is asked for."""
    name = build_container(layer.key)
    return ContainerSpec(
        name=name,
        image=parent.id,
        # A CMD or ENTRYPOINT that the parent lacks could not be taken away again after the commit.
        entrypoint=LAUNCH if parent.entrypoint else None,
        command=() if parent.entrypoint else LAUNCH,
        user="0:0" if parent.user else "",
        withheld_variables=tuple(unsafe_variables(parent)),
        labels={
            labels.CONTAINER_KIND: "build",
            labels.CONTAINER_KEY: layer.key,
            labels.CONTAINER_NAME: name,
            labels.CONTAINER_ENVIRONMENT: options.environment_id,
            labels.CONTAINER_INSTANCE: instance,
            **({labels.CONTAINER_CACHE: cache} if cache else {}),
        },
        volumes={cache: MOUNTED_AT} if cache else {},
        resources=options.resources,
        memory_folders=(SECRETS_PATH,) if has_secrets else (),
        stdin=True,
        stdin_stays=True,
    )


def layer_commit(layer: Layer, parent: ImageInfo, *, base_ref: str, instance: str) -> CommitSpec:
    """How the finished container becomes the layer's image, with everything of the launcher taken out."""
    return CommitSpec(
        labels={
            labels.IMAGE_MANAGED: "true",
            labels.IMAGE_KIND: layer.kind,
            labels.IMAGE_KEY: layer.key,
            labels.IMAGE_REF: layer.tag,
            labels.IMAGE_BASE: base_ref,
            labels.IMAGE_STEP: layer.step,
            labels.IMAGE_PARENT: parent.id,
            labels.IMAGE_RECIPE: f"{RECIPE_VERSION}-{layer.inputs.recipe[:12]}",
            labels.IMAGE_CREATED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            labels.IMAGE_INSTANCE: instance,
            # A container of this image inherits its labels; emptied, they claim nothing.
            labels.CONTAINER_KIND: "",
            labels.CONTAINER_KEY: "",
            labels.CONTAINER_NAME: "",
            labels.CONTAINER_ENVIRONMENT: "",
            labels.CONTAINER_INSTANCE: "",
            labels.CONTAINER_CACHE: "",
            labels.CONTAINER_NONCE: "",
        },
        entrypoint=parent.entrypoint,
        command=parent.command or (None if parent.entrypoint else HARMLESS_COMMAND),
        user=parent.user,
        environment=tuple(f"{name}={value}" for name, value in unsafe_variables(parent).items()),
        message=f"agents-runner {layer.kind} layer {layer.step}".strip(),
    )
