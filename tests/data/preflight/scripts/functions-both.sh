#!/bin/bash
set -euo pipefail

readonly PREFIX=/opt/tools
log() { printf '[%s] %s\n' "$0" "$*" >&2; }
die() { log "$*"; exit 1; }

# Puts one tool in place.
fetch() {
  local name="$1" url="$2"
  mkdir -p "$PREFIX/bin"
  curl -fsSL "$url" -o "$PREFIX/bin/$name" || die "cannot get $name"
  chmod +x "$PREFIX/bin/$name"
}

note() {
  echo "$1" >> "$AGENTS_RUNNER_WORKSPACE/setup.log"
}

fetch one https://dl.example.com/one
fetch two https://dl.example.com/two
note "tools are ready"
fetch three "https://dl.example.com/three?task=$AGENTS_RUNNER_TASK_ID"
