#!/bin/bash
set -euo pipefail
# Tools
apt-get update
apt-get install -y --no-install-recommends shellcheck jq
curl -LsSf https://astral.sh/uv/install.sh | sh
export PATH="$HOME/.local/bin:$PATH"

# Dependencies of the project
uv sync --all-extras
pnpm install
