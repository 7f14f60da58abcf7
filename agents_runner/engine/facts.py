"""From what an engine says (JSON, with fields that come and go between versions) to our values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents_runner.core.container import ContainerState, EngineInfo, ImageInfo, VolumeInfo

_FRACTION = re.compile(r"\.(\d{1,6})\d*")


def seconds(text: str) -> float:
    """An engine's time (RFC 3339, nanoseconds) as seconds since the epoch; 0 if there is none."""
    if not text or text.startswith("0001-"):
        return 0.0
    try:
        return datetime.fromisoformat(_FRACTION.sub(r".\1", text.replace("Z", "+00:00"), count=1)).timestamp()
    except ValueError:
        return 0.0


def engine_info(said: Mapping[str, Any], version: Mapping[str, Any], url: str, *, local: bool) -> EngineInfo:
    """What `info` and `version` say of the engine that was reached at `url`."""
    security = [str(option) for option in said.get("SecurityOptions") or []]
    os_, arch = str(version.get("Os") or "linux"), str(version.get("Arch") or "")
    return EngineInfo(
        endpoint=url,
        version=str(version.get("Version") or ""),
        api=str(version.get("ApiVersion") or ""),
        platform=f"{os_}/{arch}" if arch else os_,
        local=local,
        rootless=any("name=rootless" in option for option in security),
        userns=any("name=userns" in option for option in security),
        cpus=int(said.get("NCPU") or 0),
        memory=int(said.get("MemTotal") or 0),
    )


def volume_info(said: Mapping[str, Any]) -> VolumeInfo:
    """A volume as the engine lists it."""
    return VolumeInfo(
        name=str(said["Name"]),
        labels=dict(said.get("Labels") or {}),
        created=seconds(str(said.get("CreatedAt") or "")),
    )


def _words(value: Any) -> tuple[str, ...] | None:
    return tuple(str(word) for word in value) if value else None


def image_info(said: Mapping[str, Any]) -> ImageInfo:
    """An image as `inspect` shows it."""
    config = said.get("Config") or {}
    platform = "/".join(str(said.get(part) or "") for part in ("Os", "Architecture", "Variant")).rstrip("/")
    return ImageInfo(
        id=str(said["Id"]),
        tags=tuple(said.get("RepoTags") or ()),
        labels=dict(config.get("Labels") or {}),
        size=int(said.get("Size") or 0),
        created=seconds(str(said.get("Created") or "")),
        parent=str(said.get("Parent") or ""),
        platform=platform,
        user=str(config.get("User") or ""),
        environment=tuple(config.get("Env") or ()),
        entrypoint=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        volumes=tuple(sorted(config.get("Volumes") or ())),
    )


def image_summary(said: Mapping[str, Any]) -> ImageInfo:
    """An image as the list of images shows it, with less of its configuration."""
    return ImageInfo(
        id=str(said["Id"]),
        tags=tuple(tag for tag in said.get("RepoTags") or () if tag != "<none>:<none>"),
        labels=dict(said.get("Labels") or {}),
        size=int(said.get("Size") or 0),
        created=float(said.get("Created") or 0),
        parent=str(said.get("ParentId") or ""),
    )


def container_state(said: Mapping[str, Any]) -> ContainerState:
    """A container as `inspect` shows it."""
    state = said.get("State") or {}
    status = str(state.get("Status") or "")
    ended = status in ("exited", "dead")
    ports: dict[str, tuple[str, int]] = {}
    for port, bindings in ((said.get("NetworkSettings") or {}).get("Ports") or {}).items():
        for binding in bindings or ():
            ports[str(port)] = (str(binding.get("HostIp") or ""), int(binding.get("HostPort") or 0))
    return ContainerState(
        id=str(said["Id"]),
        name=str(said.get("Name") or "").lstrip("/"),
        status=status,
        running=bool(state.get("Running")),
        exit_code=int(state.get("ExitCode") or 0) if ended else None,
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        labels=dict((said.get("Config") or {}).get("Labels") or {}),
        image_id=str(said.get("Image") or ""),
        ports=ports,
        created=seconds(str(said.get("Created") or "")),
        started=max(0.0, seconds(str(state.get("StartedAt") or ""))),
        finished=max(0.0, seconds(str(state.get("FinishedAt") or ""))) if ended else 0.0,
    )


def container_summary(said: Mapping[str, Any]) -> ContainerState:
    """A container as the list of containers shows it: without times and exit code."""
    names = said.get("Names") or ("",)
    status = str(said.get("State") or "")
    return ContainerState(
        id=str(said["Id"]),
        name=str(names[0]).lstrip("/"),
        status=status,
        running=status in ("running", "paused", "restarting"),
        exit_code=None,
        labels=dict(said.get("Labels") or {}),
        image_id=str(said.get("ImageID") or ""),
        created=float(said.get("Created") or 0),
    )
