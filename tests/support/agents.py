"""The set-up that brings real agents into a Debian image, and an image that has them already."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import Cli
from tests.support.docker_program import docker
from tests.support.sweep import TEST_BASES

# The registry may be reached through a proxy whose certificate is in the system's bundle only.
SET_UP = """#!/bin/bash
set -euo pipefail
# step: codex and claude
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends nodejs npm git
npm install -g @openai/codex @anthropic-ai/claude-code
"""


def base_with_agents(base: str, folder: Path) -> str:
    """A base image that this set-up has run on: the layer of root's own tasks, by another name."""
    cli, script = Cli(home=folder / "home"), folder / "set-up.sh"
    script.write_text(SET_UP)
    sets = (
        f"base_image={base}",
        "workspace=none",
        "cache_container_build=true",
        f"cached_preflight_script=@{script}",
    )
    cli("env", "create", "agents", *(word for one in sets for word in ("--set", one)))
    ref = f"{TEST_BASES}agents:1"
    docker("tag", cli("build", "agents", "--json").json["image"], ref)
    return ref
