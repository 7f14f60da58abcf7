#!/usr/bin/env bash
set -euo pipefail
curl -LsSf https://uv.example.com/install.sh | sh
. "$HOME/.local/bin/env"
uv python install 3.12
uv tool install ruff
uv tool install --python 3.12 'pre-commit>=3'
uv pip install --system requests
uv venv /opt/uv-env
cd "${AGENTS_RUNNER_WORKSPACE}"
uv sync --frozen
uv run pre-commit install
uv pip install -r requirements.txt
