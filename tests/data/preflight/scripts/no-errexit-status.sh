#!/bin/bash
apt-get update
grep -q docker /etc/group && echo "docker group"
mkdir -p "$HOME/.config/tool"
[ -d "$AGENTS_RUNNER_WORKSPACE/.git" ] && git -C "$AGENTS_RUNNER_WORKSPACE" fetch
npm install -g vercel-lite
