#!/bin/sh
set -eu
if command -v apt-get >/dev/null 2>&1; then
  apt-get update
  apt-get install -y git make
elif command -v apk >/dev/null 2>&1; then
  apk add --no-cache git make
elif command -v pacman >/dev/null 2>&1; then
  pacman -Sy --noconfirm git make
else
  echo "no package manager" >&2
  exit 1
fi
if [ ! -x /usr/local/bin/tool ]; then
  curl -fsSL https://dl.example.com/tool -o /usr/local/bin/tool
  chmod +x /usr/local/bin/tool
fi
if [ -f "$AGENTS_RUNNER_WORKSPACE/Makefile" ]; then
  make -C "$AGENTS_RUNNER_WORKSPACE" deps
fi
