#!/usr/bin/env bash
set -euo pipefail

# Tools that every clone needs
sudo apt-get update
sudo apt-get install -y postgresql-client
pipx install httpie

# The project itself
pip install -e '.[test]'
pre-commit install
