#!/bin/bash
set -euo pipefail
NONINTERACTIVE=1 /bin/bash -c "$(curl -fsSL https://brew.example.com/install.sh)"
eval "$(/home/linuxbrew/.linuxbrew/bin/brew shellenv)"
brew update
brew install gh fzf ripgrep
brew tap example/tap
brew install example/tap/tool
brew cleanup -s
brew services start redis
brew bundle
