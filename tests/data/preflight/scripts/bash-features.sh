#!/bin/bash
set -euo pipefail
shopt -s extglob nullglob
declare -A urls=([a]=https://dl.example.com/a [b]=https://dl.example.com/b)
for key in "${!urls[@]}"; do
  curl -fsSL "${urls[$key]}" -o "/usr/local/bin/$key"
done
[[ -n "${DISPLAY:-}" ]] && echo "display"
if [[ "$(uname -s)" == Linux && "$HOSTTYPE" =~ ^x86 ]]; then
  apt-get install -y gcc-multilib
fi
mapfile -t lines < /etc/passwd
echo "${#lines[@]} users"
printf -v stamp '%s' "$AGENTS_RUNNER_TASK_ID"
echo "${stamp^^}" > "$HOME/stamp"
count=0
((count += 1)) || true
echo "count $count"
