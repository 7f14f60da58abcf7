#!/bin/bash
set -e
python3 -m pip install --user pipx
python3 -m pipx ensurepath
export PATH="$HOME/.local/bin:$PATH"
pipx install poetry==1.8.3
pipx install --python python3.12 tox
pipx inject poetry poetry-plugin-export
poetry config virtualenvs.in-project true
poetry self add poetry-plugin-up
cd "$AGENTS_RUNNER_WORKSPACE"
poetry install --no-interaction --no-root
poetry run pytest --version
