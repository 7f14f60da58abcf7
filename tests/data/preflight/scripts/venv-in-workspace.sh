#!/bin/bash
set -e
apt-get install -y python3-venv
cd "$AGENTS_RUNNER_WORKSPACE"
python3 -m venv .venv
source .venv/bin/activate
pip install --upgrade pip
pip install -r requirements.txt
npm install -g pyright
