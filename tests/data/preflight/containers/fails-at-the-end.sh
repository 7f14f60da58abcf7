#!/bin/bash
mkdir -p /opt/fails
echo done > /opt/fails/marker
echo "task" > "$AGENTS_RUNNER_WORKSPACE/task"
grep -q nothing "$AGENTS_RUNNER_WORKSPACE/task" || exit 9
