#!/bin/bash
# Base tools for every task.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y --no-install-recommends \
    build-essential \
    ca-certificates \
    curl \
    git
apt-get clean
rm -rf /var/lib/apt/lists/*

# Per task
mkdir -p "$HOME/scratch/$AGENTS_RUNNER_TASK_ID"
export SCRATCH="$HOME/scratch/$AGENTS_RUNNER_TASK_ID"
