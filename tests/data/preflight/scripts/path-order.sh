#!/bin/bash
set -e
export PATH="$AGENTS_RUNNER_WORKSPACE/node_modules/.bin:$PATH"
apt-get install -y ripgrep
npm install -g serve
export EDITOR=vim
