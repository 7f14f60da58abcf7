"""Where in a container nothing is mounted: the system's and the launcher's places."""

from __future__ import annotations

import pytest

from agents_runner.core.errors import InvalidInput
from agents_runner.core.mounts import parse_mount

REFUSED = (
    *(
        "/",
        "/bin",
        "/bin/sh",
        "/sbin/init",
        "/lib/ld-linux.so.2",
        "/lib64/ld-linux-x86-64.so.2",
        "/libx32",
        "/lib32/x",
    ),
    *("/usr", "/usr/bin/setpriv", "/usr/bin/env", "/usr/local/bin", "/usr/local/bin/sudo", "/usr/lib/x", "/usr/sbin"),
    *("/etc", "/etc/passwd", "/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/profile.d/x.sh", "/etc/sudoers.d/x"),
    *(
        "/etc/ssl",
        "/etc/ssl/private",
        "/boot/x",
        "/proc/self",
        "/sys",
        "/dev/null",
        "/dev/shm",
        "/run",
        "/var",
        "/var/run",
    ),
    *("/run/secrets", "/run/secrets/TOKEN", "/run/agents-runner", "/run/agents-runner/in", "/var/run/secrets/x"),
    *("/var/run/agents-runner", "//etc/passwd", "/./usr/bin", "/usr//bin", "/x/../etc", "/run/secrets/"),
)
TAKEN = (
    *(
        "/data",
        "/workspace/data",
        "/opt/tool",
        "/home/dev/.cache",
        "/root/.cache",
        "/usr/src/app",
        "/usr/local/src/x",
    ),
    *(
        "/srv",
        "/mnt/x",
        "/var/cache/x",
        "/var/www",
        "/etcetera",
        "/binaries",
        "/usrx",
        "/run/app",
        "/secrets",
        "/tmp/x",
    ),
)


@pytest.mark.parametrize("target", REFUSED)
@pytest.mark.parametrize("mode", ["", ":ro", ":rw"])
def test_m3_targets_that_the_system_uses(target: str, mode: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_mount(f"/srv/x:{target}{mode}")
    assert error.value.field == "mounts"


@pytest.mark.parametrize("target", TAKEN)
def test_m3_targets_that_are_free(target: str) -> None:
    assert parse_mount(f"/srv/x:{target}").target == target


def test_m3_certificates_are_brought_along_read_only() -> None:
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    assert parse_mount(f"{bundle}:{bundle}:ro").target == bundle
    with pytest.raises(InvalidInput):
        parse_mount(f"{bundle}:{bundle}")
