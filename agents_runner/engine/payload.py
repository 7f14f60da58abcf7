"""From a `ContainerSpec` to the engine's own words; pure, so that a test compares values."""

from __future__ import annotations

from agents_runner.core.container import CommitSpec, ContainerSpec

_MIB = 1024 * 1024
_LOG = {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "3"}}


def container_config(spec: ContainerSpec, *, userns_host: bool = False) -> dict[str, object]:
    """The body of a create request. Values that the spec leaves empty are absent: the image's own hold."""
    config: dict[str, object] = {
        "Image": spec.image,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin and not spec.stdin_stays,
        "AttachStdin": spec.stdin,
        "Labels": dict(spec.labels),
        "HostConfig": _host_config(spec, userns_host=userns_host),
    }
    if spec.command:
        config["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        config["Entrypoint"] = list(spec.entrypoint)
    if spec.user:
        config["User"] = spec.user
    if spec.environment or spec.withheld_variables:
        # A name without a value takes the image's variable away.
        config["Env"] = [*(f"{name}={value}" for name, value in spec.environment.items()), *spec.withheld_variables]
    if spec.ports:
        config["ExposedPorts"] = {f"{port.container}/{port.protocol}": {} for port in spec.ports}
    return config


def _host_config(spec: ContainerSpec, *, userns_host: bool) -> dict[str, object]:
    mounts: list[dict[str, object]] = [
        {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
        for mount in spec.mounts
    ]
    mounts += [{"Type": "volume", "Source": name, "Target": target} for name, target in spec.volumes.items()]
    mounts += [_empty_volume(name, target) for name, target in spec.empty_volumes.items()]
    mounts += [_empty_volume(name, target) | {"ReadOnly": True} for name, target in spec.read_only_volumes.items()]
    mounts += [_memory(target, 4, 0o755) for target in spec.memory_folders]
    mounts += [_memory(target, size, 0o1777) for target, size in spec.open_memory_folders.items()]
    host: dict[str, object] = {"Mounts": mounts, "LogConfig": _LOG, "Init": spec.init}
    if spec.only_capabilities is not None:
        host |= {"CapDrop": ["ALL"], "CapAdd": list(spec.only_capabilities), "SecurityOpt": ["no-new-privileges"]}
    elif spec.dropped_capabilities:
        host["CapDrop"] = list(spec.dropped_capabilities)
    if spec.scratch_folders:
        host["Tmpfs"] = {
            target: f"exec,nosuid,nodev,mode=1777,size={size}m" for target, size in spec.scratch_folders.items()
        }
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(
            {"HostIp": port.address, "HostPort": str(port.host) if port.host else ""}
        )
    if bindings:
        host["PortBindings"] = bindings
    limits = spec.resources
    if limits.cpus is not None:
        host["NanoCpus"] = int(limits.cpus * 1e9)
    if limits.memory_mb is not None:
        host["Memory"] = limits.memory_mb * _MIB
    if limits.shm_mb is not None:
        host["ShmSize"] = limits.shm_mb * _MIB
    if limits.pids is not None:
        host["PidsLimit"] = limits.pids
    if spec.network:
        host["NetworkMode"] = spec.network
    if userns_host:
        # Under userns-remap root in the container could not read the launcher's private files.
        host["UsernsMode"] = "host"
    return host


def _empty_volume(name: str, target: str) -> dict[str, object]:
    return {"Type": "volume", "Source": name, "Target": target, "VolumeOptions": {"NoCopy": True}}


def _memory(target: str, size_mib: int, mode: int) -> dict[str, object]:
    return {"Type": "tmpfs", "Target": target, "TmpfsOptions": {"SizeBytes": size_mib * _MIB, "Mode": mode}}


def commit_config(spec: CommitSpec) -> dict[str, object]:
    """The body of a commit request: whatever is empty in it is taken over from the container."""
    config: dict[str, object] = {"Labels": dict(spec.labels)}
    if spec.entrypoint:
        config["Entrypoint"] = list(spec.entrypoint)
    if spec.command:
        config["Cmd"] = list(spec.command)
    if spec.user:
        config["User"] = spec.user
    if spec.environment:
        config["Env"] = list(spec.environment)
    return config
