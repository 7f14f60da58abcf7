#!/bin/bash
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends tree jq
rm -rf /var/lib/apt/lists/*
tree --version
jq --version > "$AGENTS_RUNNER_WORKSPACE/jq-version"
