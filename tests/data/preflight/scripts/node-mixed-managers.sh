#!/bin/bash
set -euo pipefail
corepack enable
corepack prepare pnpm@9.1.0 --activate
export PNPM_HOME="$HOME/.local/share/pnpm"
export PATH="$PNPM_HOME:$PATH"
pnpm add -g turbo
pnpm config set store-dir "$HOME/.pnpm-store"
yarn global add lerna
curl -fsSL https://bun.example.com/install | bash
bun add -g cowsay
bun install --global tsx
bun install
pnpm install --frozen-lockfile
yarn
yarn install --immutable
