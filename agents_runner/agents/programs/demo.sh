#!/bin/sh
# The demonstration's agent: needs no account and hardly a tool; says where it is and leaves a file in the workspace.
say() {
    printf '%s\n' "$*"
}

IFS= read -r first || :
say "Hello, I am the demo agent. You asked: $first"
user=$(id -u 2>/dev/null) || user='?'
say "I work in $PWD as uid $user, task ${AGENTS_RUNNER_TASK_ID:-?} of environment ${AGENTS_RUNNER_ENVIRONMENT:-?}."

found=''
for tool in bash git python3 node npm cargo go make gcc codex claude copilot gemini; do
    if command -v "$tool" >/dev/null 2>&1; then found="$found $tool"; fi
done
say "Tools that I found:${found:- none}"

prompt() {
    say "$first"
    if command -v cat >/dev/null 2>&1; then
        cat
    else
        while IFS= read -r line || [ -n "$line" ]; do say "$line"; done
    fi
}

variables() {
    for name in AGENTS_RUNNER AGENTS_RUNNER_STAGE AGENTS_RUNNER_WORKSPACE AGENTS_RUNNER_TASK_ID \
        AGENTS_RUNNER_ENVIRONMENT; do
        eval "say \"$name=\${$name-}\""
    done
}

if { prompt && say '' && variables; } >agents-runner-demo.txt; then
    say "I wrote your prompt to agents-runner-demo.txt. Done."
else
    say "I cannot write agents-runner-demo.txt here." >&2
    exit 1
fi
