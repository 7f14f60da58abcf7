"""A container and an image as values: what to create, and what an engine said about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents_runner.core.environment import Resources
from agents_runner.core.mounts import Mount
from agents_runner.core.ports import Port

LABEL = "io.agents-runner."
IMAGE_MANAGED = LABEL + "image.managed"
IMAGE_KIND = LABEL + "image.kind"
IMAGE_KEY = LABEL + "image.key"
IMAGE_REF = LABEL + "image.ref"
IMAGE_REPOSITORIES = frozenset({"agent-runner-desktop", "agent-runner-env", "agent-runner-workspace"})
"""What the tags of our images begin with; nothing else is ever removed as ours, whatever its labels say."""
IMAGE_BASE = LABEL + "image.base"
IMAGE_RECIPE = LABEL + "image.recipe"
IMAGE_CREATED = LABEL + "image.created"
IMAGE_INSTANCE = LABEL + "image.instance"
IMAGE_STEP = LABEL + "image.step"
IMAGE_PARENT = LABEL + "image.parent"
IMAGE_NONCE = LABEL + "image.nonce"
"""Marks what one single commit made: found by it if the answer is lost."""
CONTAINER_KIND = LABEL + "container.kind"
CONTAINER_KEY = LABEL + "container.key"
CONTAINER_TASK = LABEL + "container.task"
CONTAINER_ENVIRONMENT = LABEL + "container.environment"
CONTAINER_INSTANCE = LABEL + "container.instance"
CONTAINER_OWNER = LABEL + "container.owner"
"""Number of the process that looks after it, for what is neither a task nor a build; see `store.owners`."""
CONTAINER_NONCE = LABEL + "container.nonce"
"""Marks what one single call made: found by it if the answer is lost."""
CONTAINER_CACHE = LABEL + "container.cache"
"""The package cache that a build has mounted."""
NETWORK_KIND = LABEL + "network.kind"
APART_NETWORK = "agents-runner-apart"
"""The one network that all tasks of an engine share which are kept apart: its address pools end at some thirty."""
APART_LABELS = {NETWORK_KIND: "apart"}
VOLUME_KIND = LABEL + "volume.kind"
VOLUME_NAME = LABEL + "volume.name"
VOLUME_ENVIRONMENT = LABEL + "volume.environment"
VOLUME_INSTANCE = LABEL + "volume.instance"
CONTAINER_NAME = LABEL + "container.name"
"""The container's own name: a container that inherited our labels from an image has another one."""


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """What to create. `entrypoint` None keeps the image's, and so does `user` ""."""

    name: str
    image: str
    """An image id or tag; never pulled by creating."""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    withheld_variables: tuple[str, ...] = ()
    """Names of the image's own variables that the container does not have."""
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Named volumes: volume name to the path inside."""
    memory_folders: tuple[str, ...] = ()
    """Paths of file systems in memory: nothing in them is ever on a disk or in a commit."""
    open_memory_folders: Mapping[str, int] = field(default_factory=dict)
    """The same for folders that every user of the container may write into: path to its size in MiB."""
    scratch_folders: Mapping[str, int] = field(default_factory=dict)
    """The same for folders whose files can be run as programs, in place of what the image has there."""
    empty_volumes: Mapping[str, str] = field(default_factory=dict)
    """The same for volumes that nothing of the image is copied into."""
    read_only_volumes: Mapping[str, str] = field(default_factory=dict)
    """Named volumes that the container can only read: volume name to the path inside."""
    stdin: bool = False
    """Whether something is sent to the first process (`Attached.send`)."""
    stdin_stays: bool = False
    """Whether its standard input stays open when who sent something goes away, so that others can send more."""
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    init: bool = False
    dropped_capabilities: tuple[str, ...] = ("MKNOD", "NET_RAW", "SETFCAP")
    """Rights that not even root has in the container, whatever runs there: no package needs them."""
    only_capabilities: tuple[str, ...] | None = None
    """Where it is not None: root has these rights alone, and no program gives more."""
    network: str = ""
    platform: str = ""


def task_container(task_id: str) -> str:
    """The name of a task's container."""
    return f"agents-runner-task-{task_id}"


def build_container(key: str) -> str:
    """The lock: names are unique on an engine, so whoever creates this container builds the layer of this key."""
    return f"agents-runner-build-{key}"


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """A container as `inspect` shows it. `status` is the engine's word: created, running, paused, exited, dead..."""

    id: str
    name: str
    status: str
    running: bool
    exit_code: int | None
    """None while it has not ended."""
    oom_killed: bool = False
    error: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    image_id: str = ""
    ports: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """`3000/tcp` to the address and port on the host."""
    created: float = 0.0
    """Seconds since the epoch, by the engine's clock; `started` and `finished` likewise, 0 if it never was."""
    started: float = 0.0
    finished: float = 0.0

    @property
    def ended(self) -> bool:
        return not self.running and self.status in ("exited", "dead", "removing")


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """What an engine knows of one image; `size` in bytes, `created` in seconds since the epoch."""

    id: str
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    created: float = 0.0
    parent: str = ""
    platform: str = ""
    """`os/architecture[/variant]`."""
    user: str = ""
    environment: tuple[str, ...] = ()
    """`NAME=value` as the image's configuration holds them."""
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()

    def is_ours(self) -> bool:
        """True for an image that we made; one built FROM ours inherits the labels but not the tag.

        Labels can be put on any image, so the tag must be in one of our repositories as well.
        """
        return self.is_labelled_ours() and self.labels.get(IMAGE_REF) in self.tags

    def is_labelled_ours(self) -> bool:
        """True for labels as we write them, with a tag in one of our repositories."""
        repository = self.labels.get(IMAGE_REF, "").partition(":")[0]
        return self.labels.get(IMAGE_MANAGED) == "true" and repository in IMAGE_REPOSITORIES


@dataclass(frozen=True, kw_only=True)
class VolumeInfo:
    """A named volume; `created` in seconds since the epoch."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NetworkInfo:
    """A network, and the names of all containers that are on it or would be once they run."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CommitSpec:
    """How a finished build container becomes an image; None fields stay as the container has them."""

    labels: Mapping[str, str]
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    user: str = ""
    environment: tuple[str, ...] = ()
    """`NAME=value` of variables that the container went without and the image is to have; others stay."""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """Who answered: `endpoint` as it was reached, `local` when bind mounts name this machine's files."""

    endpoint: str
    version: str
    api: str
    platform: str
    local: bool
    rootless: bool = False
    userns: bool = False
    cpus: int = 0
    memory: int = 0
