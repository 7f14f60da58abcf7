#!/bin/sh
# The demonstration's agent: needs no account and hardly a tool; says where it is and leaves a file in the workspace.
IFS= read -r first || :
echo "Hello, I am the demo agent. You asked: $first"
echo "I work in $(pwd) as uid $(id -u 2>/dev/null || echo '?'), task ${AGENTS_RUNNER_TASK_ID:-?} of environment ${AGENTS_RUNNER_ENVIRONMENT:-?}."
for tool in bash git python3 node; do
    if command -v "$tool" >/dev/null 2>&1; then echo "I found $tool."; fi
done
{
    printf '%s\n' "$first"
    while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done
} >agents-runner-demo.txt
echo "I wrote your prompt to agents-runner-demo.txt. Done."
