#!/bin/bash
set -e
curl -fsSL https://pyenv.example.com | bash
export PYENV_ROOT="$HOME/.pyenv"
export PATH="$PYENV_ROOT/bin:$PYENV_ROOT/shims:$PATH"
eval "$(pyenv init -)"
pyenv install -s 3.12.4
pyenv global 3.12.4
pyenv virtualenv 3.12.4 tools
pyenv local 3.11.9
pyenv install
