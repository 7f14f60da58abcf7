#!/bin/bash
set -e
packages=(git curl jq)
for package in "${packages[@]}"; do
  apt-get install -y "$package"
done
for dir in /opt/a /opt/b; do
  mkdir -p "$dir/data"
done
for tool in eslint prettier; do npm install -g "$tool"; done
while read -r name url; do
  git clone --depth 1 "$url" "/opt/src/$name"
done <<'LIST'
one https://git.example/one.git
two https://git.example/two.git
LIST
for f in *.txt; do cat "$f"; done
for i in 1 2 3; do echo "$i" >> "$HOME/task-$AGENTS_RUNNER_TASK_ID.log"; done
