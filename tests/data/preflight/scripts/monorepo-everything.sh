#!/bin/bash
# One script for everything, as it grew over the years.
set -euo pipefail
IFS=$'\n\t'

### System
export DEBIAN_FRONTEND=noninteractive TZ=Europe/Vienna
apt-get update -qq
apt-get install -qqy --no-install-recommends tzdata git curl build-essential python3-pip

### Languages
curl -fsSL https://deb.example.com/setup_20.x | bash -
apt-get install -y nodejs
npm install -g pnpm@9 nx@19
pip3 install --no-cache-dir poetry==1.8.3

### Project
cd "$AGENTS_RUNNER_WORKSPACE"
pnpm install --frozen-lockfile
(cd services/api && poetry install --no-root)
nx run-many -t build

### Finish
export NX_DAEMON=false
echo "ready: $(node --version), $(python3 --version)"
