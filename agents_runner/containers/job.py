"""What one container is to do, as a value: a layer's build and a task are made of the same parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agents_runner.core.container import ContainerSpec
from agents_runner.core.secrets import SecretGrant, SecretValues

JobKind = Literal["build", "task"]


@dataclass(frozen=True, kw_only=True)
class ContainerJob:
    """A container before it exists; nothing in it names a folder of this machine that the container could write into.

    `spec` is without what `ControlFolder.prepare` adds to it.
    """

    kind: JobKind
    spec: ContainerSpec
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The launcher's files, all below `in/`; see `launcher.files.control_files`."""
    token: str = field(repr=False)
    """What marks the launcher's own lines."""
    uid: int = 0
    gid: int = 0
    grants: tuple[SecretGrant, ...] = ()
    """The secrets that any of its stages may see."""
    secrets: Mapping[str, str] = field(default_factory=SecretValues)
    """Their values by name; each stage is sent its own when it begins."""
