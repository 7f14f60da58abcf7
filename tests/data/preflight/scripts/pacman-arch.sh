#!/bin/bash
set -euo pipefail
sudo pacman-key --init
sudo pacman-key --populate archlinux
sudo pacman -Syu --noconfirm
sudo pacman -S --needed --noconfirm base-devel git nodejs npm
pacman -Q nodejs
sudo pacman -Scc --noconfirm
npm i -g pnpm typescript
mkdir -p "$HOME/cache-${AGENTS_RUNNER_TASK_ID}"
export NODE_ENV=development
