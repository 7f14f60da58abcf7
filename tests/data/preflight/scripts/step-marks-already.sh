#!/bin/bash
set -euo pipefail

# step: system
apt-get update
apt-get install -y git

# step: node
npm install -g pnpm

# step: workspace
cd "$AGENTS_RUNNER_WORKSPACE"
pnpm install
