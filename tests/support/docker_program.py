"""The engine by its own program, as a person at a terminal uses it."""

from __future__ import annotations

import subprocess


def docker(*args: str, data: bytes | None = None) -> str:
    """What it prints; `data` is its standard input. Fails if it does."""
    return subprocess.run(["docker", *args], input=data, capture_output=True, check=True).stdout.decode()


def docker_export(image: str) -> bytes:
    """An image's file system as a tar."""
    made = docker("create", image, "true").strip()
    try:
        return subprocess.run(["docker", "export", made], capture_output=True, check=True).stdout
    finally:
        docker("rm", made)
