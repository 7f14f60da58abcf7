#!/bin/bash
set -e
curl -fsSL "https://dl.example.com/agent?task=${AGENTS_RUNNER_TASK_ID}" -o /usr/local/bin/agent-tool
chmod +x /usr/local/bin/agent-tool
ln -s /usr/local/bin/agent-tool /usr/local/bin/at
mkdir -p /opt/unrelated
