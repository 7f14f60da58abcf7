#!/bin/bash
set -e
curl https://mise.example.com/run | sh
export PATH="$HOME/.local/bin:$PATH"
eval "$(mise activate bash)"
mise use -g node@22 python@3.12
mise install go@1.22
mise plugins install terraform
mise settings set experimental true
cd "$AGENTS_RUNNER_WORKSPACE"
mise trust
mise install
mise use node@20
