#!/bin/bash
set -e
git clone --branch v0.14.0 https://git.example/asdf.git ~/.asdf
. "$HOME/.asdf/asdf.sh"
asdf plugin add nodejs
asdf plugin-add erlang https://git.example/asdf-erlang.git
asdf install nodejs 20.15.0
asdf global nodejs 20.15.0
asdf reshim nodejs
asdf install
asdf local nodejs 18.20.0
