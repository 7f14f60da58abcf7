#!/bin/bash
set -eu
for name in alpha beta gamma; do
    mkdir -p "/opt/loop/$name"
    case $name in
        beta) echo second > "/opt/loop/$name/order" ;;
        *) echo other > "/opt/loop/$name/order" ;;
    esac
done
i=0
while [ "$i" -lt 3 ]; do
    ln -sf "/opt/loop/alpha" "/opt/loop/link-$i"
    i=$((i + 1))
done
for name in one two; do
    echo "$name" >> "$AGENTS_RUNNER_WORKSPACE/names"
done
if [ -d /opt/loop/beta ]; then
    export HAS_BETA=1
else
    export HAS_BETA=0
fi
