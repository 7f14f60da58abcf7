#!/bin/bash
export NVM_DIR="$HOME/.nvm"
mkdir -p "$NVM_DIR"
curl -o- https://raw.example.com/nvm/v0.39.7/install.sh | bash
[ -s "$NVM_DIR/nvm.sh" ] && \. "$NVM_DIR/nvm.sh"
[ -s "$NVM_DIR/bash_completion" ] && \. "$NVM_DIR/bash_completion"
nvm install 20
nvm install --lts
nvm alias default 20
nvm use 20
npm install -g npm@10 yarn
cd "$AGENTS_RUNNER_WORKSPACE"
nvm install
npm ci
